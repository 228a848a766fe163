"""What the pages show, kept up to date by following the log: the read side never asks a worker."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from pipeline.config.model import AppConfig
from pipeline.errors import StreamgaugeError
from pipeline.health.lag import LagRow, read_lag, with_measured, with_rates
from pipeline.log.api import Log, PartitionInfo, TopicSpec
from pipeline.plan import source_topics
from pipeline.readmodel.columns import ColumnInfo, columns_of
from pipeline.readmodel.groups import OtherGroups
from pipeline.readmodel.history import SPAN_MS, History, read_row
from pipeline.readmodel.lag_trend import LagTrends
from pipeline.readmodel.questions import Answers
from pipeline.readmodel.tail import TopicTail, since
from pipeline.store import Store
from pipeline.views import Freshness, TableReader, TableView
from tables.spec import TableSpec

INTERVAL_S: Final = 1.0
HEALTH_TABLE: Final = "health_1s"
MEASURED_TABLE: Final = "health_10s"
RATE_LOOKS: Final = 10
REST: Final = 8
HEALTH_DELAY_MS: Final = 15_000
_logger = logging.getLogger(__name__)


class TopicState(NamedTuple):
    """A topic, its settings and the bounds of its partitions."""

    spec: TopicSpec
    partitions: dict[int, PartitionInfo]

    @property
    def records(self) -> int:
        """Records between the first offset kept and the end; fewer are held where compaction removed some."""
        return sum(info.end - info.start for info in self.partitions.values())

    @property
    def size_bytes(self) -> int:
        """Bytes held."""
        return sum(info.size_bytes for info in self.partitions.values())


class _Built(NamedTuple):
    """A view, after which changes it was made, and when it may be made again (monotonic seconds)."""

    view: TableView
    changes: int
    due: float


class ReadModel:
    """Follows tables, alerts, health and lag; pages and endpoints read its fields and never wait.

    Args:
        config: The application, built-in health tables included.
        log: The log it runs on; only read.
        clock_ms: Wall clock, Unix ms.
        store: Where what was read is kept, as ``pipeline.store`` takes it; lists are asked of ``answers``.

    Raises:
        UsageError: If the store can't be opened.

    Cost: one ``refresh`` a second; it reads what was appended since the last one. ``generation`` grows with each, so
    that a reader can tell at once whether anything may have changed.
    """

    def __init__(
        self, config: AppConfig, log: Log, *, clock_ms: Callable[[], int], store: str = "duckdb://:memory:"
    ) -> None:
        self.config = config
        self.log = log
        self.clock_ms = clock_ms
        self.tables = TableReader(log, config)
        self.specs: dict[str, TableSpec] = dict(sorted(self.tables.specs.items()))
        self.store = Store(store, config, log, self.tables, clock_ms=clock_ms)
        self.answers: Answers = self.store.answers
        self.history = History()
        self.lag: list[LagRow] = []
        self.followed = frozenset(source_topics(config))
        self.groups = OtherGroups(log, own=config.name)
        self.trends = LagTrends()
        self.topics: dict[str, TopicState] = {}
        self.generation = 0
        self.refreshed_ms: int | None = None
        self.took_ms = 0.0
        self.problem: str | None = None
        self._unreadable = 0
        self.started_ms = clock_ms()
        self._looks: deque[list[LagRow]] = deque(maxlen=RATE_LOOKS)
        self._health_tail = TopicTail(
            log=log,
            topic=f"{config.name}-{HEALTH_TABLE}",
            start=since(log, lambda: clock_ms() - SPAN_MS - HEALTH_DELAY_MS),
        )
        self._views: dict[str, _Built] = {}
        self._changes = 0
        self._follower: asyncio.Task[None] | None = None

    def age_ms(self) -> int:
        """How long ago the log was last read through; since the start while it never was."""
        return self.clock_ms() - (self.started_ms if self.refreshed_ms is None else self.refreshed_ms)

    @property
    def unreadable(self) -> int:
        """Records that could not be read: anybody can write to a topic."""
        return self._unreadable + self.store.unreadable

    def view(self, name: str) -> TableView:
        """A table as last read; its rows are made on the first call after they changed.

        A large table is made anew so seldom that it takes at most a ninth of the time; its freshness says so.

        Raises:
            KeyError: If there is no such table.
        """
        built = self._views.get(name)
        now = time.monotonic()
        if built is None or (built.changes < self._changes and now >= built.due):
            view = self.tables.view(name)
            done = time.monotonic()
            built = self._views[name] = _Built(view, self._changes, done + (done - now) * REST)
        ends = {part.partition: part.end for part in self.tables.freshness(self.tables.source(name))}
        fresh = [replace(part, end=ends.get(part.partition, part.end)) for part in built.view.freshness]
        return replace(built.view, freshness=fresh)

    def freshness(self, name: str) -> list[Freshness]:
        """How far the rows of a table in the store are behind its source, by partition.

        Raises:
            KeyError: If there is no such table.
        """
        return self.store.freshness(name)

    def columns(self, name: str) -> list[ColumnInfo]:
        """The columns of a table as a reader sees them."""
        spec = self.specs[name]
        stream = self.config.streams.get(spec.stream)
        return columns_of(spec, time=stream.time if stream else None)

    def sources(self) -> set[str]:
        """Topics that producers write and workers read: those whose rate is the application's throughput."""
        return {stream.topic for stream in self.config.streams.values()} - {f"{self.config.name}-health"}

    def short(self, topic: str) -> str:
        """A topic's name for charts: an internal one without the application's name and its ending."""
        return topic.removeprefix(f"{self.config.name}-").removesuffix("-repartition")

    async def refresh(self) -> None:
        """Read what is new.

        Raises:
            StreamgaugeError: If the log can't be read; what was read before stays.
        """
        started = time.perf_counter()
        now_ms = self.clock_ms()
        generation = self.generation + 1
        specs = await self.log.topics()
        self.topics = {name: TopicState(spec, await self.log.partitions(name)) for name, spec in sorted(specs.items())}
        self._changes += await self.tables.refresh()
        await self.store.refresh()
        await self._read_health(generation)
        await self._read_lag(now_ms, generation)
        self.history.forget(now_ms)
        self.generation = generation
        self.refreshed_ms = now_ms
        self.problem = None
        self.took_ms = (time.perf_counter() - started) * 1_000

    async def _read_health(self, generation: int) -> None:
        for chunk in await self._health_tail.read():
            for value in chunk.values:
                try:
                    self.history.add_window(read_row(value or b""), generation)
                except msgspec.DecodeError:
                    self._unreadable += 1

    async def _read_lag(self, now_ms: int, generation: int) -> None:
        topics = [topic for topic in self.followed if topic in self.topics]
        looked = await read_lag(self.log, self.config.name, now_ms, topics) if topics else []
        rows = with_rates(self._looks[0], looked) if self._looks else looked
        self._looks.append(looked)
        await self.groups.refresh(now_ms)
        self.trends.add([*rows, *self.groups.rows])
        if MEASURED_TABLE in self.specs:
            rows = with_measured(rows, self.config.name, self.view(MEASURED_TABLE))
        self.lag = rows
        worst: dict[str, float] = {}
        for row in rows:
            worst[row.topic] = max(worst.get(row.topic, 0.0), float(row.lag_ms))
        self.history.add_lag(now_ms, worst, generation)

    def owners(self) -> set[str]:
        """Members that hold a partition now."""
        return {row.owner for row in self.lag if row.owner is not None and row.lease == "held"}

    def start(self) -> None:
        """Follow in the background until ``stop``."""
        self._follower = asyncio.get_running_loop().create_task(self._follow(), name="read model")

    async def stop(self) -> None:
        """End following."""
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
            self._follower = None

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    async def _follow(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self.refresh()
            except StreamgaugeError as error:
                self.problem = str(error)
            except Exception as error:  # the view outlives a defect in one step; each page says that it is stale
                problem = f"{type(error).__name__}: {error}"
                if problem != self.problem:
                    _logger.exception("the log could not be read")
                self.problem = problem
            pause_s = 0.0 if self.store.behind else INTERVAL_S - (time.monotonic() - began)
            await asyncio.sleep(max(0.1, pause_s))
