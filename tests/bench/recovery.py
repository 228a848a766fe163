"""``python -m tests.bench.recovery``: a backlog of 10,000,000 records, and a worker that is killed in the middle of it.

The reference job on a real Kafka, worker on one core, broker on the other. One JSON line: how fast the backlog is
worked off, and how long after ``kill -9`` and restart, as the static member that it was, the worker has its partitions
and state again, and has caught up.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable

from pipeline.config import AppConfig, load_config
from pipeline.log import Log
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs
from tests.bench.kafka.ground import processed, until, until_said
from tests.bench.peers.engines import ENGINES, our_config
from tests.bench.peers.reference import Payments, recent_start_ms
from tests.bench.peers.runs import Ground, RunError, ground
from tests.broker.errors import KafkaUnavailableError
from tests.crash.fleet import Child

UNAVAILABLE = 77
_LOOK_S, _LONGEST_S = 0.02, 300.0


async def _until(
    child: Child, is_so: Callable[[int], bool], log: Log, config: AppConfig, topic: str
) -> tuple[int, float]:
    """Until so many records are processed; how many, and when that was seen."""
    deadline = time.perf_counter() + _LONGEST_S
    while not is_so(done := await processed(log, config, topic)):
        if child.code is not None or time.perf_counter() > deadline:
            raise RunError(f"{child.name} does not go on, code {child.code}:\n{child.last_words()}")
        await asyncio.sleep(_LOOK_S)  # another process commits: there is no event to wait for
    return done, time.perf_counter()


async def recovery(here: Ground, topic: str, count: int) -> dict[str, float]:
    """Catch up, be killed half-way, catch up."""
    job = here.job("recovery", topic)
    here.topics.create_alerts(job.alerts)
    file = our_config(job)
    config = load_config(file, {})
    log = open_log(config.log)
    try:
        for spec in topic_specs(config):
            await log.create_topic(spec)
        command = [*ENGINES["streamgauge"].prepare(), "-c", str(file), "--instance", "bench"]
        child = here.start(job, command)
        first, began = await _until(child, bool, log, config, topic)
        half, stopped = await _until(child, lambda done: done >= count // 2, log, config, topic)
        child.send(signal.SIGKILL)
        await until(lambda: child.code is not None, "the end of a killed worker")
        killed = time.perf_counter()
        child = here.start(job, command)
        await until_said(child, "opened")
        opened = time.perf_counter()
        end, caught_up = await _until(child, lambda done: done >= count, log, config, topic)
        child.send(signal.SIGTERM)
    finally:
        await log.close()
    return {
        "records": count,
        "per_s": round((half - first) / (stopped - began)),
        "restart_to_opened_s": round(opened - killed, 2),
        "restart_to_caught_up_s": round(caught_up - killed, 2),
        "left_at_restart": end - half,
        "per_s_after": round((end - half) / (caught_up - opened)),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recovery", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    count = parser.parse_args().records
    try:
        with ground() as (here, _):
            here.topics.fill("payments", Payments.make(count, recent_start_ms(count)))
            print(json.dumps(asyncio.run(recovery(here, "payments", count))))
    except (KafkaUnavailableError, RunError) as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE if isinstance(error, KafkaUnavailableError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
