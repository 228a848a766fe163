"""``streamgauge alerts``: what was raised, and what is being raised."""

from typing import Annotated, Literal

import typer

from pipeline.cli.options import ConfigFile, OutputFormat


def alerts(
    *,
    config: ConfigFile = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    rule: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only of this rule or detector; may be repeated.")
    ] = None,
    severity: Annotated[
        Literal["info", "low", "medium", "high", "critical"] | None, typer.Option(help="Only this severe or more.")
    ] = None,
    key: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Only of this key; may be repeated.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="start, end, or a time: 10m (ago), 2026-01-31T12:00, @ and Unix ms. "
            "By default start; end with --follow.",
        ),
    ] = None,
    form: OutputFormat = None,
) -> None:
    """Show alerts with why they fired, oldest first.

    JSON has all evidence; docs/schemas/alert.schema.json describes it.
    """
    from pipeline.cli.alerting import show_alerts
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import read_config, run
    from pipeline.subscribe import AlertFilter

    wanted = AlertFilter(rules=rule or (), severity=severity, keys=key or ())
    place = since or ("end" if follow else "start")
    work = show_alerts(read_config(config), wanted, Output(form), since=place, on=follow)
    run(work, interrupted=0 if follow else 130)
