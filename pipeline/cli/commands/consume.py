"""``streamgauge consume``: the records of a topic."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat


def consume(
    topic: Annotated[str, typer.Argument(help="Any topic of the log, internal ones too.", show_default=False)],
    *,
    config: ConfigFile = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="start, end, an offset, or a time: 10m (ago), 2026-01-31T12:00, @ and Unix ms. "
            "By default start; end with --follow.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    partition: Annotated[int | None, typer.Option("--partition", "-p", min=0, help="Only this one.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="End after so many records.")] = None,
    form: OutputFormat = None,
) -> None:
    """Show the records of a topic with offset, time, key and headers.

    Bytes that are no UTF-8 are shown as escapes, and in JSON as base64 under key_base64 and value_base64.
    """
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import read_config, run
    from pipeline.cli.traffic.consuming import consume_topic

    place = start or ("end" if follow else "start")
    work = consume_topic(
        read_config(config), topic, Output(form), start=place, on=follow, partition=partition, limit=limit
    )
    run(work, interrupted=0 if follow else 130)
