"""``python -m tests.bench.peers.latency``: from append to alert at steady rates, beside other engines.

Open loop: payments are sent by the clock, whatever broker and engine are at. Each is stamped with the time at which it
was due, brute force over the topic says which one raised an alert, and a subscriber of committed records notes when it
had the alert: the latency is the difference. Writes a page, prints one JSON line.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.bench.kafka.result import quantiles
from tests.bench.peers.engines import ENGINES
from tests.bench.peers.install import ROOT, UnavailableError
from tests.bench.peers.reference import brute_force
from tests.bench.peers.result import machine, runtimes
from tests.bench.peers.runs import Ground, RunError, end, ground
from tests.broker.errors import KafkaUnavailableError
from tests.crash.fleet import Child

UNAVAILABLE = 77
PAGE = "latency.md"
_SETTLE_S = 5.0
_PAGE = """\
# From append to alert

Made by `make bench-latency`: payments sent by the clock for {seconds:.0f} s after a warm-up of {warm:.0f} s, {runs}
run(s) of each engine at each rate, in turns. The windows are those of the reference job. Each payment is stamped with
the time at which it was due, whatever the producer was at, and brute force says which one raised an alert. Latency is
from then until a subscriber of committed records has the alert, in ms. The engine has one core; broker, producer and
subscriber share the other.{capacity}

{tables}

{settings}
"""
_CAPACITY = """

Shares are of {most:,} payments a second, the highest rate that broker, producer and streamgauge held here with p99
below {limit:,.0f} ms. It is the core of broker and producer that ends there: from a backlog streamgauge takes [several
times as many](j2.md)."""
_HELD_MS = 1_000.0
_FIRST_RATE, _STEP = 40_000, 1.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What is sent.

    Args:
        rate: Payments a second.
        seconds: How long, after the warm-up.
        warm: Warm-up, s; the engine starts in it.
        share: Of the capacity, if the rate was chosen so.
    """

    rate: int
    share: float | None = None
    seconds: float
    warm: float


@dataclass(kw_only=True, slots=True)
class Latencies:
    """Of an engine.

    Args:
        ms: Of each alert that was seen.
        missing: Alerts that were not.
        producer_late_ms: How far the producer was behind its clock.
    """

    ms: list[float] = field(default_factory=list)
    missing: int = 0
    producer_late_ms: list[float] = field(default_factory=list)

    def add(self, other: "Latencies") -> None:
        """Pool with those of another run."""
        self.ms += other.ms
        self.missing += other.missing
        self.producer_late_ms += other.producer_late_ms


def measure(here: Ground, name: str, load: Load) -> Latencies:
    """One run of an engine.

    Raises:
        RunError: If the engine or the producer fails.
    """
    engine, topic = ENGINES[name], f"{name}-{time.monotonic_ns()}-payments"
    job = here.job(name, topic)
    here.topics.create_payments(topic)
    here.topics.create_alerts(job.alerts)
    child, report = here.start(job, engine.command(job)), job.folder / "sent.json"
    try:
        words = (here.servers, topic, report, "--rate", load.rate, "--seconds", load.warm + load.seconds)
        producer = here.python(f"{job.app}-producer", "tests.bench.kafka.payments", *words)
        seen = here.topics.watch(job.alerts, engine.parse, is_over=_settled(child, producer))
        if child.code is not None or producer.code != 0:
            raise RunError(f"{name} failed, or its load:\n{child.last_words()}\n{producer.last_words()}")
    finally:
        end(child)
    sent = json.loads(report.read_text())
    shutil.rmtree(job.folder)
    counts_from_ms = sent["began_ms"] + load.warm * 1_000
    due = {alert: place.stamped_ms for alert, place in brute_force(here.topics.payments(topic)).items()}
    due = {alert: due_ms for alert, due_ms in due.items() if due_ms >= counts_from_ms}
    return Latencies(
        ms=[seen[alert] - due_ms for alert, due_ms in due.items() if alert in seen],
        missing=len(due.keys() - seen.keys()),
        producer_late_ms=sent["late_ms"],
    )


def _settled(*children: Child) -> Callable[[], bool]:
    """Tells whether one of the processes ended long enough ago for the last alerts to come."""
    ended_at = 0.0

    def is_settled() -> bool:
        nonlocal ended_at
        if all(child.code is None for child in children):
            return False
        ended_at = ended_at or time.monotonic()
        return time.monotonic() - ended_at > _SETTLE_S

    return is_settled


