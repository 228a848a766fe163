"""What one sees while the demonstration runs: a live bar, plain lines, or JSON."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from pipeline.cli.alerting import alert_line
from pipeline.cli.human import number, rate, span
from pipeline.cli.output import Output
from pipeline.cli.runtime import now_ms
from pipeline.demo.facts import Lag, Summary
from pipeline.demo.summary import as_object, as_text

_ALERT_EVERY_MS: Final = 3_000
_LINE_EVERY_MS: Final = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """How it goes.

    Args:
        elapsed_ms: Since producing started.
        records: Sent so far.
        lag: What waits.
        alerts: Seen by the subscriber so far.
    """

    elapsed_ms: int
    records: int
    lag: Lag
    alerts: int

    def __str__(self) -> str:
        per_s = 1_000 * self.records / self.elapsed_ms if self.elapsed_ms else None
        waits = f"{number(self.lag.records)} waiting" if self.lag.records else "all processed"
        return f"{number(self.records)} records · {rate(per_s)} · {waits} · {number(self.alerts)} alerts"


class Screen(Protocol):
    """Where it is shown."""

    def note(self, kind: str, text: str) -> None:
        """Say something that happened once."""

    def alert(self, alert: Mapping[str, Any]) -> None:
        """Show an alert, or only count it when there are too many."""

    def state(self, state: State) -> None:
        """Show how it goes."""

    def summary(self, summary: Summary) -> None:
        """Show what came of it."""


class Sparse:
    """Lets the first alert of a rule through, then one in so many ms, and says how many it held back.

    >>> sparse = Sparse(every_ms=1_000)
    >>> [sparse.held("a", time_ms) for time_ms in (0, 500, 900, 1_000)]
    [0, None, None, 2]
    """

    def __init__(self, *, every_ms: int = _ALERT_EVERY_MS) -> None:
        self._every_ms = every_ms
        self._shown_ms: dict[str, int] = {}
        self._held: dict[str, int] = {}

    def held(self, rule: str, time_ms: int) -> int | None:
        """How many were held back since the last one that was let through; ``None`` if this one is."""
        if rule in self._shown_ms and time_ms - self._shown_ms[rule] < self._every_ms:
            self._held[rule] = self._held.get(rule, 0) + 1
            return None
        self._shown_ms[rule] = time_ms
        return self._held.pop(rule, 0)


class JsonScreen:
    """Everything, an object a line."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told_ms = 0

    def note(self, kind: str, text: str) -> None:
        """See ``Screen.note``."""
        self._output.objects([{"type": kind, "text": text}])

    def alert(self, alert: Mapping[str, Any]) -> None:
        """See ``Screen.alert``; none is held back."""
        self._output.objects([{"type": "alert", **alert}])

    def state(self, state: State) -> None:
        """See ``Screen.state``."""
        if state.elapsed_ms - self._told_ms >= 1_000:
            self._told_ms = state.elapsed_ms
            facts = {"elapsed_ms": state.elapsed_ms, "records": state.records, "alerts": state.alerts}
            self._output.objects([{"type": "progress", **facts, "lag_records": state.lag.records}])

    def summary(self, summary: Summary) -> None:
        """See ``Screen.summary``."""
        self._output.objects([{"type": "summary", **as_object(summary)}])


class TextScreen:
    """Lines, and on a terminal a bar below them."""

    def __init__(self, output: Output, bar: Progress | None, task: TaskID | None) -> None:
        self._output, self._bar, self._task = output, bar, task
        self._sparse = Sparse()
        self._told_ms = 0

    def note(self, kind: str, text: str) -> None:
        """See ``Screen.note``."""
        self._output.line(Text.assemble((f"{kind:<9}", "bold"), text))

    def alert(self, alert: Mapping[str, Any]) -> None:
        """See ``Screen.alert``."""
        held = self._sparse.held(alert["rule"], now_ms())
        if held is None:
            return
        line = alert_line(alert)
        if held:
            line.append(f" (+{held} more)", style="dim")
        if self._bar is None:
            self._output.line(line)
        else:
            line.truncate(self._output.console.width, overflow="ellipsis")
            self._output.console.print(line)

    def state(self, state: State) -> None:
        """See ``Screen.state``."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=state.elapsed_ms, text=str(state))
        elif state.elapsed_ms - self._told_ms >= _LINE_EVERY_MS:
            self._told_ms = state.elapsed_ms
            self._output.line(Text(f"{span(state.elapsed_ms)}: {state}"))

    def summary(self, summary: Summary) -> None:
        """See ``Screen.summary``."""
        if self._bar is not None:
            self._bar.stop()
        self._output.show(Text())
        self._output.show(as_text(summary))


@contextlib.contextmanager
def screen(output: Output, load_s: float | None) -> Iterator[Screen]:
    """The screen that fits where the output goes; ``load_s`` is the length of the run, if it has one."""
    console: Console = output.console
    if output.json:
        yield JsonScreen(output)
    elif not console.is_terminal:
        yield TextScreen(output, None, None)
    else:
        columns = (SpinnerColumn(), BarColumn(bar_width=16), TextColumn("{task.fields[text]}"))
        with Progress(*columns, console=console, transient=True, redirect_stderr=False) as bar:
            total = None if load_s is None else 1_000 * load_s
            yield TextScreen(output, bar, bar.add_task("", total=total, text="starting"))
