"""``streamgauge audit``: who changed what, and whether the log of it is whole."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat

app = typer.Typer(help="Who logged in and changed what, and whether that log is whole.", no_args_is_help=True)


@app.command()
def show(
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many of the newest.")] = 50,
    config: ConfigFile = None,
    form: OutputFormat = None,
) -> None:
    """Show the newest records, in the order in which they were written."""
    from pipeline.cli.rows.access import desk, show_audit

    with desk(config, form, needed=True) as opened:
        show_audit(opened, limit)


@app.command()
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER:HASH", help="What an earlier check printed as head; may be repeated."),
    ] = None,
    config: ConfigFile = None,
    form: OutputFormat = None,
) -> None:
    """Check that no record was changed, taken out or put in; code 7 and the first such record if one was.

    Prints the head. Keep it somewhere else: with --head a later check also finds records that are missing at the end.
    """
    from pipeline.cli.rows.access import desk, verify_audit

    with desk(config, form, needed=True) as opened:
        verify_audit(opened, head or [])