def capacity(here: Ground, seconds: float, warm: float) -> int:
    """The highest rate of a rising row that streamgauge holds, payments a second, before the first that it does not."""
    held, rate = 0, _FIRST_RATE
    while True:
        run = measure(here, "streamgauge", Load(rate=rate, seconds=seconds, warm=warm))
        p99_ms = quantiles(run.ms).get("p99", float("inf"))
        sys.stderr.write(f"{rate:,} payments/s: p99 {p99_ms:,.1f} ms, {run.missing} missing\n")
        if run.missing or p99_ms > _HELD_MS:
            return held or rate
        held, rate = rate, round(rate * _STEP / 1_000) * 1_000


def compare(names: Sequence[str], loads: Sequence[Load], runs: int) -> dict[Load, dict[str, Latencies]]:
    """All engines at each rate, in turns, their runs pooled. Loads with a share get their rate from the capacity."""
    for name in names:
        ENGINES[name].prepare()
    found: dict[Load, dict[str, Latencies]] = {}
    with ground() as (here, _):
        if any(load.share is not None for load in loads):
            most = capacity(here, 10.0, loads[0].warm)
            loads = [load if load.share is None else replace(load, rate=round(most * load.share)) for load in loads]
        for load in loads:
            found[load] = {name: Latencies() for name in names}
            for turn in range(1, runs + 1):
                for name in names:
                    run = measure(here, name, load)
                    found[load][name].add(run)
                    sys.stderr.write(
                        f"{load.rate:,}/s, run {turn} of {runs}, {name}: {quantiles(run.ms)}, {run.missing} missing\n"
                    )
    return found


def write_page(found: Mapping[Load, Mapping[str, Latencies]], runs: int, folder: Path) -> Path:
    """Write the page, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    first, names = next(iter(found)), next(iter(found.values()))
    settings = [f"- Machine: {machine()}; {runtimes()}."]
    settings += [f"- {ENGINES[name].title} {ENGINES[name].version()}: {ENGINES[name].settings}." for name in names]
    most = [round(load.rate / load.share) for load in found if load.share]
    page.write_text(
        _PAGE.format(
            seconds=first.seconds,
            warm=first.warm,
            runs=runs,
            capacity=_CAPACITY.format(most=most[0], limit=_HELD_MS) if most else "",
            tables="\n\n".join("\n".join(_table(load, each)) for load, each in found.items()),
            settings="\n".join(settings),
        )
    )
    return page


def _table(load: Load, found: Mapping[str, Latencies]) -> Iterator[str]:
    share = "" if load.share is None else f", {load.share:.0%} of capacity"
    yield f"## {load.rate:,} payments a second{share}\n"
    yield "| engine | p50 | p90 | p99 | p99.9 | max | alerts | missing | producer late, p99 |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, each in found.items():
        levels = " | ".join(f"{value:,.1f}" for value in quantiles(each.ms).values()) or "| | | |"
        late = quantiles(each.producer_late_ms)["p99"]
        yield f"| {ENGINES[name].title} | {levels} | {len(each.ms):,} | {each.missing:,} | {late:,.1f} |"


def loads_of(text: str, seconds: float, warm: float) -> list[Load]:
    """Loads from ``20000,50%``.

    >>> [(load.rate, load.share) for load in loads_of("20000,50%", 60, 40)]
    [(20000, None), (0, 0.5)]
    """
    found = []
    for word in text.split(","):
        share = float(word[:-1]) / 100 if word.endswith("%") else None
        found.append(Load(rate=0 if share else int(word), seconds=seconds, warm=warm, share=share))
    return found


def main(words: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers.latency", description=__doc__)
    parser.add_argument("--engines", default="streamgauge,flink,kafka-streams", help="by default %(default)s")
    parser.add_argument("--runs", type=int, default=1, help="of each engine; by default %(default)s")
    parser.add_argument(
        "--rates",
        default="20000,10%,50%,80%",
        help="payments a second, or shares of what the machine holds; by default 20000,10%%,50%%,80%%",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="by default %(default)s")
    parser.add_argument("--warm", type=float, default=40.0, help="seconds before that; by default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks", help="folder for the page")
    given = parser.parse_args(words)
    loads = loads_of(given.rates, given.seconds, given.warm)
    try:
        found = compare(given.engines.split(","), loads, given.runs)
    except (KafkaUnavailableError, UnavailableError, RunError) as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE if isinstance(error, KafkaUnavailableError) else 1
    sys.stderr.write(f"wrote {write_page(found, given.runs, given.out)}\n")
    facts = [
        {
            "rate_per_s": load.rate,
            "share_of_capacity": load.share,
            "engines": {name: _facts(each) for name, each in engines.items()},
        }
        for load, engines in found.items()
    ]
    print(json.dumps({"machine": machine(), "rates": facts}))
    return 0


def _facts(found: Latencies) -> dict[str, Any]:
    return {
        "append_to_subscriber_ms": quantiles(found.ms),
        "alerts": len(found.ms),
        "missing": found.missing,
        "producer_late_ms": quantiles(found.producer_late_ms),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
