"""``streamgauge backtest``: a configuration over recorded events, and how good it is."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import OutputFormat


def backtest(
    *,
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Configuration; [bold]streamgauge.toml[/] here by default. A second one is compared with the first.",
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The second configuration: alerts gained and lost.")
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE", help="Recorded events, a JSON object a line; - is standard input."),
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A stream's topic of the log instead of a file; may be repeated."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --topic: from this append time on: 10m (ago), 2026-01-31T12:00, @ ms."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="With --topic: before this append time.")] = None,
    scores: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the score of each scored record.")] = None,
    alerts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the alerts, each with the id of the record that fired.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help='What turned out: {"id": "p17", "fraud": true} a line.')
    ] = None,
    card: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Whose scores are ranked day by day; by default the stream's key."),
    ] = None,
    label_delay: Annotated[
        str,
        typer.Option(metavar="LENGTH", help="How long after its record a label is known, to rank cards."),
    ] = "7d",
    top: Annotated[int, typer.Option(min=1, help="Records and cards a day that precision is measured of.")] = 100,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw alerts a day and precision by recall.")
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="Alerts gained and lost that are shown.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    form: OutputFormat = None,
) -> None:
    """Run recorded events through the same shards as a worker, on a virtual clock, and measure what comes of them.

    Nothing is written to the event log. docs/backtest.md explains the measures.
    """
    from pipeline.cli.backtesting import Asked, run_backtest
    from pipeline.cli.options import config_path, parse_length
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import read_config, run
    from pipeline.errors import UsageError

    paths = [*(config or [config_path(None)]), *([against] if against else [])]
    if len(paths) > 2:
        raise UsageError(f"{len(paths)} configurations are too many; two can be compared: -c A -c B")
    asked = Asked(
        configs=[(str(path), read_config(path)) for path in paths],
        records=records,
        topics=topic or [],
        since=since,
        until=until,
        scores=scores,
        alerts=alerts,
        truth=truth,
        card=card,
        delay_ms=parse_length("--label-delay", label_delay),
        top=top,
        plot=plot,
        examples=examples,
    )
    run(run_backtest(asked, Output("json" if as_json else form)))
