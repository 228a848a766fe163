"""``python -m tests.bench.peers.latency``: from append to alert at a steady rate, beside other engines.

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
from dataclasses import dataclass, field
from pathlib import Path

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

Made by `make bench-latency`: {rate:,} payments a second for {seconds:.0f} s after a warm-up of {warm:.0f} s,
{runs} run(s) of each engine, in turns. The windows are those of the reference job, the payments are sent by the clock.
Each is stamped with the time at which it was due, and brute force says which one raised an alert. Latency is from then
until a subscriber of committed records has the alert, in ms. The engine has one core; broker, producer and subscriber
share the other.

{table}

{settings}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What is sent.

    Args:
        rate: Payments a second.
        seconds: How long, after the warm-up.
        warm: Warm-up, s; the engine starts in it.
    """

    rate: int
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


def compare(names: Sequence[str], load: Load, runs: int) -> dict[str, Latencies]:
    """All engines, in turns, their runs pooled."""
    for name in names:
        ENGINES[name].prepare()
    found = {name: Latencies() for name in names}
    with ground() as (here, _):
        for turn in range(1, runs + 1):
            for name in names:
                run = measure(here, name, load)
                found[name].add(run)
                sys.stderr.write(f"run {turn} of {runs}, {name}: {quantiles(run.ms)}, {run.missing} missing\n")
    return found


def write_page(found: Mapping[str, Latencies], load: Load, runs: int, folder: Path) -> Path:
    """Write the page, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    settings = [f"- Machine: {machine()}; {runtimes()}."]
    settings += [f"- {ENGINES[name].title} {ENGINES[name].version()}: {ENGINES[name].settings}." for name in found]
    text = _PAGE.format(
        rate=load.rate,
        seconds=load.seconds,
        warm=load.warm,
        runs=runs,
        table="\n".join(_table(found)),
        settings="\n".join(settings),
    )
    page.write_text(text)
    return page


def _table(found: Mapping[str, Latencies]) -> Iterator[str]:
    yield "| engine | p50 | p90 | p99 | p99.9 | max | alerts | missing | producer late, p99 |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, each in found.items():
        levels = " | ".join(f"{value:,.1f}" for value in quantiles(each.ms).values()) or "| | | |"
        late = quantiles(each.producer_late_ms)["p99"]
        yield f"| {ENGINES[name].title} | {levels} | {len(each.ms):,} | {each.missing:,} | {late:,.1f} |"


def main(words: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers.latency", description=__doc__)
    parser.add_argument("--engines", default="streamgauge,flink,kafka-streams", help="by default %(default)s")
    parser.add_argument("--runs", type=int, default=1, help="of each engine; by default %(default)s")
    parser.add_argument("--rate", type=int, default=20_000, help="payments a second; by default %(default)s")
    parser.add_argument("--seconds", type=float, default=60.0, help="by default %(default)s")
    parser.add_argument("--warm", type=float, default=40.0, help="seconds before that; by default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks", help="folder for the page")
    given = parser.parse_args(words)
    load = Load(rate=given.rate, seconds=given.seconds, warm=given.warm)
    try:
        found = compare(given.engines.split(","), load, given.runs)
    except (KafkaUnavailableError, UnavailableError, RunError) as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE if isinstance(error, KafkaUnavailableError) else 1
    sys.stderr.write(f"wrote {write_page(found, load, given.runs, given.out)}\n")
    facts = {
        name: {
            "append_to_subscriber_ms": quantiles(each.ms),
            "alerts": len(each.ms),
            "missing": each.missing,
            "producer_late_ms": quantiles(each.producer_late_ms),
        }
        for name, each in found.items()
    }
    print(json.dumps({"rate_per_s": load.rate, "machine": machine(), "engines": facts}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
