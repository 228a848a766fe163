"""How long partitions stood still after a fault: from the fault to the first commit afterwards."""

import asyncio
import time
from collections.abc import Collection
from typing import Any

from agents.events import TopicPartition
from pipeline.errors import StreamgaugeError
from pipeline.log import Log

_LOOK_S = 0.05


class Pauses:
    """Watches the positions of a group.

    A pause is known to within a look, 50 ms, and includes the time until the next regular commit.

    Args:
        log: The event log.
        group: The group.
    """

    def __init__(self, log: Log, group: str) -> None:
        self._log = log
        self._group = group
        self._waiting: list[tuple[float, TopicPartition, int]] = []
        self._positions: dict[TopicPartition, int] = {}
        self._pauses: list[tuple[int, str, float]] = []
        self._began = time.monotonic()

    async def owned_by(self, pid: int) -> set[TopicPartition]:
        """Partitions whose owner is the process ``pid``."""
        leases = await self._log.leases(self._group)
        return {lease.source for lease in leases if f":{pid}:" in lease.member}

    def fault(self, sources: Collection[TopicPartition]) -> None:
        """Something has just happened to the owner of ``sources``."""
        now = time.monotonic()
        self._waiting += [(now, source, self._positions.get(source, 0)) for source in sources]

    def moved(self, source: TopicPartition, since: int) -> bool:
        """Whether anything was committed beyond the position ``since``."""
        return self._positions.get(source, 0) > since

    def position(self, source: TopicPartition) -> int:
        """The position last seen."""
        return self._positions.get(source, 0)

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                committed = await self._log.committed(self._group)
            except StreamgaugeError as error:
                if not error.retriable:
                    raise
            else:
                self._note({source: known.offset for source, known in committed.items()})
            await asyncio.sleep(_LOOK_S)

    def _note(self, positions: dict[TopicPartition, int]) -> None:
        self._positions = positions
        now = time.monotonic()
        ended = [each for each in self._waiting if positions.get(each[1], 0) > each[2]]
        self._pauses += [
            (round((now - since) * 1_000), str(source), round(since - self._began, 1)) for since, source, _ in ended
        ]
        self._waiting = [each for each in self._waiting if each not in ended]

    def summary(self) -> dict[str, Any]:
        """Median and maximum in ms, over how many partitions that lost their owner, and the longest ones."""
        ordered = sorted(self._pauses, reverse=True)
        if not ordered:
            return {"p50": None, "max": None, "n": 0}
        longest = [{"ms": ms, "source": source, "at_s": at_s} for ms, source, at_s in ordered[:3]]
        return {"p50": ordered[len(ordered) // 2][0], "max": ordered[0][0], "n": len(ordered), "longest": longest}
