"""``streamgauge detectors``: what there is to choose from."""

from pipeline.cli.options import OutputFormat


def detectors(form: OutputFormat = None) -> None:
    """List the series detectors: cost, what each is best for, and its settings.

    Each is a ``kind`` under ``[detectors.NAME]`` of the configuration; docs/detectors.md compares them.
    """
    import inspect

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
    shown = table("kind", "best for", "cost", "settings")
    for row in rows:
        shown.add_row(*row.values())
    Output(form).rows(shown, rows, nothing="there are no detectors")
