"""The store of an application: open, followed and asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pipeline.config.model import AppConfig
from pipeline.log.api import Log
from pipeline.store.answers import StoredAnswers
from pipeline.store.follower import Follower
from pipeline.store.opening import open_database
from pipeline.store.schema import prepare
from pipeline.store.topics.feeds import feeds_of


class Store:
    """What the log says of an application, in a database.

    One process writes; where the database lets several in, the others answer from what it writes, and one of them
    goes on when it ends.

    Args:
        url: Where, as ``open_database`` takes it.
        config: The application.
        log: Its event log; only read.
        clock_ms: Wall clock, Unix ms.

    Raises:
        UsageError: If the database can't be opened.
        LogError: If it can't be written.
    """

    def __init__(self, url: str, config: AppConfig, log: Log, *, clock_ms: Callable[[], int]) -> None:
        self._database = open_database(url, config.name)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._leads = self._database.leads()
        if self._leads:
            prepare(self._database)
        self._follower = Follower(log, self._database, feeds_of(config), self._thread)
        self.answers = StoredAnswers(self._database, config, clock_ms=clock_ms)

    @property
    def unreadable(self) -> int:
        """Records that could not be read since the start."""
        return self._follower.unreadable

    @property
    def behind(self) -> bool:
        """Whether more is to be read at once."""
        return self._leads and not self._follower.caught_up

    async def refresh(self) -> bool:
        """Read what is new; whether anything was.

        Raises:
            LogError: If the log can't be read or the store can't be written; what stands in the store stays.
        """
        if not self._database.leads():
            self._leads = False
            return True  # another process writes: it may have
        if not self._leads:
            prepare(self._database)
            self._follower.forget()
            self._leads = True
        return await self._follower.refresh()

    def close(self) -> None:
        """Finish what is being written, and let go of the database."""
        self._thread.shutdown()
        self._database.close()
