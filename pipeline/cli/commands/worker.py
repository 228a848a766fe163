"""``streamgauge worker``: the process that does the work."""

import asyncio
from collections.abc import Sequence
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
    processes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Run so many workers, and start those again that fail.")
    ] = 1,
) -> None:
    """Process streams: keep tables, raise alerts, commit.

    Workers of one configuration share its partitions; start as many as you like. Ctrl-C and SIGTERM commit what was
    processed and hand the partitions over; messages go to standard error.
    """
    from pipeline.cli.runtime import read_config
    from pipeline.config import with_instance
    from pipeline.worker import run_worker

    if processes > 1:
        raise typer.Exit(_supervise(processes, config, until_idle, name, instance, module or ()))
    settings = with_instance(read_config(config), instance)
    code = run_worker(settings, until_idle=until_idle, name=name or instance, modules=module or ())
    raise typer.Exit(code)


def _supervise(
    processes: int, config: ConfigFile, until_idle: bool, name: str | None, instance: str | None, modules: Sequence[str]
) -> int:
    from pipeline.cli.runtime import read_config
    from pipeline.cli.supervisor import Supervisor
    from pipeline.worker.run import log_to_stderr

    read_config(config)  # one clear message before processes are started
    log_to_stderr()
    shared = [*(["-c", str(config)] if config else []), *(["--until-idle"] if until_idle else [])]
    shared += [word for module in modules for word in ("--module", module)]
    named = [("--name", name), ("--instance", instance)]
    commands = [
        ["worker", *shared, *(word for option, value in named if value for word in (option, f"{value}-{at}"))]
        for at in range(processes)
    ]
    return asyncio.run(Supervisor(commands).run())
