"""How long partitions stood still after a fault: from the fault to the first commit afterwards."""

import asyncio
from collections.abc import Collection

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
        self._pauses_ms: list[int] = []

    async def owned_by(self, pid: int) -> set[TopicPartition]:
        """Partitions whose owner is the process ``pid``."""
        leases = await self._log.leases(self._group)
        return {lease.source for lease in leases if f":{pid}:" in lease.member}

    def fault(self, sources: Collection[TopicPartition]) -> None:
        """Something has just happened to the owner of ``sources``."""
        now = asyncio.get_running_loop().time()
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
        now = asyncio.get_running_loop().time()
        ended = [each for each in self._waiting if positions.get(each[1], 0) > each[2]]
        self._pauses_ms += [round((now - since) * 1_000) for since, _, _ in ended]
        self._waiting = [each for each in self._waiting if each not in ended]

    def summary(self) -> dict[str, int | None]:
        """Median and maximum in ms, and over how many partitions that lost their owner."""
        ordered = sorted(self._pauses_ms)
        middle = ordered[len(ordered) // 2] if ordered else None
        return {"p50": middle, "max": ordered[-1] if ordered else None, "n": len(ordered)}
