"""A process that follows a log into a store, and dies at a fetch.

Usage: ``python -m tests.pipeline.store.dying LOG STORE FETCHES``; ends with 9 when it died, with 0 when all was read.
"""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from pipeline.log.opening import open_log
from pipeline.store.follower import Follower
from pipeline.store.opening import open_database
from pipeline.store.schema import prepare
from pipeline.store.topics.feeds import feeds_of
from tests.pipeline.store.topics import CONFIG


class DyingLog:
    """A log whose process ends without another word once it has fetched so often."""

    def __init__(self, log, fetches):
        self._log = log
        self._left = fetches

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def fetch(self, positions, **options):
        self._left -= 1
        if self._left < 0:
            os._exit(9)
        return await self._log.fetch(positions, **options)


async def main(log, store, fetches):
    database = open_database(store, "app")
    prepare(database)
    follower = Follower(DyingLog(open_log(log), int(fetches)), database, feeds_of(CONFIG), ThreadPoolExecutor(1))
    while await follower.refresh():
        pass
    database.close()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
