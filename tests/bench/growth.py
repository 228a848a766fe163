"""``python -m tests.bench.growth``: how cost grows with keys, tables, panes, measures, partitions, records and skew.

Each point is a process of its own: shards on one core, from payload to state, no log. One dimension at a time leaves
the ground that all share. Writes a page with a plot.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from agents.events import Chunk, TopicPartition
from pipeline.config import AppConfig, load_config
from pipeline.shard import Shard
from tables.slices import payloads_of
from tests.bench.peers.result import machine
from tests.pipeline.shards import build_shard

_WHY = """\
Why it slopes: every key is new once, and at 100,000 keys and more that is what most of the run does; beyond the
processor's caches each key's cells are fetched from memory. Tables, panes and measures are so many more cells to
change, to keep and to store for each key. A record of 10,000 bytes is parsed to its end although four fields are
wanted. A key with most of the traffic is cheaper, for its records of a chunk become one change. Memory is that of the
keys and of arrays that double when they are full, so bytes a key lie between one and two times what is used; at
100,000 keys what a process needs anyway is a third of it.
"""
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks"
_CHUNK = 8_000
_START_MS = 1_700_000_000_000
_MEASURES = [
    'n = "count()"',
    'spent = "sum(cents)"',
    'largest = "max(cents)"',
    'smallest = "min(cents)"',
    'mean = "mean(cents)"',
    'spread = "std(cents)"',
    'countries = "distinct(country)"',
    'last = "last_seen()"',
]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measurement; the defaults are the ground."""

    keys: int = 100_000
    tables: int = 1
    panes: int = 6
    measures: int = 2
    partitions: int = 4
    record_bytes: int = 176
    skew: float = 0.0
    records: int = 400_000


DIMENSIONS: dict[str, tuple[str, Sequence[Any]]] = {
    "keys": ("keys", (1_000, 10_000, 100_000, 1_000_000, 10_000_000)),
    "tables": ("tables by one key", (1, 2, 5, 10, 20)),
    "panes": ("panes of the window", (1, 6, 30, 60, 120)),
    "measures": ("measures of a table", (1, 2, 4, 6, 8)),
    "partitions": ("partitions in one process", (1, 4, 16, 64)),
    "record_bytes": ("bytes of a record", (100, 176, 500, 2_000, 10_000)),
    "skew": ("share of one key", (0.0, 0.25, 0.5, 0.9)),
}


def configured(point: Point, folder: Path) -> AppConfig:
    """The application of a point."""
    text = [
        '[app]\nname = "growth"\nlog = "local://unused"\nhealth = false',
        f'[streams.s]\nkey = "key"\ntime = "ts"\npartitions = {point.partitions}',
        'fields = { key = "str", ts = "int", cents = "int", country = "str" }',
    ]
    for at in range(point.tables):
        text += [
            f"[tables.t{at}]",
            'stream = "s"\nby = "key"\nmax_keys = 20_000_000',
            f'window = {{ sliding = "{point.panes}m", pane = "1m" }}',
            f"measures = {{ {', '.join(_MEASURES[: point.measures])} }}",
        ]
    file = folder / "growth.toml"
    file.write_text("\n".join(text))
    return load_config(file, {})


def chunks(point: Point) -> Iterator[Chunk]:
    """Records in which every key occurs, in chunks of one partition each."""
    random = np.random.default_rng(7)
    count = max(point.records, point.keys)
    keys = np.arange(count) % point.keys
    keys = np.where(random.random(count) < point.skew, 0, random.permutation(keys))
    members = '{"key":"key-%08d","ts":%d,"cents":%d,"country":"DE","pad":"%s"}'
    pad = "x" * max(0, point.record_bytes - len(members % (0, _START_MS, 1000, "")))
    offsets = [0] * point.partitions
    for start in range(0, count, _CHUNK):
        number = start // _CHUNK % point.partitions
        part = keys[start : start + _CHUNK].tolist()
        at_ms = _START_MS + start // 10
        values = [(members % (key, at_ms, 1000 + key % 7, pad)).encode() for key in part]
        n = len(values)
        yield Chunk(
            topic="s",
            partition=number,
            offsets=np.arange(offsets[number], offsets[number] + n),
            timestamps_ms=np.full(n, at_ms),
            keys=[None] * n,
            values=payloads_of(values),
            next_offset=offsets[number] + n,
        )
        offsets[number] += n


