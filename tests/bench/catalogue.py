"""``python -m tests.bench.catalogue``: every kind of the catalogue of patterns at once, and with a risk score on top.

Generated payments go through the shards that a worker would run, those of merchants' tables included, with the state
encoded as often as a worker commits. Processor time of one core, so that other work on the machine counts little; each
load the median of three runs, from a shard that knows nothing yet. The loads:

- ``patterns``: 5,000 payments a second of 50,000 accounts, in chunks as a worker fetches them that has fallen behind.
  The stream is younger than the patterns' windows, so that much looks sudden: some 3 % of the records raise an alert.
- ``patterns and risk``: the same, and a label after each payment, which is a record like any other.
- ``storm``: the same from so few accounts that each does far more than anybody usually does; some 5 % raise an alert.
- ``history``: 20 payments a second of 50,000 accounts, hours of them, as a backtest reads them: a chunk spans minutes,
  so that windows move within it, and less than 1 % raise an alert, 0.1 % once the windows are filled.

One JSON line.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from agents.events import Chunk, TopicPartition
from load import CampaignConfig, PaymentsConfig, PaymentsLoad
from pipeline.config import load_config
from pipeline.config.model import AppConfig
from pipeline.plan import plans
from pipeline.shard import Shard
from tests.bench.job import CHUNK, RATE_PER_S, START_MS
from tests.bench.patterns import CASES, STREAM
from tests.bench.stages import COMMIT_EVERY

_LABEL_DELAY_MS = 2_000
_MANY, _FEW = 50_000, 10_000  # accounts: one pays every 10 s, or every 2 s
_PAST_RATE_PER_S = 20
_PAST = CampaignConfig(warmup_ms=3_600_000, period_ms=600_000, stretch=10.0)
_RUNS = 3
_LARGE_CENTS = 50_000  # what the labels call fraud: it is the cost that is measured
ASKED = {kind: asked for case, (kind, asked) in reversed(CASES.items()) if case != "allow_list"} | {
    "allow_list": 'suppresses = ["velocity"]\nby = "account"\nlist = "list"\nuntil = "until"\n'
}
"""What each kind of the catalogue has to be told."""
_RISK = """
[scores.risk]
stream = "payments"
keys = ["account", "merchant"]
amount = "amount_cents"
windows = ["1h", "1d"]
labels = { type = "label", field = "fraud", wait = "1h" }
"""


@dataclass(frozen=True)
class Measured:
    """What a run took: processor microseconds a record, by topic, and alerts raised."""

    records: int
    micros: dict[str, float]
    alerts: int

    @property
    def per_s(self) -> int:
        """Records a second of one core."""
        return round(1e6 / sum(self.micros.values()))


def configured(kinds: Sequence[str], *, risk: bool) -> AppConfig:
    """A job with a pattern of each kind."""
    patterns = [
        f'\n[patterns.{kind.replace("_", "-")}]\nkind = "{kind}"\nstream = "payments"\n{ASKED[kind]}' for kind in kinds
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "catalogue.toml"
        file.write_text(f'{STREAM}fraud = "bool?"\n' + "".join(patterns) + (_RISK if risk else ""))
        return load_config(file, {})


def generated(
    count: int, accounts: int, *, rate_per_s: int = RATE_PER_S, campaigns: CampaignConfig | None = None
) -> list[bytes]:
    """At least ``count`` payments with their campaigns."""
    config = PaymentsConfig(
        rate_per_s=rate_per_s, seed=7, start_ms=START_MS, accounts=accounts, campaigns=campaigns or CampaignConfig()
    )
    load, values, now_ms = PaymentsLoad(config), [], START_MS
    step_ms = max(1_000, 1_000 * RATE_PER_S // rate_per_s)
    while len(values) < count:
        now_ms += step_ms
        values += [
            value or b""
            for outgoing in load.until(now_ms)
            if outgoing.topic == "payments"
            for value in outgoing.records.values
        ]
    return values


def labelled(values: Sequence[bytes]) -> list[bytes]:
    """The payments and a label of each, in the order of time."""
    timed = []
    for value in values:
        payment = orjson.loads(value)
        due_ms = payment["ts"] + _LABEL_DELAY_MS
        fraud = payment["amount_cents"] >= _LARGE_CENTS
        timed.append((payment["ts"], value))
        timed.append((due_ms, orjson.dumps(payment | {"type": "label", "ts": due_ms, "fraud": fraud})))
    return [value for _, value in sorted(timed, key=lambda each: each[0])]


class Run:
    """A job's shards, by topic, and the processor time that each topic takes."""

    def __init__(self, config: AppConfig) -> None:
        self._shards = {
            TopicPartition(topic, number): Shard(plan, number)
            for topic, plan in plans(config).items()
            for number in range(plan.partitions)
        }
        self._since = dict.fromkeys(self._shards, 0)
        self._seconds = {source.topic: 0.0 for source in self._shards}
        self._alerts = 0

    def measure(self, values: Sequence[bytes]) -> Measured:
        """All records through all shards."""
        for start in range(0, len(values), CHUNK):
            self._take(TopicPartition("payments", 0), values[start : start + CHUNK], CHUNK)
        micros = {topic: round(seconds / len(values) * 1e6, 2) for topic, seconds in self._seconds.items()}
        return Measured(len(values), micros, self._alerts)

    def _take(self, source: TopicPartition, values: Sequence[bytes | None], records: int) -> None:
        shard = self._shards[source]
        chunk = _chunk(source, shard.position, values)
        with_state = self._since[source] + records >= COMMIT_EVERY
        self._since[source] = 0 if with_state else self._since[source] + records
        begun = time.process_time()
        output = shard.process(chunk)
        if with_state:
            shard.dirty()
        self._seconds[source.topic] += time.process_time() - begun
        self._alerts += len(output.alerts)
        for outgoing in output.outgoing:
            target = TopicPartition(outgoing.topic, outgoing.partition or 0)
            if target in self._shards:
                self._take(target, outgoing.records.values, records)


