"""``python -m tests.bench.scale``: two workers on two cores against one, on the local log, in turns.

The payments example on a backlog. No broker takes part, which on a machine of two cores would need one of them.
"""

import argparse
import json
import statistics

from tests.bench.end_to_end import run
from tests.bench.job import payments


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--records", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    data = payments(given.records, 4)
    rounds = [(run(data).per_s, run(data, workers=2).per_s) for _ in range(given.rounds)]
    one, two = (round(statistics.median(rates)) for rates in zip(*rounds, strict=True))
    print(json.dumps({"records": len(data), "one_per_s": one, "two_per_s": two, "ratio": round(two / one, 2)}))


if __name__ == "__main__":
    main()
