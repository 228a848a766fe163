"""``streamgauge lag``: what waits, how long, and whether somebody works on it."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat


def lag(
    config: ConfigFile = None,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another consumer group than the application's own.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All consumer groups of the log.")] = False,
    rates: Annotated[
        bool, typer.Option("--rates/--no-rates", help="Look twice, a second apart, to know rates and when lag is gone.")
    ] = True,
    form: OutputFormat = None,
) -> None:
    """Show what waits in each partition, for how long, and why.

    Read from the log, so right even if every worker is dead. Lag is in records not covered by a commit, and in
    how long the oldest of them has been waiting. Skew says how unevenly a topic's partitions are loaded.
    """
    from pipeline.cli.output import Output
    from pipeline.cli.rows.lag import show_lag
    from pipeline.cli.runtime import read_config, run

    settings = read_config(config)
    run(show_lag(settings, None if every else group or settings.name, Output(form), rates=rates))
