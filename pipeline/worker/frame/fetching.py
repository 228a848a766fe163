"""One round of fetching: chunks for units that can take one, records for plain agents that keep up."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial

from faust.types import TP
from faust.types.tuples import ConsumerMessage

from agents.events import Chunk, TopicPartition
from pipeline.errors import LogBusyError, LogUnavailableError, OffsetOutOfRangeError
from pipeline.log.api import Log
from pipeline.worker.frame.ahead import ReadAhead
from pipeline.worker.frame.clocks import Clocks
from pipeline.worker.frame.delivery import ChunkEvent
from pipeline.worker.frame.fairness import even, is_held, resting
from pipeline.worker.frame.plain import PlainFeed
from pipeline.worker.units.keeper import Keeper
from pipeline.worker.units.pace import MANY_AT_ONCE

_logger = logging.getLogger(__name__)
_CHUNK_BYTES = 9 << 18  # two batches as large as producers send them, 1 MB: of one that does not fit nothing is used
_WAIT_MS = 250  # how long a fetch waits while nothing else is going on
_FEW = MANY_AT_ONCE  # a chunk costs something however short it is, so after so few records more are given time to come
_SHORTEST_LINGER_S, _LONGEST_LINGER_S = 0.001, 0.025
_AWAY_S = 0.25  # between two tries while the log does not answer
_GLANCE_MS = 20  # how long to wait for progress before looking at the log again


def _now() -> float:
    return asyncio.get_running_loop().time()


class Fetching:
    """Decides what to ask the log for and makes Faust messages of what it gives.

    Args:
        log: The log.
        keeper: Holds the units.
        feed: Holds the plain partitions.
        clocks: How far partitions may run ahead of others.
        internal: Topics that the other topics of units feed.
    """

    def __init__(
        self, log: Log, keeper: Keeper, feed: PlainFeed, clocks: Clocks, internal: Collection[str] = ()
    ) -> None:
        self._log = log
        self._keeper = keeper
        self._feed = feed
        self._clocks = clocks
        self._internal = internal
        self._ahead = ReadAhead(partial(self._fetch, wait_ms=0))
        self._bounds: Mapping[TopicPartition, int] = {}
        self._stopped: set[TopicPartition] = set()
        self._not_before = 0.0
        self._spent_s = 0.0

    async def messages(
        self, generation: Callable[[], int | None], active: Collection[TP], acking: Collection[str]
    ) -> list[ConsumerMessage]:
        """What agents can be given now; waits for a while when there is nothing.

        Args:
            generation: Of the assignment, ``None`` while it changes; messages of an older one are thrown away by Faust.
            active: Partitions that Faust has not paused.
            acking: Plain topics whose records are acknowledged.

        Raises:
            LogError: If the log can't be read.
        """
        await asyncio.sleep(self._not_before - _now())
        # A unit that becomes free is to be served at once, which a waiting fetch can't do.
        is_busy = self._keeper.is_busy or self._feed.is_backlogged
        before = generation()
        await self._ahead.arrived()
        self._put_back()
        positions = self._positions()
        waited = self._ahead.take(positions, self._owned())
        if waited:
            chunks = [each.chunk for each in waited]
            looked = [each for each in waited if not each.is_rest]
            self._keeper.fed(
                {TopicPartition(each.chunk.topic, each.chunk.partition): each.position for each in looked}, chunks
            )
        else:
            chunks = await self._fetch(positions, wait_ms=0 if is_busy else _WAIT_MS)
        if before is None or before != generation():
            return []
        is_behind = any(unit.backlog.share for unit in self._keeper.units.values())
        if 0 < sum(map(len, chunks)) < _FEW and not is_behind:
            self._not_before = _now() + self._linger_s()
        messages = []
        self._bounds = self._clocks.bounds(self._keeper.units, _now())
        for chunk in chunks:
            message = self._message(chunk, positions[TopicPartition(chunk.topic, chunk.partition)], before)
            if message is not None:
                messages.append(message)
        messages.extend(self._feed.take(active, acking))
        if is_behind:
            await self._ahead.ask(self._next_positions())
        if is_busy and not messages:
            await self._wait_for_progress()
        return messages

    def _linger_s(self) -> float:
        """Half as long as the last round kept the processor busy: a trickle leaves it some room."""
        spent_s, self._spent_s = self._keeper.spent_s - self._spent_s, self._keeper.spent_s
        return min(max(spent_s / 2, _SHORTEST_LINGER_S), _LONGEST_LINGER_S)

    def _positions(self) -> dict[TopicPartition, int]:
        units = self._keeper.units
        bounds = self._clocks.bounds(units, _now())
        for source, unit in units.items():
            unit.is_held = is_held(unit, bounds.get(source))
        rest = resting(units, self._internal, _now())
        wanted = {source: position for source, position in even(units, bounds).items() if source not in rest}
        return wanted | self._feed.positions()

    def _put_back(self) -> None:
        """Keep what units were not to process yet. What follows a chunk of theirs is not fetched ahead."""
        self._stopped = {unit.source for unit in self._keeper.units.values() if unit.rest is not None}
        for source in self._stopped:
            unit = self._keeper.units[source]
            rest, unit.rest = unit.rest, None
            if rest is not None and unit.is_open:
                self._ahead.put_back(unit.shard.position, rest)

    def _next_positions(self) -> dict[TopicPartition, int]:
        """Where to go on once everything under way is processed."""
        left_out = self._stopped | resting(self._keeper.units, self._internal, _now())
        units = [unit for unit in self._keeper.units.values() if unit.is_open and unit.has_room]
        units = [unit for unit in units if unit.source not in left_out]
        return {unit.source: unit.next_position for unit in units} | self._feed.positions()

    def _owned(self) -> set[TopicPartition]:
        return {*self._keeper.units, *self._feed.positions()}

    async def _fetch(self, positions: Mapping[TopicPartition, int], *, wait_ms: int) -> list[Chunk]:
        try:
            asked = {**positions, **await self._listening()}
            if not asked:
                await self._wait_for_progress()
                return []
            if not positions:  # a unit that becomes free is to be served at once
                wait_ms = min(wait_ms, _GLANCE_MS)
            chunks = await self._log.fetch(asked, max_bytes=_CHUNK_BYTES, wait_ms=wait_ms)
        except OffsetOutOfRangeError as error:
            self._clocks.position = None
            await self._out_of_range(positions, error)
            return []
        except LogBusyError as error:
            _logger.warning("nothing could be fetched: %s", error)
            return []
        except LogUnavailableError:  # the log has said so itself
            await asyncio.sleep(_AWAY_S)
            return []
        self._keeper.fed(positions, chunks)
        news = [chunk for chunk in chunks if chunk.topic == self._clocks.source.topic]
        for chunk in news:
            self._clocks.hear(chunk, _now())
        if self._clocks.source in asked:
            self._clocks.listened(_now())
        return [chunk for chunk in chunks if chunk not in news] if news else chunks

    async def _listening(self) -> dict[TopicPartition, int]:
        """Where news of other workers' clocks is to be read, if there are others."""
        clocks = self._clocks
        if not clocks.has_others(self._keeper.units):
            clocks.position = None
            return {}
        position = clocks.position
        if position is None:
            position = (await self._log.partitions(clocks.source.topic))[0].end
            clocks.listen(position)
        return {clocks.source: position}

    def _message(self, chunk: Chunk, asked: int, generation: int) -> ConsumerMessage | None:
        """A message for a unit, unless it broke or moved while the fetch was under way; others go to the feed."""
        tp = TP(chunk.topic, chunk.partition)
        if chunk.topic not in self._keeper.topics:
            if self._feed.position(tp) == asked:
                self._feed.add(chunk, generation)
            return None
        unit = self._keeper.units.get(TopicPartition(*tp))
        if unit is None or not unit.wants_more or unit.shard.position != asked:
            return None
        bound_ms = self._bounds.get(unit.source)
        if is_held(unit, bound_ms):  # it was fetched for to see how much there is
            self._ahead.put_back(asked, chunk)
            return None
        event = ChunkEvent(self._keeper, unit, chunk, bound_ms if unit.backlog.is_behind else None)
        return ConsumerMessage(
            *tp, chunk.next_offset - 1, 0.0, 0, [], None, event, None, 0, 0, tp, generation_id=generation
        )

    async def close(self) -> None:
        """End the fetch under way."""
        await self._ahead.close()

    async def _wait_for_progress(self) -> None:
        self._keeper.progress.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._keeper.progress.wait(), _GLANCE_MS / 1000)

    async def _out_of_range(self, positions: Mapping[TopicPartition, int], error: OffsetOutOfRangeError) -> None:
        """Some position has left the log: its unit sorts it out by being reopened, a plain partition goes on."""
        for source, position in positions.items():
            start, end, _ = (await self._log.partitions(source.topic))[source.partition]
            unit = self._keeper.units.get(source)
            if start <= position <= end:
                continue
            if unit is not None:
                self._keeper.lost(unit, error)
            else:
                _logger.error("%s: offset %d is not in the log any more; going on at %d", source, position, start)
                self._feed.move(TP(*source), start)
