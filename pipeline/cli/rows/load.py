"""Progress and summary of a load: a bar and a table for people, JSON lines for programs."""

import contextlib
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from load import Sent
from pipeline.cli.human import number, rate, size, span
from pipeline.cli.output import Output, table
from pipeline.cli.traffic.sending import Tally


class JsonReporter:
    """A line a second."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def progress(self, tally: Tally) -> None:
        """So far."""
        self._output.objects([{"type": "progress", **tally.as_object()}])


class BarReporter:
    """A bar on standard error, which leaves standard output to the summary."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def progress(self, tally: Tally) -> None:
        """So far."""
        behind = f" · {span(tally.behind_ms)} late" if tally.behind_ms > 1_000 else ""
        text = f"{number(tally.records)} records · {rate(tally.per_s)}{behind}"
        self._progress.update(self._task, completed=tally.elapsed_ms, text=text)


@contextlib.contextmanager
def reporting(output: Output, what: str, duration_ms: int | None) -> Iterator[JsonReporter | BarReporter]:
    """What to tell progress to."""
    if output.json:
        yield JsonReporter(output)
        return
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield BarReporter(progress, progress.add_task(what, total=duration_ms, text="starting"))


def show_summary(output: Output, tally: Tally, *, complete: bool, sent: Sent | None = None) -> None:
    """What was sent, how late, and what was in it."""
    if output.json:
        output.objects(
            [{"type": "summary", "complete": complete, **tally.as_object(), **_delays(tally), **_content(tally, sent)}]
        )
        return
    shown = table("", "")
    shown.show_header = False
    for name, text in _facts(tally, sent):
        shown.add_row(name, text)
    output.show(shown)
    if not complete:
        output.show("[yellow]stopped before the end[/]")


def _delays(tally: Tally) -> dict[str, Any]:
    delays = tally.delays
    if delays is None or not len(delays):
        return {}
    return {"send_delay_ms": {"p50": delays.quantile(0.5), "p99": delays.quantile(0.99), "max": delays.max_ms}}


def _content(tally: Tally, sent: Sent | None) -> dict[str, Any]:
    if sent is None:
        return {}
    kinds = sorted(tally.campaigns)
    return {
        "campaigns": {kind: len(tally.campaigns[kind]) for kind in kinds},
        "campaign_records": {kind: tally.campaign_records[kind] for kind in kinds},
        "faults": _faults(sent),
    }


def _faults(sent: Sent) -> dict[str, Any]:
    malformed = {kind: count for kind, count in sent.malformed.items() if count}
    return {"late": sent.late, "out_of_order": sent.disordered, "duplicates": sent.duplicates, "malformed": malformed}


def _facts(tally: Tally, sent: Sent | None) -> list[tuple[str, str]]:
    facts = [
        (
            "records",
            f"{number(tally.records)} in {span(tally.elapsed_ms)}, {rate(tally.per_s)}, {size(tally.size_bytes)}",
        )
    ]
    delays = _delays(tally).get("send_delay_ms")
    if delays:
        texts = (f"{name} {span(delays[name])}" for name in ("p50", "p99", "max"))
        facts.append(("sent late by", ", ".join(texts)))
    if sent is None:
        return facts
    for kind in sorted(tally.campaigns):
        campaigns, records = len(tally.campaigns[kind]), tally.campaign_records[kind]
        facts.append((kind, f"{number(campaigns)} campaigns, {number(records)} records"))
    faults = _faults(sent)
    faults |= {f"malformed: {kind}": count for kind, count in faults.pop("malformed").items()}
    facts += [(name.replace("_", " "), f"{number(count)} records") for name, count in faults.items() if count]
    return facts