def _chunk(source: TopicPartition, start: int, values: Sequence[bytes | None]) -> Chunk:
    n = len(values)
    return Chunk(
        topic=source.topic,
        partition=source.partition,
        offsets=np.arange(start, start + n),
        timestamps_ms=np.full(n, 1_700_000_000_000),
        keys=[None] * n,
        values=values,
        next_offset=start + n,
    )


def _with_what_it_needs(kind: str) -> list[str]:
    return [kind, "velocity"] if kind == "allow_list" else [kind]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.catalogue", description=__doc__)
    parser.add_argument("--records", type=int, default=400_000, help="payments")
    parser.add_argument("--each", action="store_true", help="every kind alone as well")
    given = parser.parse_args()
    values, storm = generated(given.records, _MANY), generated(given.records, _FEW)
    Run(configured(list(ASKED), risk=True)).measure(labelled(values[:CHUNK]))  # compiled, imported, allocated
    found: dict[str, object] = {"kinds": len(ASKED), "records": len(values)}
    past = generated(given.records, _MANY, rate_per_s=_PAST_RATE_PER_S, campaigns=_PAST)
    jobs = {
        "patterns": (values, False),
        "patterns and risk": (labelled(values), True),
        "storm": (storm, False),
        "history": (past, False),
    }
    for name, (records, risk) in jobs.items():
        runs = [Run(configured(list(ASKED), risk=risk)).measure(records) for _ in range(_RUNS)]
        runs.sort(key=lambda run: run.per_s)
        run, of_runs = runs[_RUNS // 2], [run.per_s for run in runs]
        found[name] = {"per_s": run.per_s, "of_runs": of_runs, "alerts": run.alerts, "us_by_topic": run.micros}
    if given.each:
        found["us_of_kind"] = {
            kind: round(1e6 / Run(configured(_with_what_it_needs(kind), risk=False)).measure(values).per_s, 2)
            for kind in ASKED
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
