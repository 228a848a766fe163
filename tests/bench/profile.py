"""``python -m tests.bench.profile``: where the time of the reference job goes, by stage.

The worker runs on one core of a real Kafka's machine with a clock around each stage. A stage's time is its processor
time without that of the stages inside it; ``frame`` is all that is in none: the event loop, the client, Faust, sockets.
"""

import argparse
import atexit
import functools
import importlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.peers.engines import our_config
from tests.bench.peers.runs import RunError, ground
from tests.broker.errors import KafkaUnavailableError

UNAVAILABLE = 77
STAGES = {
    "fetch": ["pipeline.kafka.consuming.fetching:Fetcher._chunks"],
    "checksum": ["pipeline.kafka.consuming.batches:_is_sound"],
    "framing": ["pipeline.kafka.consuming.fetching:chunk_of_batches"],
    "decode": ["pipeline.codec.decoder:Decoder.decode"],
    "keys": ["tables.keys:KeyIndex.intern", "tables.keys:KeyIndex.touch"],
    "grouping": ["tables.table:group_by", "tables.group:group_by"],
    "window update": ["tables.table:WindowTable.update"],
    "rules": ["agents.keyed:KeyedAgent._evaluate"],
    "evidence": ["agents.history:History.add", "agents.history:History.contributors"],
    "closed windows": ["pipeline.shard:closed_windows", "tables.table:WindowTable.close"],
    "commit": [
        "pipeline.worker.units.unit:Unit._encode_alerts",
        "pipeline.worker.units.unit:Unit._take",
        "pipeline.kafka.producing.sending:Sending._fill",
        "pipeline.kafka.producing.sending:partition_column",
    ],
}
_REPORT = "PROFILE_REPORT"


class Clock:
    """Processor time by stage."""

    def __init__(self) -> None:
        self.spent_ns: dict[str, int] = defaultdict(int)
        self._inside = [0]  # of the stages within each stage that is on

    def around(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """``work``, timed."""

        @functools.wraps(work)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time_ns()
            self._inside.append(0)
            try:
                result = work(*args, **kwargs)
                return iter(list(result)) if hasattr(result, "__next__") else result  # a generator works when iterated
            finally:
                took = time.thread_time_ns() - start
                self.spent_ns[stage] += took - self._inside.pop()
                self._inside[-1] += took

        return timed


def instrument(clock: Clock) -> None:
    """Put a clock around each stage of this process."""
    for stage, places in STAGES.items():
        for place in places:
            module, _, path = place.partition(":")
            *owner, name = path.split(".")
            target = functools.reduce(getattr, owner, importlib.import_module(module))
            if hasattr(target, name):
                setattr(target, name, clock.around(stage, getattr(target, name)))


def worker() -> None:
    """The worker's command with clocks; what they show goes to a file at its end."""
    from pipeline.cli.main import main

    clock = Clock()
    instrument(clock)
    began = time.process_time_ns()

    def report() -> None:
        Path(os.environ[_REPORT]).write_text(
            json.dumps({"total_ns": time.process_time_ns() - began, "stages": clock.spent_ns})
        )

    atexit.register(report)
    main()


def table(found: dict[str, Any], idle: dict[str, Any], records: int) -> str:
    """Nanoseconds a record by stage, without what a worker takes that has nothing to do."""
    stages = {stage: found["stages"].get(stage, 0) / records for stage in STAGES}
    total = (found["total_ns"] - idle["total_ns"]) / records
    stages["frame"] = total - sum(stages.values())
    lines = [f"{stage:<16}{spent:>8,.0f}  {spent / total:>4.0%}" for stage, spent in stages.items()]
    return "\n".join(
        ["stage             ns a record", *lines, f"{'all':<16}{total:>8,.0f}  {1e9 / total:,.0f} records/s"]
    )


def measure(records: int) -> str:
    """The table of the reference job."""
    with ground([1_000, records]) as (here, inputs):
        reports = []
        for count in (1_000, records):
            job = here.job("profile", inputs[count].topic)
            here.topics.create_alerts(job.alerts)
            os.environ[_REPORT] = str(job.folder / "report.json")
            words = ["-c", str(our_config(job)), "--until-idle"]
            child = here.start(job, [sys.executable, "-m", "tests.bench.profile", "worker", *words])
            while child.code is None:
                time.sleep(0.1)  # another process works: there is no event to wait for
            if child.code:
                raise RunError(f"{child.name} ended with code {child.code}:\n{child.last_words()}")
            reports.append(json.loads(Path(os.environ[_REPORT]).read_text()))
    return table(reports[1], reports[0], records)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description=__doc__)
    parser.add_argument("--records", type=int, default=2_000_000)
    try:
        print(measure(parser.parse_args().records))
    except (KafkaUnavailableError, RunError) as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE if isinstance(error, KafkaUnavailableError) else 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker()
    else:
        sys.exit(main())
