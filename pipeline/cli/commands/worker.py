"""``streamgauge worker``: the process that does the work."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile


def worker(
    config: ConfigFile = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when everything has been processed.")] = False,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of this worker, for people.")] = None,
    instance: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Static member id on Kafka: back within the session time-out, the worker finds its partitions as they "
            "were. Unique among the workers; otherwise without effect.",
        ),
    ] = None,
    module: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE", help="Python module with agents of yours, defines register(app); repeatable."),
    ] = None,
) -> None:
    """Process streams: keep tables, raise alerts, commit.

    Workers of one configuration share its partitions; start as many as you like. Ctrl-C and SIGTERM commit what was
    processed and hand the partitions over; messages go to standard error.
    """
    from pipeline.cli.runtime import read_config
    from pipeline.config import with_instance
    from pipeline.worker import run_worker

    settings = with_instance(read_config(config), instance)
    code = run_worker(settings, until_idle=until_idle, name=name or instance, modules=module or ())
    raise typer.Exit(code)
