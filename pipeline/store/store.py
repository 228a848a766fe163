"""The store of an application: open, followed and asked."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pipeline.config.model import AppConfig
from pipeline.log.api import Log
from pipeline.store.answers import StoredAnswers
from pipeline.store.follower import Follower
from pipeline.store.opening import open_database
from pipeline.store.rows.keeper import TableKeeper
from pipeline.store.rows.layout import prepare_rows
from pipeline.store.schema import prepare
from pipeline.store.topics.feeds import feeds_of
from pipeline.views import Freshness, TableReader

T = TypeVar("T")


class Store:
    """What the log says of an application, in a database.

    One process writes; where the database lets several in, the others answer from what it writes, and one of them
    goes on when it ends.

    Args:
        url: Where, as ``open_database`` takes it.
        config: The application.
        log: Its event log; only read.
        tables: Follows the state of its tables, and is brought up to date before each ``refresh``.
        clock_ms: Wall clock, Unix ms.

    Raises:
        UsageError: If the database can't be opened.
        LogError: If it can't be written.
    """

    def __init__(
        self, url: str, config: AppConfig, log: Log, tables: TableReader, *, clock_ms: Callable[[], int]
    ) -> None:
        self._database = open_database(url, config.name)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._leads = self._database.leads()
        self._tables = TableKeeper(self._database, tables)
        if self._leads:
            prepare(self._database)
            prepare_rows(self._database, self._tables.layouts)
        self._begun = False
        self._follower = Follower(log, self._database, feeds_of(config), self._thread)
        self.answers = StoredAnswers(self._database, config, self._tables.layouts, clock_ms=clock_ms)

    @property
    def unreadable(self) -> int:
        """Records that could not be read since the start."""
        return self._follower.unreadable

    @property
    def behind(self) -> bool:
        """Whether more is to be read at once."""
        return self._leads and (self._tables.behind or not self._follower.caught_up)

    def freshness(self, table: str) -> list[Freshness]:
        """How far the rows of each partition of a table are behind its source.

        Raises:
            KeyError: If there is no such table.
        """
        return self._tables.freshness(table)

    async def refresh(self) -> bool:
        """Read what is new; whether anything was.

        Raises:
            LogError: If the log can't be read or the store can't be written; what stands in the store stays.
        """
        if not await self._in_thread(self._database.leads):
            self._leads = False
            return True  # another process writes: it may have
        if not self._leads:
            await self._in_thread(prepare, self._database)
            self._follower.forget()
            self._leads, self._begun = True, False
        if not self._begun:
            await self._in_thread(self._tables.begin)
            self._begun = True
        changed = await self._follower.refresh()
        try:
            return await self._in_thread(self._tables.refresh) or changed
        except BaseException:
            self._begun = False  # what was noted may not have been written
            raise

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def close(self) -> None:
        """Finish what is being written, and let go of the database."""
        self._thread.shutdown()
        self._database.close()
