"""``streamgauge topics``: what the log holds, whether it is as wanted, and making it so."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, Format, OutputFormat

app = typer.Typer(help="Show the topics of the log, and mend those that are not as wanted.")


@app.callback(invoke_without_command=True)
def topics(
    context: typer.Context,
    config: ConfigFile = None,
    every: Annotated[bool, typer.Option("--all", help="All topics of the log.")] = False,
    form: OutputFormat = None,
) -> None:
    """List the topics of the application, their records, and whether they are as the configuration wants them."""
    context.obj = (config, form)
    if context.invoked_subcommand is not None:
        return
    from pipeline.cli.output import Output
    from pipeline.cli.rows.topics import list_topics
    from pipeline.cli.runtime import read_config, run

    run(list_topics(read_config(config), Output(form), every=every))


@app.command()
def mend(
    context: typer.Context,
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    form: OutputFormat = None,
) -> None:
    """Make the topics that are missing, add partitions, set what is kept.

    Partitions are only added. A stream's own topic may be another program's: it is never made to keep less.
    """
    from pipeline.cli.output import Output
    from pipeline.cli.rows.topics import mend_topics
    from pipeline.cli.runtime import read_config, run

    before: tuple[Path | None, Format | None] = context.obj
    run(mend_topics(read_config(config or before[0]), Output(form or before[1]), dry_run=dry_run))
