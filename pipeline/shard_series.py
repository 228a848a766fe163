"""The series detectors of a shard, and the stored form of what they have learned: blocks of series, those that changed.

::

    detector/NAME@VERSION      how many series there are, how many stand in a block, counters
    detector/NAME@VERSION/7    the eighth block: names, and each column of their rows

A commit takes the blocks with series that had a sample since the last one. A block has about 256 KiB, so that any
number of series fits into records that brokers take.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.series.agent import SeriesAgent, build_series_agent
from agents.spec import DetectorSpec
from tables.slab import BLOCK, Slab, SlabError, decode_slab, encode_slab

_PREFIX: Final = b"detector/"
_BLOCK_BYTES: Final = 256 << 10
_NAME_BYTES: Final = 32  # about
_NAMES, _COUNTERS = "names", "counters"


class ShardSeries:
    """Detectors of one partition, by name.

    Args:
        specs: What is watched: samples of the stream, or measures of windows that close.
    """

    def __init__(self, specs: Iterable[DetectorSpec]) -> None:
        self._agents = {spec.name: build_series_agent(spec) for spec in specs}
        self._blocks: dict[str, int] = {}  # series a block, of those that were stored or restored

    def __getitem__(self, name: str) -> SeriesAgent:
        """The detector of that name."""
        return self._agents[name]

    @property
    def versions(self) -> dict[str, str]:
        """What the state of each depends on, as a hash."""
        return {name: agent.spec.version for name, agent in self._agents.items()}

    def dirty(self, applied: int) -> dict[bytes, bytes | None]:
        """Slabs that changed since the last call, by key.

        Cost: O(series) for looking, and what changed for writing.
        """
        slabs: dict[bytes, bytes | None] = {}
        for name, agent in sorted(self._agents.items()):
            changed = agent.take_changed()
            if len(changed):
                slabs |= self._stored(_key(agent), name, changed, applied)
        return slabs

    def restore(self, slabs: Mapping[bytes, bytes]) -> set[bytes]:
        """Take over the latest slabs; the keys of those that belong to former definitions.

        Raises:
            SlabError: If a slab can't be read, or a block is missing.
        """
        unknown = {key for key in slabs if key.startswith(_PREFIX)}
        for name, agent in self._agents.items():
            head = _key(agent)
            if head not in slabs:
                continue
            own = {key for key in unknown if key == head or key.startswith(head + b"/")}
            unknown -= own
            first = decode_slab(slabs[head])
            if _NAMES in first.extra:  # as it was before there were blocks: all in one
                agent.restore({**first.arrays, **first.extra})
                agent.mark_changed()
                continue
            self._blocks[name] = int(first.extra["block"])
            agent.restore(_joined(first, [decode_slab(slabs[key]) for key in own - {head}]))
        return unknown

    def _stored(self, head: bytes, name: str, changed: NDArray[np.int64], applied: int) -> dict[bytes, bytes | None]:
        state = self._agents[name].view()
        names, counters = list(state[_NAMES]), np.asarray(state[_COUNTERS])
        columns = {each: np.asarray(column) for each, column in state.items() if each not in {_NAMES, _COUNTERS}}
        block = self._blocks.setdefault(name, _series_a_block(columns))
        known = Slab(applied=applied, arrays={_COUNTERS: counters}, extra={"series": len(names), "block": block})
        slabs: dict[bytes, bytes | None] = {head: encode_slab(known)}
        for number in np.unique(changed // block).tolist():
            part = slice(number * block, (number + 1) * block)
            slabs[head + b"/%d" % number] = encode_slab(
                Slab(
                    applied=applied,
                    start=part.start,
                    arrays={each: column[part].T for each, column in columns.items()},
                    names=list(names[part]),
                )
            )
        return slabs


def _key(agent: SeriesAgent) -> bytes:
    return _PREFIX + f"{agent.spec.name}@{agent.spec.version}".encode()


def _series_a_block(columns: Mapping[str, NDArray[Any]]) -> int:
    each = _NAME_BYTES + sum(column.itemsize * int(np.prod(column.shape[1:])) for column in columns.values())
    return max(1, min(BLOCK, _BLOCK_BYTES // each))


def _joined(head: Slab, blocks: list[Slab]) -> dict[str, Any]:
    """What ``SeriesAgent.restore`` takes."""
    blocks.sort(key=lambda slab: slab.start)
    names = [name for slab in blocks for name in slab.names or ()]
    if len(names) != head.extra["series"] or any(name is None for name in names):
        raise SlabError(f"the blocks of a detector hold {len(names)} of its {head.extra['series']} series")
    columns = {
        each: np.concatenate([slab.arrays[each].T for slab in blocks]) for each in (blocks[0].arrays if blocks else ())
    }
    return {_NAMES: names, _COUNTERS: head.arrays[_COUNTERS], **columns}
