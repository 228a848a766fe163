"""``streamgauge reset``: make the application start anew."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat


def reset(
    config: ConfigFile = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            help="Where the streams are then read from: start, end, how long ago, such as 10m, or a time.",
        ),
    ] = "start",
    alerts: Annotated[bool, typer.Option("--alerts", help="Delete the alerts too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    form: OutputFormat = None,
) -> None:
    """Delete what the application made of its streams, so that it starts anew.

    State, repartitioned records, closed windows, health and the group's positions go; topics of streams, dead letters
    and late records stay. Refused while a worker lives. Alerts of records that are read again come again.
    """
    from pipeline.cli.output import Output
    from pipeline.cli.rows.reset import show_reset
    from pipeline.cli.runtime import read_config, run

    run(show_reset(read_config(config), Output(form), to=to, alerts=alerts, dry_run=dry_run, yes=yes))
