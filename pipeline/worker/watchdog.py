"""Finds partitions that do not move although there is something to do, says why, and opens them again.

::

    ────────────●──────────────────────────────────●──────────────────────────●──────▶ time
          last progress         limit      first strike: alert,       limit   second strike:
                                           opened again                       the worker ends, code 75

A worker whose event loop itself stands still can't look after its partitions: ``LoopGuard``, a thread, ends it.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agents.events import Outgoing, TopicPartition
from pipeline.errors import LogUnavailableError, StuckError
from pipeline.health.events import encode_event, outgoing
from pipeline.health.stuck import Cause
from pipeline.worker.units.keeper import Keeper
from pipeline.worker.units.unit import Unit

_logger = logging.getLogger(__name__)
LIMIT_S = 20.0
"""Without progress for so long a partition is stuck; twice the longest time between commits, if that is longer."""


@dataclass(slots=True)
class _Watched:
    committed: int  # the furthest so far: a unit that was opened again begins further back
    steps: int
    since: float
    strikes: int = 0
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Stuck:
    """A partition that does not move, and why."""

    source: TopicPartition
    cause: Cause
    waited_s: float
    strikes: int

    def __str__(self) -> str:
        return (
            f"{self.source} has not moved for {self.waited_s:.0f} s ({self.cause.name.lower()}): {self.cause.sentence}"
        )


class Watchdog:
    """Watches the units of a keeper.

    Args:
        keeper: Holds them.
        limit_s: How long a unit may stand still.
    """

    def __init__(self, keeper: Keeper, *, limit_s: float = LIMIT_S) -> None:
        self._keeper = keeper
        self._limit_s = limit_s
        self._watched: dict[TopicPartition, _Watched] = {}

    def look(self, ends: Mapping[TopicPartition, int], now: float) -> list[Stuck]:
        """Which units are stuck now; each is opened again once, and then reported with its second strike.

        Args:
            ends: Offset after the last record of each partition that is owned.
            now: On the loop's clock.
        """
        found = []
        units = self._keeper.units
        self._watched = {source: each for source, each in self._watched.items() if source in units}
        for source, unit in units.items():
            stuck = self._judge(source, unit, ends.get(source, 0), now)
            if stuck is not None:
                found.append(stuck)
        for stuck in found:
            self._keeper.lost(units[stuck.source], StuckError(str(stuck)))
        return found

    def excuse(self) -> None:
        """Count time anew: while the log does not answer, or the process is paused, nobody gets on."""
        self._watched.clear()

    def _judge(self, source: TopicPartition, unit: Unit, end: int, now: float) -> Stuck | None:
        watched, steps = self._watched.get(source), self._steps(unit)
        if watched is None or _is_excused(unit, end) or unit.committed > watched.committed:
            self._watched[source] = _Watched(unit.committed, steps, now)
            return None
        if steps != watched.steps:
            watched.steps, watched.since = steps, now
        if now - watched.since < self._limit_s:
            return None
        watched.strikes += 1
        # What hung first may keep it from being opened again: that stays the cause.
        watched.cause = watched.cause or self._cause(unit)
        waited_s, watched.since = now - watched.since, now
        return Stuck(source, watched.cause, waited_s, watched.strikes)

    def _steps(self, unit: Unit) -> int:
        """How far its restoring is; while others come first, how far theirs is: opening it again would not help."""
        return self._keeper.opening.restores.steps if unit.awaits_turn else unit.restore_steps

    def _cause(self, unit: Unit) -> Cause:
        if self._keeper.suspects.isolating(unit.source) or (unit.failure is not None and not unit.is_open):
            return Cause.POISON
        if not unit.is_open:
            return Cause.RESTORE
        if unit.in_flight:
            return Cause.HANDLER
        return Cause.COMMIT if unit.is_committing or not unit.is_clean else Cause.FETCH


def _is_excused(unit: Unit, end: int) -> bool:
    """Whether there is nothing to do, or nothing that opening it again could help."""
    done = unit.is_open and unit.is_clean and unit.committed >= end
    waits = unit.is_held and unit.is_clean  # for another partition, which may be stuck
    return done or waits or unit.stopped or isinstance(unit.failure, LogUnavailableError)


def stuck_events(app: str, found: Sequence[Stuck], now_ms: int) -> list[Outgoing]:
    """What a watchdog found, as health events."""
    events = [
        encode_event(each.source, now_ms, {"stuck": int(each.cause), "reason": each.cause.sentence}) for each in found
    ]
    return outgoing(app, events)


class LoopGuard:
    """Ends the process when its event loop does nothing any more for too long, after telling where it stands.

    Counts its own ticks rather than time: a process that was paused has not been idle.

    Args:
        loop: The loop.
        limit_s: How long it may take to answer.
        tick_s: How often to ask.
        end: Ends the process.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        limit_s: float = LIMIT_S,
        tick_s: float = 1.0,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._loop = loop
        self._tick_s = tick_s
        self._limit = max(1, round(limit_s / tick_s))
        self._end = end
        self._silent = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop-guard", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End watching."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._tick_s):
            self._silent += 1
            if self._silent > self._limit:
                _logger.critical(
                    "the event loop has stood still for %.0f s; ending, to be started again", self._limit * self._tick_s
                )
                faulthandler.dump_traceback(sys.stderr)
                self._end(StuckError.exit_code)
                return
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._silent = 0
