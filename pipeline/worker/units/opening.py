"""Opening units: fence every earlier owner, then restore, then begin. The other way round would miss commits."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from agents.events import TopicPartition
from pipeline.errors import OffsetOutOfRangeError, StateError
from pipeline.log.api import Log
from pipeline.worker.units.contract import BuildShard
from pipeline.worker.units.notices import listed, report
from pipeline.worker.units.progress import RestoreProgress
from pipeline.worker.units.restore import Restored, restore
from pipeline.worker.units.unit import Unit

_logger = logging.getLogger(__name__)
_AT_ONCE: Final = 2
"""Partitions restored at once, so that the first ones work while the last ones still wait."""


class Opening:
    """Opens units, a few at a time.

    Args:
        log: The event log.
        build: Makes the shard of a partition.
        state_topic: Topic of a source topic's slabs.
        on_opened: Called when a unit has been opened.
    """

    def __init__(
        self, log: Log, build: BuildShard, state_topic: Callable[[str], str], *, on_opened: Callable[[], None]
    ) -> None:
        self.restores = RestoreProgress()
        self._log = log
        self._build = build
        self._state_topic = state_topic
        self._on_opened = on_opened
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def open(
        self,
        units: list[Unit],
        *,
        is_wanted: Callable[[Unit], bool],
        locks: Mapping[TopicPartition, asyncio.Lock],
        on_failure: Callable[[Unit, Exception], None],
    ) -> None:
        """Open ``units``; whoever is not wanted any more when its turn comes is left alone.

        Args:
            units: New ones.
            is_wanted: Whether a unit still is to be opened.
            locks: One for each partition: its last unit may still commit.
            on_failure: Told what went wrong where trying again can help.
        """
        started = time.monotonic()
        for unit in units:
            unit.awaits_turn = True
            self.restores.begin(unit.source, asyncio.get_running_loop().time())

        async def open_one(unit: Unit) -> Restored | None:
            try:
                async with self._turns:
                    unit.awaits_turn = False
                    async with locks[unit.source]:
                        restored = await self._claim_and_restore(unit, is_wanted, on_failure)
            finally:
                self.restores.end(unit.source)
            if restored is not None:
                self._begin(unit, restored)
            return restored

        restored = [each for each in await asyncio.gather(*map(open_one, units)) if each is not None]
        if any(unit.is_open for unit in units):
            _logger.info(
                "opened %s: restored %d slabs, %d bytes in %d ms",
                listed((unit.source, f"@{unit.committed}") for unit in units if unit.is_open),
                sum(each.slabs for each in restored),
                sum(each.size_bytes for each in restored),
                (time.monotonic() - started) * 1000,
            )

    def _begin(self, unit: Unit, restored: Restored) -> None:
        report(unit.source, restored)
        unit.start(restored.shard)
        unit.fed_at = asyncio.get_running_loop().time()
        self._on_opened()

    async def _claim_and_restore(
        self, unit: Unit, is_wanted: Callable[[Unit], bool], on_failure: Callable[[Unit, Exception], None]
    ) -> Restored | None:
        if not is_wanted(unit):  # it has moved on meanwhile, and a claim would throw the next owner out
            return None
        try:
            await self._log.claim(unit.fence)
            restored = await self._restore(unit)
        except (StateError, OffsetOutOfRangeError) as error:
            _logger.error("%s is stopped: %s", unit.source, error)  # noqa: TRY400 - the sentence says it all
            unit.stopped = True
            unit.end(error)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the log still has everything
            on_failure(unit, error)
            return None
        if not is_wanted(unit):
            await self._log.disclaim(unit.fence)
            return None
        return restored

    async def _restore(self, unit: Unit) -> Restored:
        source = unit.source

        def on_progress(done: int, total: int, size_bytes: int) -> None:
            unit.restore_steps += 1
            self.restores.advance(source, done=done, total=total, size_bytes=size_bytes)

        def on_evidence() -> None:
            unit.restore_steps += 1
            self.restores.steps += 1

        return await restore(self._log, self._build, source, self._state_topic(source.topic), on_progress, on_evidence)
