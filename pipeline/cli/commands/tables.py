"""``streamgauge tables``: windowed tables as they stand in the log."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat

app = typer.Typer(help="Show windowed tables, read from the log without asking a worker.", no_args_is_help=True)


@app.command("list")
def list_(config: ConfigFile = None, form: OutputFormat = None) -> None:
    """List the tables: window, rows, and how far each is behind its stream."""
    from pipeline.cli.output import Output
    from pipeline.cli.rows.tables import list_tables
    from pipeline.cli.runtime import read_config, run

    run(list_tables(read_config(config), Output(form)))


@app.command()
def show(
    table: Annotated[str, typer.Argument(help="Name of the table.", show_default=False)],
    *,
    config: ConfigFile = None,
    key: Annotated[str, typer.Option(metavar="TEXT", help="Only rows whose key holds this.")] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Only rows for which this holds, such as 'spent >= 1.5k'; repeatable."),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Smallest first; --sort=-COLUMN for largest first.")
    ] = None,
    partition: Annotated[int | None, typer.Option("--partition", "-p", min=0, help="Only this one.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="At most so many rows; 50 for people.")
    ] = None,
    form: OutputFormat = None,
) -> None:
    """Show the rows of a table over all partitions, one for each key and window."""
    from pipeline.cli.output import Output
    from pipeline.cli.rows.tables import show_table
    from pipeline.cli.runtime import read_config, run
    from pipeline.readmodel.query import TableQuery, parse_condition, parse_sort

    column, descending = parse_sort(sort)
    query = TableQuery(
        words=(key,) if key else (),
        where=tuple(map(parse_condition, where or ())),
        partition=partition,
        sort=column,
        descending=descending,
    )
    run(show_table(read_config(config), table, query, Output(form), limit=limit))
