"""Pages of large tables from the store: how long they take.

::

    python -m tests.bench.store [--rows 1000000 10000000] [--url duckdb://:memory:] [--runs 5]

Rows are put into the store as its keeper does; the questions are those of the web view. Times are in milliseconds, the
median and the worst of the runs; the machine's load is told, for it decides.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time

import numpy as np

from agents.events import TopicPartition
from pipeline.log.opening import open_log
from pipeline.readmodel.query import Condition, TableQuery
from pipeline.store.opening import open_database
from pipeline.store.rows.keeper import TableKeeper
from pipeline.store.rows.layout import index_rows, layouts, prepare_rows
from pipeline.store.rows.pages import find_rows
from pipeline.store.schema import prepare
from pipeline.views import TableReader
from tests.pipeline.shards import app, chunk_of, payload
from tests.pipeline.store.flow import Flow

TABLE = "recent"
_BATCH = 1 << 20


def _places(at, numbers):
    """Where the rows ``at`` stand, and their keys."""
    return {
        "part": at % 4,
        "block": at // 4 // 1024,
        "place": ((at % 4) << 44) + at // 4,
        "start_ms": np.zeros(len(at), np.int64),
        "key": [f"acct-{number:08d}" for number in numbers.tolist()],
        "folded": [None] * len(at),
    }


def fill(database, layout, rows):
    """Put rows into the store; seconds."""
    began = time.perf_counter()
    chance = np.random.default_rng(1)
    for start in range(0, rows, _BATCH):
        at = np.arange(start, min(start + _BATCH, rows))
        columns = {
            **_places(at, (at * 7_919) % rows),
            "m0": chance.geometric(0.3, len(at)),
            "m1": chance.integers(0, 10_000_000, len(at)),
        }
        with database.write() as writer:
            writer.insert(layout.rows, columns)
            told = {"tab": layout.number, "part": 0, "block": start // _BATCH, "held": len(at), "digest": 0}
            writer.insert("blocks", {name: [value] for name, value in told.items()})
    return time.perf_counter() - began


def renew(database, layout, rows):
    """Microseconds a row to write 64 blocks again in which some rows changed."""
    for changed in (0.02, 0.3, 1.0):
        at = np.arange(rows)[np.arange(rows) // 4 // 1024 < 16]
        chance = np.random.default_rng(2)
        numbers = (at * 7_919) % rows
        columns = {**_places(at, numbers), "m0": np.full(len(at), 3)}
        for spent in (numbers, numbers + (chance.random(len(at)) < changed)):  # known first, then others
            began = time.perf_counter()
            with database.write() as writer:
                writer.renew(layout.rows, {**columns, "m1": spent}, "block < 16")
            took_s = time.perf_counter() - began
        print(f"write {len(at):,} rows again, {changed:.0%} of them changed: {took_s / len(at) * 1e6:.1f} us a row")


def questions(rows):
    """What the web view asks, by name."""
    return {
        "first page": TableQuery(),
        "by a measure": TableQuery(sort="spent", descending=True),
        "by a measure with many ties": TableQuery(sort="n", descending=True),
        "by key": TableQuery(sort="key"),
        "a word": TableQuery(words=("777",), sort="spent", descending=True),
        "a word and a comparison": TableQuery(words=("77",), where=(Condition("spent", ">", 9e6),), sort="n"),
        "a key": TableQuery(key="acct-00000777"),
        "deep page by a measure": TableQuery(sort="spent", offset=rows // 2),
        "last page by a measure": TableQuery(sort="spent", descending=True, offset=rows - 50),
        "deep page, not sorted": TableQuery(offset=rows // 2),
    }


def ask(database, layout, rows, runs):
    """Milliseconds of each question."""
    for name, asked in questions(rows).items():
        took = []
        for _ in range(runs):
            began = time.perf_counter()
            page = find_rows(database, layout, asked)
            took.append((time.perf_counter() - began) * 1_000)
        print(f"  {name:30} {statistics.median(took):8.1f} {max(took):8.1f}   {page.matching:>10,} match", flush=True)


async def build(keys):
    """From a state topic to rows: seconds for all, and for the blocks of some keys that changed."""
    with tempfile.TemporaryDirectory() as folder:
        log = open_log(f"local://{folder}/log.db")
        database = open_database(f"duckdb://{folder}/store.duckdb", "bench")
        prepare(database)
        config = app(rules={}, detectors={}, tables={TABLE: app().tables[TABLE]})
        flow = Flow(log, database, config=config)
        await flow.create()
        for part in range(2):
            shard = flow.shards[part]
            for start in range(0, keys // 2, 50_000):
                values = [
                    payload(
                        {"id": str(n), "account": f"a{part}-{n}", "merchant": "", "country": "", "ts": 1, "cents": n}
                    )
                    for n in range(start, min(start + 50_000, keys // 2))
                ]
                shard.process(chunk_of(values, partition=part, start=shard.position))
            await flow.commit(part)
        reader = TableReader(log, config)
        began = time.perf_counter()
        await reader.refresh()
        read_s = time.perf_counter() - began
        keeper = TableKeeper(database, reader, monotonic_s=time.monotonic)
        keeper.begin()
        turns = 0
        while keeper.behind:
            keeper.refresh()
            turns += 1
        built_s = time.perf_counter() - began
        blocks = -(-keys // 1024)
        print(f"build {keys:,} keys: read {read_s:.2f} s, all {built_s:.2f} s, {built_s / blocks * 1e3:.2f} ms a block")
        keeper = TableKeeper(database, reader)
        began = time.perf_counter()
        keeper.begin()
        while keeper.behind:
            keeper.refresh()
        print(f"restart over the same state: {time.perf_counter() - began:.2f} s, nothing written")
        assert keeper.freshness(TABLE)[0].applied == reader.meta(TopicPartition("payments", 0)).position
        database.close()
        await log.close()


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--build", type=int, default=1_000_000)
    parser.add_argument("--url", default=None, help="a store; a DuckDB file of its own if not given")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if options.build:
        asyncio.run(build(options.build))
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            database = open_database(options.url or f"duckdb://{folder}/store.duckdb", f"bench_{rows}")
            prepare(database)
            found = layouts(TableReader(None, app(rules={}, detectors={})).plans)
            prepare_rows(database, found)
            with database.write() as writer:
                writer.run(f"DELETE FROM {found[TABLE].rows}")
                writer.run("DELETE FROM blocks")
            took_s = fill(database, found[TABLE], rows)
            began = time.perf_counter()
            index_rows(database, found)
            print(f"indexed in {time.perf_counter() - began:.1f} s")
            renew(database, found[TABLE], rows)
            print(f"{rows:,} rows, written in {took_s:.1f} s, load {os.getloadavg()[0]:.1f}: median and worst ms")
            ask(database, found[TABLE], rows, options.runs)
            database.close()


if __name__ == "__main__":
    main()
