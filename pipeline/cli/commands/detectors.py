"""``streamgauge detectors``: what there is to choose from."""

from typing import Final

from pipeline.cli.options import OutputFormat

_RISK: Final = {
    "best_for": "fraud among payments whose labels come in, be it days later",
    "cost": "9 us a payment or label by two keys; 1.5 kB a key and window",
}


def detectors(form: OutputFormat = None) -> None:
    """List the detectors: cost, what each is best for, and its settings.

    Each is a kind of series detector under [detectors.NAME] of the configuration, which docs/detectors.md compares; but
    for risk, the score of payments by boosted trees under [scores.NAME], which learns from labels.
    """
    import dataclasses
    import inspect

    from agents.risk.spec import RiskSpec
    from detectors import SERIES
    from pipeline.cli.output import Output, table

    rows = [
        {
            "kind": kind,
            "best_for": made.best_for,
            "cost": made.cost,
            "settings": " ".join(
                name if setting.default is inspect.Parameter.empty else f"{name}={setting.default}"
                for name, setting in inspect.signature(made).parameters.items()
            ),
        }
        for kind, made in sorted(SERIES.items())
    ]
    settings = [f"{field.name}={field.default}" for field in dataclasses.fields(RiskSpec) if _is_plain(field.default)]
    rows.append({"kind": "risk", **_RISK, "settings": " ".join(["keys", *settings])})
    shown = table("kind", "best for", "cost", "settings")
    for row in rows:
        shown.add_row(*row.values())
    Output(form).rows(shown, rows, nothing="there are no detectors")


def _is_plain(value: object) -> bool:
    """Whether a default says something on a line of settings."""
    return isinstance(value, int | float)
