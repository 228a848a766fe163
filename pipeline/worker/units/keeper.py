"""The units of one worker: opened when partitions come, ended when they go or something breaks, committed in time."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

from agents.events import Chunk, Int64, TopicPartition
from pipeline.errors import FencedError, LogUnavailableError
from pipeline.health.events import UnitMeter
from pipeline.log.api import Fence
from pipeline.worker.units.contract import BuildShard, Sinks
from pipeline.worker.units.notices import listed
from pipeline.worker.units.opening import Opening
from pipeline.worker.units.pace import Pace
from pipeline.worker.units.suspects import Suspects
from pipeline.worker.units.unit import Unit

_logger = logging.getLogger(__name__)
_ROUND_S = 2.0  # how long the slowest commit may hold up the next regular round of all
_AWAY_MS = 500  # between two tries to open a unit while the log does not answer

BuildMeter = Callable[[TopicPartition], UnitMeter | None]


class Keeper:
    """Holds a unit for each partition that the worker owns.

    Args:
        topics: Topics whose partitions are units.
        sinks: Where units write.
        build: Makes the shard of a partition.
        meter: Makes the meter of a partition.
        on_lost: Called when a partition should be asked for again.
    """

    def __init__(
        self,
        *,
        topics: Collection[str],
        sinks: Sinks,
        build: BuildShard,
        meter: BuildMeter,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.topics = frozenset(topics)
        self.units: dict[TopicPartition, Unit] = {}
        self.suspects = Suspects()
        self.progress = asyncio.Event()  # a unit was opened or has become free
        self.committed = asyncio.Event()  # a unit has committed
        self.spent_s = 0.0  # time that processing chunks has taken so far
        self.on_lost = on_lost
        self._sinks = sinks
        self.opening = Opening(sinks.log, build, sinks.state_topic, on_opened=self.progress.set)
        self._meter = meter
        # One owner of a partition at a time within the process too: the next unit waits for the last one's commit.
        self._locks: dict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pace = Pace()
        self._early_changed = asyncio.Event()  # an early commit may be due before it was thought to be
        self._early: asyncio.Task[Any] | None = None
        self._hurrying: set[TopicPartition] = set()  # early commits under way
        self._regular: dict[TopicPartition, asyncio.Task[Any]] = {}  # regular ones

    # ---- coming and going

    def assign(self, fences: Iterable[Fence]) -> None:
        """Make the units match what the worker owns now; those that broke are tried again when their pause is over."""
        owned = {fence.source: fence for fence in fences if fence.source.topic in self.topics}
        now = asyncio.get_running_loop().time()
        units = self.units.items()
        retried = {source for source, unit in units if unit.failure and not unit.stopped and now >= unit.retry_at}
        for source, unit in list(units):
            if owned.get(source) != unit.fence or source in retried:
                unit.end()
                del self.units[source]
            if owned.get(source) != unit.fence:
                self._spawn(self._disclaim(unit.fence))
        new = [fence for source, fence in owned.items() if source not in self.units]
        opened = [self._add(fence, is_retry=fence.source in retried) for fence in new]
        if opened:
            self._spawn(self.opening.open(opened, is_wanted=self._is_wanted, locks=self._locks, on_failure=self.lost))

    async def _disclaim(self, fence: Fence) -> None:
        """Release what a unit claimed, once its last commit has come to an end: without it that would never."""
        async with self._locks[fence.source]:
            await self._sinks.log.disclaim(fence)

    def _add(self, fence: Fence, *, is_retry: bool) -> Unit:
        unit = self.units[fence.source] = Unit(fence, self._sinks, self._meter(fence.source))
        unit.is_retry = is_retry
        return unit

    def renew_tokens(self) -> None:
        """Disown all chunks under way."""
        for unit in self.units.values():
            unit.renew_token()
        self.progress.set()

    async def release(self, sources: Collection[TopicPartition], *, timeout_s: float) -> None:
        """Commit and end the units of ``sources``; what can't be committed in time is left to the next owner."""
        leaving = [unit for source, unit in self.units.items() if source in sources]
        for unit in leaving:
            unit.is_leaving = True
        if leaving:
            _logger.info("giving up %s", listed((unit.source, "") for unit in leaving))
            flushing = [asyncio.create_task(self.commit_unit(unit)) for unit in leaving]
            _, late = await asyncio.wait(flushing, timeout=timeout_s)
            if late:
                _logger.warning("%d of %d partitions were given up without a last commit", len(late), len(leaving))
        for unit in leaving:
            unit.end()

    async def close(self) -> None:
        """End everything; commits under way are waited for."""
        for unit in self.units.values():
            unit.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _is_wanted(self, unit: Unit) -> bool:
        return self.units.get(unit.source) is unit and unit.failure is None

    # ---- failures

    def lost(self, unit: Unit, error: Exception, offsets: Int64 | None = None) -> None:
        """End a unit because of ``error``; it is opened again from the log when the partition is assigned next.

        Args:
            unit: The unit.
            error: What went wrong.
            offsets: Of the records that were being processed, if that was it, shape ``(n,)``.
        """
        if self.units.get(unit.source) is not unit or unit.failure is not None:
            return
        unit.end(error)
        pause_ms = 0
        if isinstance(error, FencedError):
            # Also where a rebalance has come to the next owner first, so no warning.
            _logger.log(logging.DEBUG if unit.is_leaving else logging.INFO, "%s is lost: %s", unit.source, error)
        elif isinstance(error, LogUnavailableError):  # the log has said so itself, once for all partitions
            pause_ms = _AWAY_MS
            _logger.debug("%s waits for the log: %s", unit.source, error)
        else:
            self.suspects.failed(unit.source, unit.committed, error, offsets)
            pause_ms = self.suspects.pause_ms(unit.source)
            where = "" if offsets is None else f" processing offsets {offsets[0]} to {offsets[-1]}"
            _logger.warning(
                "%s%s: %s: %s; opening it again from offset %d in %d ms",
                unit.source,
                where,
                type(error).__name__,
                error,
                unit.committed,
                pause_ms,
            )
            _logger.debug("%s: where it came from", unit.source, exc_info=error)
        loop = asyncio.get_running_loop()
        unit.retry_at = loop.time() + pause_ms / 1000
        loop.call_later(pause_ms / 1000 + 0.001, self.on_lost)
        self.progress.set()

    # ---- time without records

    def advance_idle(self, idle_ms: Mapping[str, int], now_ms: int) -> None:
        """Let event time follow the wall clock in units that are caught up and got nothing for long enough.

        Args:
            idle_ms: How long that is, by topic; topics without an entry never follow.
            now_ms: Wall clock, Unix ms.
        """
        now = asyncio.get_running_loop().time()
        for unit in list(self.units.values()):
            idle = idle_ms.get(unit.source.topic)
            if idle is None or not (unit.wants_more and unit.backlog.caught_up) or (now - unit.fed_at) * 1000 < idle:
                continue
            try:
                unit.advance(now_ms - idle)
            except Exception as error:  # noqa: BLE001 - a shard that raised is half-changed, whatever it raised
                self.lost(unit, error)
            if unit.is_urgent:
                self.commit_soon()

    # ---- committing

    async def commit(self) -> None:
        """Commit whatever waits, of all units at once; one that takes its time does not hold up the next round."""
        for source, unit in self.units.items():
            if source not in self._regular:
                self._regular[source] = task = self._spawn(self.commit_unit(unit))
                task.add_done_callback(partial(self._ended, source))
        if self._regular:
            await asyncio.wait(self._regular.values(), timeout=_ROUND_S)

    def _ended(self, source: TopicPartition, _: asyncio.Task[Any]) -> None:
        self._regular.pop(source, None)

    def commit_soon(self) -> None:
        """Commit early, but spend no more than a quarter of the time with it."""
        self._early_changed.set()
        if self._early is None or self._early.done():
            self._early = self._spawn(self._commit_early())

    def commit_now(self, unit: Unit) -> None:
        """Commit a unit early, whatever that costs: others wait for it."""
        if unit.source not in self._hurrying:
            self._hurrying.add(unit.source)
            self._spawn(self._hurry(unit))

    async def _commit_early(self) -> None:
        loop = asyncio.get_running_loop()
        while urgent := self._urgent():
            self._early_changed.clear()
            await self._until(min(self._pace.due(backlog=unit.backlog.share) for unit in urgent))
            units = [unit for unit in self._urgent() if self._pace.due(backlog=unit.backlog.share) <= loop.time()]
            for unit in units:
                self.commit_now(unit)
                self._pace.committed(loop.time(), unit.commit_cost_s, backlog=unit.backlog.share)

    async def _until(self, due: float) -> None:
        """Wait until then, or until an early commit may be due before."""
        wait_s = due - asyncio.get_running_loop().time()
        if wait_s <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._early_changed.wait(), wait_s)

    def _urgent(self) -> list[Unit]:
        return [unit for unit in self.units.values() if unit.is_urgent and unit.source not in self._hurrying]

    async def _hurry(self, unit: Unit) -> None:
        """Commit one unit early, whatever the others do; what came meanwhile asks again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            if await self.commit_unit(unit, early=True):
                self._pace.ended(loop.time(), loop.time() - began)
        finally:
            self._hurrying.discard(unit.source)
        if unit.is_urgent:
            self.commit_soon()

    async def commit_unit(self, unit: Unit, *, early: bool = False) -> bool:
        """Commit what waits in one unit, if anything does; early ones leave its state for later where that is exact."""
        did = False
        async with self._locks[unit.source]:
            try:
                did = await unit.commit(early=early)
                if did:
                    self.committed.set()
                    self.suspects.passed(unit.source, unit.committed)
            except Exception as error:  # noqa: BLE001 - the outcome is unknown whatever was raised
                self.lost(unit, error)
            finally:
                self.progress.set()
        return did

    # ---- feeding

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """Up to where everything is out, of the units that were opened and did not break."""
        return {
            source: max(unit.committed, unit.shard.emitted)
            for source, unit in self.units.items()
            if unit.was_opened and not unit.failure
        }

    @property
    def is_committing(self) -> bool:
        """Whether a commit is under way."""
        return any(unit.is_committing for unit in self.units.values())

    @property
    def is_busy(self) -> bool:
        """Whether a unit will want to be fetched for soon."""
        return any(unit.in_flight or (unit.failure is None and not unit.is_open) for unit in self.units.values())

    def fed(self, asked: Mapping[TopicPartition, int], chunks: Iterable[Chunk]) -> None:
        """Note what was found; what follows the chunk under way of a unit that may stop within says nothing yet."""
        found = {TopicPartition(chunk.topic, chunk.partition): chunk for chunk in chunks}
        for source, position in asked.items():
            unit = self.units.get(source)
            if unit is not None and (not unit.is_bounded or unit.wants_from(position)):
                before = unit.backlog.share
                unit.found(found.get(source), position)
                if unit.backlog.share < before:
                    self._early_changed.set()
