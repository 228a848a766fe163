"""``python -m tests.bench [--quick]``: a table, or one JSON line within a minute."""

import argparse
import json
import os
import platform

from tests.bench.end_to_end import run
from tests.bench.job import payments
from tests.bench.stages import decode_per_s, shard_stages


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the payments example on the local log, one core.")
    parser.add_argument("--quick", action="store_true", help="one round of 1,000,000 records, one JSON line")
    quick = parser.parse_args().quick
    count, rounds = (1_000_000, 1) if quick else (2_000_000, 3)
    data = payments(count, 4)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = {"decode_per_s": round(max(decode_per_s(data) for _ in range(rounds)))}
    stages = min((shard_stages(data) for _ in range(rounds)), key=lambda each: sum(each.values()))
    found["shard_per_s"] = round(1e6 / sum(stages.values()))
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    runs = [run(data) for _ in range(rounds)]
    best = sorted(runs, key=lambda each: each.per_s)[len(runs) // 2]
    found |= {"end_to_end_per_s": round(best.per_s), "worker_cpu_us": round(best.cpu_us, 2), "alerts": best.alerts}
    if quick:
        print(json.dumps({"records": len(data), **found, "stages_us": {k: round(v, 2) for k, v in stages.items()}}))
        return
    print(f"payments example, {len(data):,} records, {platform.machine()}, Python {platform.python_version()}\n")
    for stage, micros in stages.items():
        print(f"  {stage:<36}{micros:6.2f} us a record")
    for name, value in found.items():
        print(f"  {name:<36}{value:>12,}")
    print("  end to end, each round              ", ", ".join(f"{each.per_s:,.0f}" for each in runs), "records/s")


if __name__ == "__main__":
    main()
