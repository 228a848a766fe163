"""A chunk on its way through the frame: one Faust event that knows which unit it is for."""

import asyncio
import logging
import time

from agents.events import Chunk
from pipeline.errors import StreamgaugeError
from pipeline.worker.frame.fairness import LEAST_MS, is_held
from pipeline.worker.units import chunks
from pipeline.worker.units.keeper import Keeper
from pipeline.worker.units.pace import FIRST_RECORDS, STRETCH_MS
from pipeline.worker.units.unit import Unit
from tables.keys import NEVER

_logger = logging.getLogger(__name__)
MOST_RECORDS = 16_384
"""Records processed without letting the loop do anything else, so that heartbeats and commits stay punctual."""

_TURNS = 4


class BrokenChainError(StreamgaugeError):
    """A chunk doesn't begin where the unit stands."""

    retriable = True


class ChunkEvent:
    """The payload of one Faust event: a chunk, the unit it is for, and where the unit stood when it was fetched.

    A chunk from before a rebalance, or for a unit that broke meanwhile, is ignored: the log still has it.

    Args:
        keeper: Holds the unit.
        unit: The unit.
        chunk: The chunk.
        bound_ms: Event time at which to stop, leaving the rest to the unit; ``None`` for no such bound.
    """

    __slots__ = ("_bound_ms", "_chunk", "_keeper", "_previous", "_token", "_unit")

    def __init__(self, keeper: Keeper, unit: Unit, chunk: Chunk, bound_ms: int | None = None) -> None:
        self._keeper = keeper
        self._unit = unit
        self._chunk = chunk
        self._bound_ms = bound_ms
        self._token = unit.token
        self._previous = unit.shard.position
        unit.in_flight, unit.in_flight_to, unit.is_bounded = True, chunk.next_offset, bound_ms is not None
        unit.fed_at = asyncio.get_running_loop().time()

    @property
    def _is_current(self) -> bool:
        return self._token is not None and self._unit.token is self._token

    async def apply(self) -> None:
        """Process the chunk in parts that keep the loop responsive."""
        if not self._is_current:
            return
        unit = self._unit
        if unit.shard.position != self._previous:
            message = f"expected a chunk that follows {unit.shard.position}, got one that follows {self._previous}"
            self._keeper.lost(unit, BrokenChainError(message))
            return
        rest = self._chunk
        while self._is_current:
            rest = await self._apply_part(rest)
            if not len(rest):
                break
            if is_held(unit, self._bound_ms):
                unit.rest = rest
                break
            await asyncio.sleep(0)
        if self._is_current:
            unit.in_flight = False
            self._keeper.progress.set()
        # Commits under way go on between chunks, not after all that were fetched: an answer takes so many turns of the
        # loop from the socket to who waits for it.
        for _ in range(_TURNS if self._keeper.is_committing else 1):
            await asyncio.sleep(0)

    async def _apply_part(self, chunk: Chunk) -> Chunk:
        """Process the front of a chunk and return the rest."""
        keeper, unit = self._keeper, self._unit
        if not len(chunk):
            return self._apply(chunk, 0)
        poison = keeper.suspects.poison(unit.source, int(chunk.offsets[0]))
        if poison is None:
            rest = self._apply(chunk, keeper.suspects.take(unit.source, chunk.offsets, self._most_records(len(chunk))))
        else:
            rest = await self._bury(chunk, poison)
        if keeper.suspects.isolating(unit.source):
            await keeper.commit_unit(unit)
        elif unit.is_urgent:
            if self._bound_ms is not None and unit.shard.watermark_ms >= unit.visible_ms + STRETCH_MS:
                keeper.commit_now(unit)
            keeper.commit_soon()
        return rest

    def _most_records(self, there: int) -> int:
        """How many of the records that are there make the next part."""
        if self._bound_ms is None:
            return MOST_RECORDS
        pace_ms = self._unit.pace_ms
        stretch_ms = max(LEAST_MS, min(STRETCH_MS, self._bound_ms - self._unit.shard.watermark_ms))
        most = FIRST_RECORDS if pace_ms is None else max(1, int(stretch_ms / max(pace_ms, 0.001)))
        return min(MOST_RECORDS, there if there <= 1.25 * most else most)

    def _apply(self, chunk: Chunk, count: int) -> Chunk:
        part, before_ms = chunks.head(chunk, count), self._unit.shard.watermark_ms
        started = time.perf_counter()
        try:
            self._unit.apply(part)
        except Exception as error:  # noqa: BLE001 - a shard that raised is half-changed, whatever it raised
            self._keeper.lost(self._unit, error, part.offsets if len(part) else None)
        self._keeper.spent_s += time.perf_counter() - started
        if before_ms != NEVER and len(part):
            self._unit.pace_ms = (self._unit.shard.watermark_ms - before_ms) / len(part)
        return chunks.tail(chunk, count)

    async def _bury(self, chunk: Chunk, error: str) -> Chunk:
        """Send the first record of a chunk to the dead-letter topic and return the rest."""
        unit, offset = self._unit, int(chunk.offsets[0])
        rest = chunks.tail(chunk, 1)
        try:
            topic = await unit.bury(chunks.head(chunk, 1), error)
        except Exception as failure:  # noqa: BLE001 - the record is still in the log
            self._keeper.lost(unit, failure)
            return rest
        _logger.error("%s: the record at offset %d fails with %s; it goes to %s", unit.source, offset, error, topic)
        return rest
