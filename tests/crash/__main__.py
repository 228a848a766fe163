"""Kill, pause and stop workers under load, then prove that nothing was lost, repeated or counted wrongly.

``python -m tests.crash --seconds 60`` prints one JSON line; the exit code is 1 when anything was wrong, and what it was
goes to standard error.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.crash.run import Options, run


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the load")
    parser.add_argument("--seed", type=int, default=7, help="of load and faults")
    parser.add_argument("--rate", type=float, default=8_000.0, help="records a second")
    parser.add_argument("--partitions", type=int, default=6, help="of the source topic")
    parser.add_argument("--log", help="URL of the event log; a fresh local one by default")
    parser.add_argument("--keep", type=Path, help="folder for log and messages, which are kept then")
    given = parser.parse_args()
    options = Options(
        seconds=given.seconds,
        seed=given.seed,
        rate_per_s=given.rate,
        partitions=given.partitions,
        log=given.log,
        keep=given.keep,
    )
    try:
        report = asyncio.run(run(options))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 130
    sys.stdout.write(json.dumps(report.summary) + "\n")
    if not report.is_good:
        sys.stderr.write("\n".join(report.problems) + "\n")
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
