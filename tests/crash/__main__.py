"""Kill, pause and stop workers under load, then prove that nothing was lost, repeated or counted wrongly.

``python -m tests.crash --seconds 60`` prints one JSON line; the exit code is 1 when anything was wrong, and what it was
goes to standard error. On Kafka the broker is killed too; where none can be started, the exit code is 77, or the local
log takes its place if the choice was left open.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.broker.errors import KafkaUnavailableError
from tests.crash.kafka.broker import why_not
from tests.crash.kafka.setting import opened as on_kafka
from tests.crash.local.setting import opened as on_local_log
from tests.crash.options import Options
from tests.crash.run import MakeSetting, run

UNAVAILABLE = 77
_RATE_PER_S = {"kafka": 23_000.0, "local": 8_000.0}
_PARTITIONS = {"kafka": 8, "local": 6}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--log", choices=["auto", "kafka", "local"], default="auto", help="where the events are")
    parser.add_argument("--servers", help="HOST:PORT of a cluster that is not to be killed, instead of one of our own")
    parser.add_argument("--kafka-version", help="of a cluster of our own; by default the one of the tests")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the load")
    parser.add_argument("--seed", type=int, default=7, help="of load and faults")
    parser.add_argument("--rate", type=float, help="records a second")
    parser.add_argument("--partitions", type=int, help="of the source topic")
    parser.add_argument("--keep", type=Path, help="folder for log and messages, which are kept then")
    given = parser.parse_args()
    if given.log == "auto":
        reason = None if given.servers else why_not()
        given.log = "kafka" if reason is None else "local"
        if reason is not None:
            sys.stderr.write(f"on the local log: {reason}\n")
    return given


def _setting(given: argparse.Namespace) -> MakeSetting:
    if given.log == "local":
        return on_local_log
    return lambda options, folder, app: on_kafka(
        options, folder, app, servers=given.servers, version=given.kafka_version
    )


def main() -> int:
    """The command."""
    given = _arguments()
    options = Options(
        seconds=given.seconds,
        seed=given.seed,
        rate_per_s=given.rate or _RATE_PER_S[given.log],
        partitions=given.partitions or _PARTITIONS[given.log],
        keep=given.keep,
    )
    try:
        report = asyncio.run(run(options, _setting(given)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 130
    except KafkaUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE
    sys.stdout.write(json.dumps({"log": given.log, **report.summary}) + "\n")
    if not report.is_good:
        sys.stderr.write("\n".join(report.problems) + "\n")
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
