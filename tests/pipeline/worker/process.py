"""A worker process with the counting shard: ``python -m tests.pipeline.worker.process URL [--until-idle]``."""

import asyncio
import logging
import sys
import time

from agents.events import Chunk, Output, TopicPartition
from pipeline.log.opening import open_log
from pipeline.worker import build_app, serve
from pipeline.worker.run import _signals
from tests.pipeline.worker.tally import TallyShard, config


class SlowShard(TallyShard):
    """Takes its time, so that a kill comes in the middle of something."""

    def process(self, chunk: Chunk) -> Output:
        time.sleep(0.002)
        return super().process(chunk)


def shard(source: TopicPartition) -> TallyShard:
    return SlowShard(source)


async def main(url: str, *, until_idle: bool) -> int:
    log = open_log(url)
    stop = asyncio.Event()
    with _signals(stop):
        app = build_app(config(commit_ms=50), log, build=shard, ttl_ms=1_000)
        code = await serve(app, stop, until_idle=until_idle)
    await log.close()
    return code


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(message)s")
    sys.exit(asyncio.run(main(sys.argv[1], until_idle="--until-idle" in sys.argv)))
