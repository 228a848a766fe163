"""``streamgauge demo``: everything at once, on this machine, in half a minute."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import OutputFormat


def demo(
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="Configuration; [bold]examples/payments.toml[/] by default."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=5.0, max=86_400.0, help="How long, about.")] = 30.0,
    rate: Annotated[str, typer.Option(metavar="RATE", help="Payments a second, such as 500 or 20k.")] = "5k",
    seed: Annotated[int, typer.Option(min=0, help="Of the payments.")] = 7,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of the web view; 0 takes a free one.")] = 0,
    serve: Annotated[bool, typer.Option("--serve", help="Go on until Ctrl-C.")] = False,
    keep: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep log and messages of the processes there.")
    ] = None,
    form: OutputFormat = None,
) -> None:
    """Run the whole job on this machine and show what came of it.

    Starts a web view, a worker, a subscriber to alerts and two producers, payments with labelled fraud and recorded
    measurements, as processes of their own over one fresh log. None of them is left behind.
    """
    import sys

    from pipeline.cli.options import parse_rate
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import run_until_stopped
    from pipeline.demo import DemoSettings, run_demo
    from pipeline.demo.settings import EXAMPLE
    from pipeline.errors import UsageError

    parse_rate(rate)
    if keep is not None and (keep / "log.db").exists():
        raise UsageError(f"{keep} holds the log of an earlier demo; name another folder with --keep")
    settings = DemoSettings(
        config=config or EXAMPLE, seconds=seconds, rate=rate, seed=seed, port=port, serve=serve, keep=keep
    )
    as_text = form is None and not sys.stdout.isatty()  # lines are for people even through a pipe
    output = Output("table" if as_text else form)
    run_until_stopped(lambda stop: run_demo(settings, output, stop))
