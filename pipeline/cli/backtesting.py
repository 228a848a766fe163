"""A backtest from what was asked on the command line to what is shown."""

import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from agents.language.expression import listed
from pipeline.backtest.compare import compare
from pipeline.backtest.lines import BadLine, Feed, Lines
from pipeline.backtest.outcomes import Collected
from pipeline.backtest.recorded import find_range, read_range
from pipeline.backtest.report import report
from pipeline.backtest.run import Bad, Run, Sinks, run
from pipeline.backtest.truth import Truth, read_truth
from pipeline.cli.human import number
from pipeline.cli.options import parse_moment
from pipeline.cli.output import Output
from pipeline.cli.rows.backtest import show_comparison, show_report
from pipeline.cli.runtime import now_ms, opened
from pipeline.config import AppConfig
from pipeline.errors import UnknownTopicError, UsageError

_STDIN: Final = Path("-")
_SAY_EVERY_S: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is to be done; see the command's options."""

    configs: Sequence[tuple[str, AppConfig]]
    records: Path | None
    topics: Sequence[str]
    since: str | None
    until: str | None
    scores: Path | None
    alerts: Path | None
    truth: Path | None
    card: str | None
    delay_ms: int
    top: int
    plot: Path | None
    examples: int

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            UsageError: Says what.
            UnknownTopicError: If a topic is that of no stream.
        """
        if (self.records is None) == (not self.topics):
            raise UsageError("say where the records are: either --input FILE, or --topic NAME of the log")
        if self.records is not None and (self.since or self.until):
            raise UsageError("--since and --until go with --topic; a file is read as a whole")
        if self.records == _STDIN and len(self.configs) > 1:
            raise UsageError("standard input can't be read twice, for two configurations; use a file")
        for _, config in self.configs:
            known = {stream.topic for stream in config.streams.values()}
            for topic in self.topics:
                if topic not in known:
                    raise UnknownTopicError(f"{topic!r} is the topic of no stream; there are {listed(sorted(known))}")


async def run_backtest(asked: Asked, output: Output) -> None:
    """Run one configuration, or two one after the other, and show what they gave."""
    asked.check()
    truth = _truth(asked.truth)
    runs: list[tuple[str, Run]] = []
    told: list[dict[str, Any]] = []
    for at, (name, config) in enumerate(asked.configs):
        started = time.perf_counter()
        made = await _run(asked, name, config, truth, is_first=at == 0)
        runs.append((name, made))
        told.append(report(made, name=name, top=asked.top, elapsed_s=time.perf_counter() - started))
    comparison = None
    if len(runs) > 1:
        fraud = None if truth is None else truth.fraud
        comparison = compare(runs[0][1].alerts, runs[1][1].alerts, fraud=fraud, most=asked.examples)
    if asked.plot is not None:
        _plot(asked, runs, asked.plot)
    if output.json:
        output.objects([*told, *([] if comparison is None else [{"comparison": comparison}])])
        return
    for each in told:
        show_report(output, each)
    if comparison is not None:
        show_comparison(output, comparison)


def _plot(asked: Asked, runs: Sequence[tuple[str, Run]], path: Path) -> None:
    try:
        from pipeline.backtest.plot import plot
    except ImportError as error:
        raise UsageError("--plot needs matplotlib; install it with: pip install 'streamgauge[plot]'") from error
    every = [spec for _, config in asked.configs for spec in config.detectors.values()]
    plot(runs, {spec.name: spec.direction for spec in every}, path)


async def _run(asked: Asked, name: str, config: AppConfig, truth: Truth | None, *, is_first: bool) -> Run:
    made = Run(config=config, bad=Bad())
    if truth is not None:
        made.collected = Collected(truth, dict(config.streams), card=asked.card, delay_ms=asked.delay_ms)
    with contextlib.ExitStack() as stack:
        sinks = Sinks()
        if is_first:  # a second configuration is compared, its scores and alerts are had by a run of its own
            sinks = Sinks(scores=_opened(stack, asked.scores), alerts=_opened(stack, asked.alerts))
        if asked.records is not None:
            file = _source(stack, asked.records)
            total = None if asked.records == _STDIN else asked.records.stat().st_size
            on_step = stack.enter_context(_progress(name, total, lambda _: file.tell() if total else 0))
            lines = Lines(dict(config.streams), made.bad.line, limit_ms=now_ms())
            return await run(made, _steps(lines, file), sinks, by_line=True, on_step=on_step)
        async with opened(config) as log:
            moments = [None if text is None else parse_moment(text, now_ms()) for text in (asked.since, asked.until)]
            wanted = await find_range(log, list(dict.fromkeys(asked.topics)), *moments)
            on_step = stack.enter_context(_progress(name, wanted.records, lambda run: run.records))
            return await run(made, read_range(log, wanted), sinks, by_line=False, on_step=on_step)


async def _steps(lines: Lines, file: BinaryIO) -> AsyncIterator[list[Feed]]:
    for feeds in lines.steps(iter(file.readline, b"")):
        yield feeds


def _truth(path: Path | None) -> Truth | None:
    if path is None:
        return None
    bad: list[BadLine] = []
    with contextlib.ExitStack() as stack:
        truth = read_truth(_source(stack, path), bad.append)
    for line in bad[:5]:
        sys.stderr.write(f"streamgauge: {path}:{line.line}: {line.reason}\n")
    if len(bad) > 5:
        sys.stderr.write(f"streamgauge: {path}: {number(len(bad))} lines are no labels\n")
    return truth


def _source(stack: contextlib.ExitStack, path: Path) -> BinaryIO:
    if path == _STDIN:
        return sys.stdin.buffer
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error


def _opened(stack: contextlib.ExitStack, path: Path | None) -> BinaryIO | None:
    if path is None:
        return None
    try:
        return stack.enter_context(path.open("wb"))
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from error


@contextlib.contextmanager
def _progress(name: str, total: int | None, done: Callable[[Run], int]) -> Iterator[Callable[[Run], None]]:
    """Says on standard error how far a run is: a bar on a terminal, else a line every ten seconds."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[text]}"))
    said = time.monotonic()
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(name, total=total, text="")

        def on_step(run: Run) -> None:
            nonlocal said
            text = f"{number(run.records)} records · {number(len(run.alerts))} alerts"
            bar.update(task, completed=done(run), text=text)
            if not console.is_terminal and time.monotonic() - said >= _SAY_EVERY_S:
                said = time.monotonic()
                share = f" · {done(run) / total:.0%}" if total else ""
                sys.stderr.write(f"{name}: {text}{share}\n")

        yield on_step
