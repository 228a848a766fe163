"""Where incidents are kept: takes in the topic of commands, and commits what follows.

One worker does so for all, the one that owns the topic's only partition. State, notices and position are one commit
under the fence of that partition, as with a shard: a worker that lost it can't write, and the next one goes on from
the position in the state. What Faust's agent hands over is only the sign that there is something to take in.

::

    alert-commands ─▶ step, step, … ─▶ one commit: alert-state (changes, position) + alert-notices
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from agents.events import Chunk, Outgoing, Records, TopicPartition
from pipeline.codec import Reason, Reject
from pipeline.deadletter import dead_letters
from pipeline.errors import FencedError, LogUnavailableError, OffsetOutOfRangeError, StateError
from pipeline.incidents import IncidentSettings, Notice, Record, State, restore, step
from pipeline.incidents.events import Event, decode_event
from pipeline.incidents.model import Position
from pipeline.incidents.records import decode_record, encode_notice, encode_record
from pipeline.log.api import Fence, Log
from pipeline.plan import commands_topic, incidents_topic, notices_topic
from pipeline.worker.units.restore import read_slabs

_logger = logging.getLogger(__name__)
_POSITION: Final = "position"
_FETCH_BYTES: Final = 1 << 16
_WAIT_MS: Final = 1_000
_AWAY_S: Final = 0.5  # between two tries while the log does not answer


@dataclass(slots=True)
class _Held:
    """The state as committed, and the right to change it."""

    fence: Fence
    state: State
    position: int


class Desk:
    """Keeps the incidents of an application for as long as this worker owns them.

    Args:
        log: The event log.
        app: Name of the application.
        settings: How alerts become incidents.
        fence: The right to the topic of commands, if this worker has it now.
        on_lost: Told that the right was refused, so that it is looked at anew who has it.
        now_ms: Wall clock, Unix ms: a record that says to come from the future counts as of now.
    """

    def __init__(
        self,
        log: Log,
        app: str,
        settings: IncidentSettings,
        *,
        fence: Callable[[], Fence | None],
        now_ms: Callable[[], int],
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = TopicPartition(commands_topic(app), 0)
        self._log = log
        self._app = app
        self._settings = settings
        self._fence = fence
        self._now_ms = now_ms
        self._on_lost = on_lost
        self._held: _Held | None = None
        self._is_stopped = False
        self._turn = asyncio.Lock()

    async def take_in(self, offset: int) -> None:
        """Take in everything up to ``offset``, inclusive, unless that was done or is no longer this worker's."""
        async with self._turn:
            while (held := await self._open()) is not None and held.position <= offset:
                await self._try(self._advance(held))

    async def is_due(self) -> bool:
        """Whether something happens by itself now, so that a tick is needed."""
        async with self._turn:
            held = await self._open()
        return held is not None and held.state.next_ms <= self._now_ms()

    async def _open(self) -> _Held | None:
        """The state, restored if the right to it is new."""
        while not self._is_stopped and (fence := self._fence()) is not None:
            if self._held is not None and self._held.fence == fence:
                return self._held
            await self._drop()
            await self._try(self._restore(fence))
        await self._drop()
        return None

    async def _try(self, work: Awaitable[None]) -> None:
        """Do a step. After a failure its outcome is unknown, so that the state has to be read again."""
        try:
            await work
        except (FencedError, LogUnavailableError, OffsetOutOfRangeError) as error:  # rebalance, outage, retention
            if isinstance(error, FencedError):
                self._on_lost()
            await self._drop()
            await asyncio.sleep(_AWAY_S)
        except StateError as error:
            _logger.error("incidents are stopped: %s", error)  # noqa: TRY400 - the sentence says it all
            self._is_stopped = True
        except BaseException:
            self._held = None
            raise

    async def _drop(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            await self._log.disclaim(held.fence)

    async def _restore(self, fence: Fence) -> None:
        await self._log.claim(fence)
        stored = await read_slabs(self._log, TopicPartition(incidents_topic(self._app), 0))
        records = {key.decode(): decode_record(value) for key, value in stored.items()}
        bounds = (await self._log.partitions(self.source.topic))[0]
        found = records.get(_POSITION)
        position = found.offset if isinstance(found, Position) else 0
        if not bounds.start <= position <= bounds.end:  # cut by retention, or made anew
            position = bounds.start
        self._held = _Held(fence, restore(records.items(), self._settings), position)

    async def _advance(self, held: _Held) -> None:
        for chunk in await self._log.fetch({self.source: held.position}, max_bytes=_FETCH_BYTES, wait_ms=_WAIT_MS):
            state, outgoing = self._apply(chunk, held.state)
            await self._log.commit(held.fence, chunk.next_offset, outgoing)
            held.state, held.position = state, chunk.next_offset

    def _apply(self, chunk: Chunk, state: State) -> tuple[State, list[Outgoing]]:
        events, rejects = _decoded(chunk)
        changes: dict[str, Record | None] = {}
        notices: list[Notice] = []
        now_ms = self._now_ms()
        for at, event in events:
            state, outputs = step(state, event, min(int(chunk.timestamps_ms[at]), now_ms), self._settings)
            changes |= outputs.changes
            notices += outputs.notices
            if outputs.refused is not None:
                _logger.warning("a command at %s %d was refused: %s", self.source, chunk.offsets[at], outputs.refused)
        changes[_POSITION] = Position(chunk.next_offset)
        outgoing = [self._changed(changes)]
        if notices:
            outgoing.append(self._told(notices))
        if rejects:
            outgoing.append(dead_letters(chunk, rejects))
        return state, outgoing

    def _changed(self, changes: dict[str, Record | None]) -> Outgoing:
        values = [encode_record(record) for record in changes.values()]
        return Outgoing(incidents_topic(self._app), 0, Records(keys=[key.encode() for key in changes], values=values))

    def _told(self, notices: list[Notice]) -> Outgoing:
        encoded = [encode_notice(notice, self._app) for notice in notices]
        keys, values, headers = zip(*encoded, strict=True)
        return Outgoing(notices_topic(self._app), 0, Records(keys=keys, values=values, headers=headers))


def _decoded(chunk: Chunk) -> tuple[list[tuple[int, Event]], list[Reject]]:
    events: list[tuple[int, Event]] = []
    rejects = []
    for at, value in enumerate(chunk.values):
        try:
            events.append((at, decode_event(value)))
        except StateError as error:
            reason = Reason.NULL if value is None else Reason.BAD_JSON
            rejects.append(Reject(at, int(chunk.offsets[at]), reason, type(error).__name__, str(error)))
    return events, rejects
