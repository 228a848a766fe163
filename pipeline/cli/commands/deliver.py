"""``streamgauge deliver``: bring alerts to where people see them."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile


def deliver(
    config: ConfigFile = None,
    destination: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only to this destination; may be repeated.")
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            help="Where a destination begins that nothing was delivered to yet: start, end, or a time: 10m (ago), "
            "2026-01-31T12:00, @ and Unix ms.",
        ),
    ] = "end",
    once: Annotated[bool, typer.Option("--once", help="End when everything there is has been delivered.")] = False,
    redrive: Annotated[
        bool, typer.Option("--redrive", help="Deliver what was given up before, each once more, then end.")
    ] = False,
) -> None:
    """Deliver alerts, or notices of incidents, to the destinations of the configuration.

    One process a destination. Each has its own place and waits for nobody; after a crash it goes on there, and what was
    under way comes again with the same id. What a destination does not take goes to a dead-letter topic.
    """
    from pipeline.cli.delivering import deliver_messages
    from pipeline.cli.runtime import read_config, run

    work = deliver_messages(read_config(config), destination or (), since=since, once=once, redrive=redrive)
    run(work, interrupted=130 if once or redrive else 0)
