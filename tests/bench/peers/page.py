"""The comparison as a page in Markdown."""

from collections.abc import Iterator
from pathlib import Path

from tests.bench.peers.engines import ENGINES
from tests.bench.peers.reference import PARTITIONS
from tests.bench.peers.result import Comparison, Measured, machine, runtimes

PAGE, PLOT = "j2.md", "j2.png"
_OURS = "streamgauge"

_INTRODUCTION = """\
# The same windows in other engines

Made by `{command}`; everything below is measured, in one go, on one machine.

![Records a second of each engine]({plot})

"""
_JOB = """
## The job

{records:,} JSON payments of some 176 bytes lie in {partitions} partitions of a Kafka topic: 10,000 accounts after
Zipf's law, 2,000 payments a second of event time, out of order by about 200 ms, 43 % of them in one partition. A
process that has **one core** reads the topic from its start, parses each payment, and keeps count and sum by account in
tumbling windows of 60 s by event time. The payment that makes a window's count 20 raises an alert with the sum so far,
to another topic. State is durable in the way that the engine offers, and is committed every second.

## How it is measured

From outside, and for every engine in the same way: the broker stamps each alert with the time at which it appends it.
Brute force over the payments read from the topic knows which alerts there must be, and which payment raises each. So
every alert says up to where its partition was processed at that time. *Records/s* is the number of payments between the
first alert and the last, divided by the time between the two; alerts come every 400 payments, so these are close to the
first payment and the last. *Warm* is the same over the last quarter of the payments: what a compiler at run time gains
counts in full there.

*Exact / missing / extra* compares the alerts that a subscriber of committed records reads with those of brute force:
account, window, count, and sum to the cent; of several runs the worst is shown. A run ends when nothing was appended to
the alerts for six seconds, or for thirty while some are missing. Engines take turns: a run of each, then the next run
of each. Shown is the median, with the least and the most beside it. The engine has one core for itself (`taskset`),
broker and measurement have the other. *Memory* is the peak of the process.

An engine that would take minutes is given the first part of the same payments, as many as its row says.
"""
_HEAD = (
    "| engine | records/s | least, most | warm | streamgauge is | exact / missing / extra | memory, MB | records |",
    "|---|--:|--:|--:|--:|--:|--:|--:|",
)


def write_page(comparison: Comparison, folder: Path, command: str) -> Path:
    """Write the page, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    parts = [
        _INTRODUCTION.format(command=command, plot=PLOT),
        "\n".join(_table(comparison)),
        "\n",
        _JOB.format(records=comparison.records, partitions=PARTITIONS),
        "\n## Settings\n\n",
        "\n".join(_settings(comparison)),
        "\n",
    ]
    page.write_text("".join(parts))
    return page


def _table(comparison: Comparison) -> Iterator[str]:
    yield from _HEAD
    ours = comparison.measured.get(_OURS)
    for name, measured in _fastest_first(comparison):
        if measured.runs:
            yield f"| {_titled(name)} | {_cells(measured, _ratio(name, measured, ours))} | {measured.records:,} |"
        else:
            yield f"| {_titled(name)} | {measured.failures[0].splitlines()[0]} | | | | | | {measured.records:,} |"
    for name, reason in comparison.unavailable.items():
        yield f"| {_titled(name)} | can't be installed: {reason} | | | | | | |"


def _fastest_first(comparison: Comparison) -> list[tuple[str, Measured]]:
    return sorted(comparison.measured.items(), key=lambda each: each[1].per_s if each[1].runs else 0.0, reverse=True)


def _titled(name: str) -> str:
    return f"{ENGINES[name].title} {ENGINES[name].version()}"


def _cells(measured: Measured, ratio: str) -> str:
    rates = [run.verdict.per_s for run in measured.runs]
    cells = [
        f"**{_rounded(measured.per_s)}**",
        f"{_rounded(min(rates))}, {_rounded(max(rates))}",
        _rounded(measured.warm_per_s),
        ratio,
        measured.alerts,
        f"{measured.peak_bytes / 1e6:,.0f}",
    ]
    return " | ".join(cells)


def _ratio(name: str, measured: Measured, ours: Measured | None) -> str:
    if name == _OURS or ours is None or not ours.runs:
        return ""
    return f"{ours.per_s / measured.per_s:.1f} times as fast"


def _rounded(per_s: float) -> str:
    """Three digits: more are noise."""
    return f"{float(f'{per_s:.3g}'):,.0f}"


def _settings(comparison: Comparison) -> Iterator[str]:
    yield f"- Machine: {machine()}; {runtimes()}; Apache Kafka {comparison.kafka}, one broker."
    yield f"- {comparison.turns} runs of each engine."
    for name in [*comparison.measured, *comparison.unavailable]:
        yield f"- {_titled(name)}: {ENGINES[name].settings}."
    yield "- The jobs are in `tests/bench/peers/jobs` and `tests/bench/peers/java`, with the versions that they lock."
