"""``python -m tests.bench.quick``: streamgauge on a real Kafka within two minutes, one JSON line.

``j2_per_s`` is the reference job, measured as in the comparison with other engines; ``j1_per_s`` only counts for each
account, on the same payments; ``payments_per_s`` is the payments example: three tables, its rules, health. The last
two raise few alerts or none, so they are measured by the positions that are committed.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Collection
from pathlib import Path

from agents.events import Outgoing
from pipeline.config import load_config
from pipeline.log import Log
from pipeline.log.opening import open_log
from pipeline.plan import plans, topic_specs
from tests.bench.job import EXAMPLE, payments
from tests.bench.peers.engines import ENGINES, our_config
from tests.bench.peers.runs import Ground, RunError, ground
from tests.broker.errors import KafkaUnavailableError
from tests.crash.fleet import Child

UNAVAILABLE = 77
_BATCH = 5_000
_OPENED = "opened"
_LOOK_S = 0.02
_LONGEST_S = 120.0


async def _read(log: Log, app: str, topics: Collection[str]) -> int:
    """Records of ``topics`` whose processing is committed, over all of them."""
    committed = await log.committed(app)
    return sum(at.offset for source, at in committed.items() if source.topic in topics)


async def committed_per_s(child: Child, log: Log, app: str, topic: str, passed_on: Collection[str] = ()) -> float:
    """Records of ``topic`` a second, from the last opening of partitions before the first commit to the last commit.

    Args:
        child: The worker, which ends when it has processed everything.
        log: Where it commits.
        app: Its application.
        topic: The input.
        passed_on: Internal topics that carry its records on; the last commit may be one of theirs.

    Raises:
        RunError: If the worker fails.
    """
    opened = committed = 0
    opened_at = last_at = 0.0
    deadline = time.perf_counter() + _LONGEST_S
    while child.code is None:
        if time.perf_counter() > deadline:
            raise RunError(f"{child.name} did not end within {_LONGEST_S:.0f} s:\n{child.last_words()}")
        said, now = child.last_words().count(_OPENED), await _read(log, app, [topic, *passed_on])
        if now != committed:
            committed, last_at = now, time.perf_counter()
        elif said != opened and not committed:
            opened, opened_at = said, time.perf_counter()
        await asyncio.sleep(_LOOK_S)  # another process commits: there is no event to wait for
    if child.code or not last_at:
        raise RunError(f"{child.name} ended with code {child.code}:\n{child.last_words()}")
    return await _read(log, app, [topic]) / (last_at - opened_at)


async def count_per_s(here: Ground, topic: str) -> float:
    """Parse and count for each account."""
    job = here.job("j1", topic)
    file = our_config(job, counts_only=True)
    log = open_log(load_config(file, {}).log)
    try:
        for spec in topic_specs(load_config(file, {})):
            await log.create_topic(spec)
        child = here.start(job, [*ENGINES["streamgauge"].prepare(), "-c", str(file), "--until-idle"])
        return await committed_per_s(child, log, job.app, topic)
    finally:
        await log.close()


async def example_per_s(here: Ground, count: int) -> float:
    """The payments example as it is shipped, but for the log."""
    job = here.job("payments-example", "payments")
    file = job.folder / "payments.toml"
    file.write_text(_on_kafka(EXAMPLE, here.servers))
    config = load_config(file, {})
    every = {topic: plan for topic, plan in plans(config).items() if plan.stream.name == "payments"}
    log = open_log(config.log)
    try:
        for spec in topic_specs(config):
            await log.create_topic(spec)
        await _append(log, count, config.streams["payments"].partitions)
        child = here.start(job, [*ENGINES["streamgauge"].prepare(), "-c", str(file), "--until-idle"])
        return await committed_per_s(child, log, config.name, "payments", every.keys() - {"payments"})
    finally:
        await log.close()


def _on_kafka(file: Path, servers: str) -> str:
    lines = [
        f'log = "kafka://{servers}"' if line.startswith("log = ") else line for line in file.read_text().split("\n")
    ]
    return "\n".join(lines)


async def _append(log: Log, count: int, partitions: int) -> None:
    made = payments(count, partitions)
    for start in range(0, max(map(len, made.values.values())), _BATCH):
        await log.append(
            [
                Outgoing("payments", number, made.records(number, start, start + _BATCH))
                for number, values in made.values.items()
                if start < len(values)
            ]
        )


def measure(records: int) -> dict[str, int]:
    """All three, in records a second."""
    with ground([records]) as (here, inputs):
        given = inputs[records]
        run = here.run("streamgauge", ENGINES["streamgauge"], given)
        return {
            "records": records,
            "j1_per_s": round(asyncio.run(count_per_s(here, given.topic))),
            "j2_per_s": round(run.verdict.per_s),
            "j2_warm_per_s": round(run.verdict.warm_per_s),
            "j2_wrong_alerts": run.verdict.missing + run.verdict.extra,
            "payments_per_s": round(asyncio.run(example_per_s(here, records))),
        }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quick", description=__doc__)
    parser.add_argument("--records", type=int, default=2_000_000, help="payments of the reference job")
    try:
        print(json.dumps(measure(parser.parse_args().records)))
    except (KafkaUnavailableError, RunError) as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE if isinstance(error, KafkaUnavailableError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
