"""The command ``streamgauge``: one file a command, each importing what it runs only when it runs."""

from collections.abc import Callable
from typing import Annotated

import typer

from pipeline.cli.commands import audit, incidents, keys, load, tables, topics, users
from pipeline.cli.commands.alerts import alerts
from pipeline.cli.commands.backtest import backtest
from pipeline.cli.commands.check import check
from pipeline.cli.commands.consume import consume
from pipeline.cli.commands.deliver import deliver
from pipeline.cli.commands.demo import demo
from pipeline.cli.commands.detectors import detectors
from pipeline.cli.commands.lag import lag
from pipeline.cli.commands.produce import produce
from pipeline.cli.commands.reset import reset
from pipeline.cli.commands.version import version
from pipeline.cli.commands.web import web
from pipeline.cli.commands.why import why
from pipeline.cli.commands.worker import worker
from pipeline.cli.program import EXIT_CODES, Program, tolerate_any_encoding

app = typer.Typer(
    name="streamgauge",
    cls=Program,
    help="Watch event streams: windowed tables, detectors and alerts, exactly once.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001
    end_with_stdin: Annotated[
        bool, typer.Option("--end-with-stdin", hidden=True, help="End in order when standard input closes.")
    ] = False,
) -> None:
    """Options of every command; ``Program`` looks for ``--debug`` itself."""
    if end_with_stdin:
        from pipeline.cli.lifeline import end_with_stdin as watch

        watch()


_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run": (demo, worker, deliver, web),
    "Look": (alerts, why, lag),
    "Records": (produce, consume),
    "Configuration": (check, backtest, detectors, reset, version),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(incidents.app, name="incidents", rich_help_panel="Look")
app.add_typer(tables.app, name="tables", rich_help_panel="Look")
app.add_typer(topics.app, name="topics", rich_help_panel="Look")
app.add_typer(load.app, name="load", rich_help_panel="Records")
for name, group in {"users": users, "keys": keys, "audit": audit}.items():
    app.add_typer(group.app, name=name, rich_help_panel="Access")


def main() -> None:
    """Entry point."""
    tolerate_any_encoding()
    app(prog_name="streamgauge")


if __name__ == "__main__":
    main()
