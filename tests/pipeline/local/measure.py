"""How fast the local log is on this machine: ``python tests/pipeline/local/measure.py`` from the checkout."""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from agents.events import Outgoing, Records, TopicPartition
from pipeline.log import TopicSpec, follow
from pipeline.log.opening import open_log

BATCH, BATCHES = 5_000, 200
SOURCES = [TopicPartition("t", partition) for partition in range(4)]


def say(what, value, unit):
    sys.stdout.write(f"{what:<42}{value:>10.2f} {unit}\n")


async def per_call_us(calls, call):
    times = []
    for index in range(calls):
        began = time.perf_counter()
        await call(index)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


async def throughput(log):
    rng = random.Random(1)
    batches = []
    for _ in range(20):
        keys = [b"acct-%08d" % rng.randrange(100_000) for _ in range(BATCH)]
        values = [rng.randbytes(rng.randrange(170, 183)) for _ in range(BATCH)]
        batches.append([Outgoing("t", None, Records(values=values, keys=keys))])
    began = time.perf_counter()
    for index in range(BATCHES):
        await log.append(batches[index % 20])
    say("append, 5,000 records of 176 bytes a call", BATCH * BATCHES / (time.perf_counter() - began) / 1e6, "M/s")
    positions, began = dict.fromkeys(SOURCES, 0), time.perf_counter()
    while chunks := await log.fetch(positions):
        positions |= {TopicPartition("t", chunk.partition): chunk.next_offset for chunk in chunks}
    say("fetch, 1 MB a chunk", sum(positions.values()) / (time.perf_counter() - began) / 1e6, "M/s")


async def calls(log):
    fence = (await log.renew("g", "m", ["t"], ttl_ms=60_000))[0]
    one = [Outgoing("t", 0, Records(values=[bytes(100)], keys=[b"k"]))]
    end = {SOURCES[1]: (await log.partitions("t"))[1].end}
    say("commit of one record", await per_call_us(2_000, lambda offset: log.commit(fence, offset, one)), "us")
    say("renew", await per_call_us(1_000, lambda _: log.renew("g", "m", ["t"], ttl_ms=60_000)), "us")
    say("fetch at the end", await per_call_us(1_000, lambda _: log.fetch(end)), "us")
    began = time.process_time()
    await log.fetch(end, wait_ms=3_000)
    say("waiting reader, share of a core", (time.process_time() - began) / 3 * 100, "%")


async def restore(log):
    slabs, keys = [os.urandom(16_384) for _ in range(6_400)], [b"slab-%d" % index for index in range(6_400)]
    for _ in range(2):
        for at in range(0, 6_400, 100):
            records = Records(values=slabs[at : at + 100], keys=keys[at : at + 100])
            await log.append([Outgoing("state", 0, records)])
    began = time.perf_counter()
    size = 0
    async for chunk in follow(log, "state", start="start", until_end=True):
        size += sum(map(len, chunk.values))
    say(f"restore of {size / 1e6:.0f} MB of slabs", (time.perf_counter() - began) * 1e3, "ms")


async def main():
    with tempfile.TemporaryDirectory() as folder:
        log = open_log(f"local://{folder}/log.db")
        await log.create_topic(TopicSpec(name="t", partitions=4))
        await log.create_topic(TopicSpec(name="state", partitions=1, cleanup="compact"))
        await throughput(log)
        await calls(log)
        await restore(log)
        say("write-ahead log", (Path(folder) / "log.db-wal").stat().st_size / 1e6, "MB")
        await log.close()


if __name__ == "__main__":
    asyncio.run(main())
