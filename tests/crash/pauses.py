"""How long partitions stood still after a fault: from the fault to the first commit afterwards."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from agents.events import TopicPartition
from pipeline.errors import StreamgaugeError

_LOOK_S = 0.05


class Scene(Protocol):
    """What can be seen of a group from outside."""

    async def commits(self) -> Mapping[TopicPartition, int]:
        """A number for each source partition that grows with each of its commits."""

    async def owned_by(self, pid: int) -> set[TopicPartition]:
        """Source partitions whose owner is the process ``pid``."""


class Pauses:
    """Watches the commits of a group.

    A pause is known to within a look, 50 ms, and includes the time until the next regular commit.

    Args:
        scene: The group.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._waiting: list[tuple[float, str, TopicPartition, int]] = []
        self._positions: Mapping[TopicPartition, int] = {}
        self._pauses: list[tuple[int, str, str, float]] = []
        self._owned: dict[int, set[TopicPartition]] = {}
        self._began = time.monotonic()

    async def owned_by(self, pid: int) -> set[TopicPartition]:
        """Partitions whose owner is the process ``pid``; what was known last while the log does not answer."""
        try:
            self._owned[pid] = await self._scene.owned_by(pid)
        except StreamgaugeError as error:
            if not error.retriable:
                raise
        return self._owned.get(pid, set())

    def fault(self, kind: str, sources: Collection[TopicPartition] | None = None) -> None:
        """Something has just happened to the owner of ``sources``, or to all that are known."""
        now = time.monotonic()
        known = self._positions.keys() if sources is None else sources
        self._waiting += [(now, kind, source, self._positions.get(source, 0)) for source in known]

    def moved(self, source: TopicPartition, since: int) -> bool:
        """Whether anything was committed since ``position`` gave ``since``."""
        return self._positions.get(source, 0) > since

    def position(self, source: TopicPartition) -> int:
        """The number of commits last seen, whatever its unit."""
        return self._positions.get(source, 0)

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                self._note(await self._scene.commits())
            except StreamgaugeError as error:
                if not error.retriable:
                    raise
            await asyncio.sleep(_LOOK_S)

    def _note(self, positions: Mapping[TopicPartition, int]) -> None:
        self._positions = positions
        now = time.monotonic()
        waiting = []
        for each in self._waiting:
            since, kind, source, before = each
            if positions.get(source, 0) > before:
                at_s = round(since - self._began, 1)
                self._pauses.append((round((now - since) * 1_000), kind, str(source), at_s))
            else:
                waiting.append(each)
        self._waiting = waiting

    def summary(self) -> dict[str, Any]:
        """Median and maximum in ms, by kind of fault and over all, of how many partitions; the longest; the endless."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for ms, kind, _, _ in self._pauses:
            found[kind].append(ms)
            found["all"].append(ms)
        summary: dict[str, Any] = {
            kind: {"p50": sorted(each)[len(each) // 2], "max": max(each), "n": len(each)}
            for kind, each in sorted(found.items())
        }
        summary["longest"] = [
            {"ms": ms, "kind": kind, "source": source, "at_s": at_s}
            for ms, kind, source, at_s in sorted(self._pauses, reverse=True)[:3]
        ]
        summary["unended"] = len(self._waiting)
        return summary