def measure(point: Point) -> dict[str, float]:
    """Records a second of processor time, and bytes a key of memory."""
    with tempfile.TemporaryDirectory() as folder:
        app = configured(point, Path(folder))
    shards = [build_shard(app, TopicPartition("s", number)) for number in range(point.partitions)]
    warm(app)
    before, spent, count = psutil.Process().memory_info().rss, 0.0, 0
    for chunk in chunks(point):
        start = time.process_time()
        shards[chunk.partition].process(chunk)
        spent += time.process_time() - start
        count += len(chunk)
    grown = psutil.Process().memory_info().rss - before
    held = sum(len(group.index) for shard in shards for group in groups(shard))
    return {"per_s": round(count / spent), "bytes_per_key": round(grown / held)}


def groups(shard: Shard) -> list[Any]:
    """Its groups of tables."""
    return [agent.group for agent in shard._keyed.values()]


def warm(app: AppConfig) -> None:
    """Load what is compiled, on a shard that is thrown away."""
    shard = build_shard(app, TopicPartition("s", 0))
    shard.process(next(chunks(Point(keys=10, records=1_000, partitions=1))))


def run(dimension: str, value: Any) -> dict[str, float]:
    """A point in a process of its own."""
    point = replace(Point(), **{dimension: value})
    command = [sys.executable, "-m", "tests.bench.growth", "--point", json.dumps(asdict(point))]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def write_page(found: dict[str, list[tuple[Any, dict[str, float]]]], folder: Path) -> None:
    """``growth.md`` and ``growth.png``."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 4, figsize=(16, 7))
    lines = ["# How cost grows", "", "`python -m tests.bench.growth`: one core, from payload to state, no log.", ""]
    lines += [machine(), "", f"The ground: {', '.join(f'{k} = {v}' for k, v in asdict(Point()).items())}.", ""]
    lines += ["![Records a second against each dimension](growth.png)", "", _WHY]
    for axis, (dimension, points) in zip(axes.flat, found.items(), strict=False):
        title, _ = DIMENSIONS[dimension]
        axis.plot([str(value) for value, _ in points], [each["per_s"] / 1000 for _, each in points], marker="o")
        axis.set(title=title, ylim=(0, None), ylabel="thousand records/s")
        lines += [f"| {title} | records/s | bytes a key |", "|---:|---:|---:|"]
        lines += [f"| {value:,} | {each['per_s']:,} | {each['bytes_per_key']:,} |" for value, each in points]
        lines.append("")
    for axis in axes.flat[len(found) :]:
        axis.set_axis_off()
    figure.tight_layout()
    folder.mkdir(exist_ok=True)
    figure.savefig(folder / "growth.png", dpi=80)
    (folder / "growth.md").write_text("\n".join(lines))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--point", help="measure one point, given as JSON, and print it as JSON")
    parser.add_argument("--most-keys", type=int, default=10_000_000, help="leave larger points out")
    given = parser.parse_args()
    if given.point:
        print(json.dumps(measure(Point(**json.loads(given.point)))))
        return
    found: dict[str, list[tuple[Any, dict[str, float]]]] = {}
    for dimension, (_, values) in DIMENSIONS.items():
        for value in values:
            if dimension != "keys" or value <= given.most_keys:
                found.setdefault(dimension, []).append((value, run(dimension, value)))
                print(dimension, *found[dimension][-1], flush=True)
    write_page(found, PAGE)


if __name__ == "__main__":
    main()
