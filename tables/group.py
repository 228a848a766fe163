"""All tables of one partition that share a key: one index of keys, one sort a batch, one eviction."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tables.arrivals import Arrivals, Closed, Trailing
from tables.keys import NEVER, KeyIndex, grown
from tables.segments import Groups, group_by, running_extreme
from tables.slab import BLOCK, Dirty, Slab, decode_slab, encode_slab
from tables.spec import TableSpec
from tables.table import WindowTable

Int64 = NDArray[np.int64]
_SWEEPS_IN_TTL = 16
_EVICTED_SHARE = 16


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the tables knew at the records ``start`` (inclusive) to ``stop`` (exclusive) of a batch.

    Args:
        start: First record.
        stop: Record after the last.
        slots: Slot of each record's key, shape ``(stop - start,)``.
        trailing: By table.
        groups: Records by slot.
    """

    start: int
    stop: int
    slots: Int64
    trailing: dict[str, Trailing]
    groups: Groups


class TableGroup:
    """State of all tables with the key ``by`` in one partition.

    Keys not seen for the longest ``ttl_ms`` of its tables are dropped whenever stream time crosses a 16th of it. When
    the smallest ``max_keys`` is reached, the 16th of the keys seen longest ago goes. Both happen at a point of the
    stream, not of a batch, and are counted.

    Args:
        by: Field that is the key.
        specs: The tables.
        trailing: For each table the measures wanted at each record.
        marks: Names of further whole numbers that are kept for each key, and go with it.
        skew_ms: How far the partitions that feed this one may lie apart.
    """

    def __init__(
        self,
        by: str,
        specs: Sequence[TableSpec],
        *,
        trailing: Mapping[str, Collection[str]],
        marks: Collection[str] = (),
        skew_ms: int = 0,
    ) -> None:
        self.by = by
        self.index = KeyIndex()
        self.tables = {
            spec.name: WindowTable(spec, self.index, trailing=trailing.get(spec.name, ()), skew_ms=skew_ms)
            for spec in specs
        }
        self.evicted = 0
        self.expired = 0
        self._ttl_ms = max(spec.ttl_ms for spec in specs)
        self._max_keys = min(spec.max_keys for spec in specs)
        self._sweep_ms = max(1, self._ttl_ms // _SWEEPS_IN_TTL)
        self._swept = NEVER
        self._began_ms = NEVER
        self._needs_began = any(m.kind == "began" for spec in specs for m in spec.measures)
        self._stored_began = not self._needs_began
        self._needs_last = any(m.kind == "last_seen" for spec in specs for m in spec.measures)
        self._marks = {name: np.full(self.index.capacity, NEVER, np.int64) for name in marks}
        self._marked = {name: Dirty(1) for name in marks}
        self._named = Dirty(1)
        self._seen = Dirty(1)

    def update(
        self, keys: Sequence[str], time_ms: Int64, own_ms: Int64, head_ms: Int64, inputs: Mapping[str, NDArray[Any]]
    ) -> Iterator[Stretch]:
        """Take records in, all columns of ``n`` records; see ``Arrivals`` for their meaning.

        Goes on as it is iterated. Between stretches keys are evicted and their slots given to others, so what is to be
        said about a stretch must be said before the next one is asked for.
        """
        if self._began_ms == NEVER and len(time_ms):
            self._began_ms = int(time_ms[0])
        for start, stop in self._cuts(keys, head_ms):
            part = slice(start, stop)
            slots = self._intern(keys[part] if stop - start < len(keys) else keys)
            groups = group_by(slots)
            last_seen = self._last_seen(groups, slots, time_ms[part])
            self.index.touch(slots, time_ms[part], head_ms[part])
            self._seen.mark(0, groups.keys)
            arrivals = Arrivals(
                slots=slots,
                time_ms=time_ms[part],
                own_ms=own_ms[part],
                head_ms=head_ms[part],
                inputs={name: column[part] for name, column in inputs.items()},
                first_seen_ms=self.index.first_ms[slots].astype(np.float64),
                last_seen_ms=last_seen,
                groups=groups,
                began_ms=self._began_ms,
            )
            trailing = {name: table.update(arrivals) for name, table in self.tables.items()}
            yield Stretch(start, stop, slots, trailing, groups)

    def close(self, now_ms: int) -> None:
        """Close tumbling windows by event time ``now_ms``."""
        for table in self.tables.values():
            table.close(now_ms)

    def take_closed(self) -> Iterator[tuple[str, Closed]]:
        """Closed windows by table, oldest first."""
        for name, table in self.tables.items():
            for closed in table.take_closed():
                yield name, closed

    def mark(self, name: str) -> Int64:
        """The whole number kept under ``name`` for each slot, shape ``(capacity,)``; ``NEVER`` until set."""
        return self._marks[name]

    def set_marks(self, name: str, slots: Int64, values: Int64) -> None:
        """Keep ``values`` under ``name`` for the keys at ``slots``, both of shape ``(k,)``."""
        self._marks[name][slots] = values
        self._marked[name].mark(0, slots)

    # ---- keys come and go -------------------------------------------------------------------------------------------

    def _cuts(self, keys: Sequence[str], head_ms: Int64) -> Iterator[tuple[int, int]]:
        """Stretches of the batch between which keys are swept or evicted; doing so is part of the iteration."""
        sweeps = head_ms // self._sweep_ms
        bounds = [0, *((sweeps[1:] != sweeps[:-1]).nonzero()[0] + 1).tolist(), len(keys)]
        for start, stop in pairwise(bounds):
            if sweeps[start] > self._swept:
                self._sweep(int(sweeps[start]))
            yield from self._within_cap(keys, start, stop)

    def _within_cap(self, keys: Sequence[str], start: int, stop: int) -> Iterator[tuple[int, int]]:
        while len(self.index) + stop - start > self._max_keys:
            room = self._max_keys - len(self.index)
            fits = self.index.prefix_within(keys[start:stop], room)
            if fits == stop - start:
                break
            if fits:
                yield start, start + fits
                start += fits
            surplus = self.index.oldest(max(1, self._max_keys // _EVICTED_SHARE))
            self.evicted += len(surplus)
            self._forget(surplus)
        yield start, stop

    def _sweep(self, sweep: int) -> None:
        self._swept = sweep
        before_ms = sweep * self._sweep_ms - self._ttl_ms
        expired = self.index.expired(before_ms)
        if len(expired):
            self.expired += len(expired)
            self._forget(expired)
        for table in self.tables.values():
            table.sweep(sweep * self._sweep_ms - table.spec.ttl_ms)

    def _forget(self, slots: Int64) -> None:
        for table in self.tables.values():
            table.forget(slots)
        for name, mark in self._marks.items():
            mark[slots] = NEVER
            self._marked[name].mark(0, slots)
        self.index.evict(slots)
        self._named.mark(0, slots)
        self._seen.mark(0, slots)

    def _intern(self, keys: Sequence[str]) -> Int64:
        used, held = self.index.used, len(self.index)
        slots = self.index.intern(keys)
        if len(self.index) > held:
            new = np.arange(used, self.index.used) if self.index.used - used == len(self.index) - held else slots
            self._named.mark(0, new)
            self._grow_marks()
        return slots

    def _last_seen(self, groups: Groups, slots: Int64, time_ms: Int64) -> NDArray[np.float64]:
        if not self._needs_last:
            return np.empty(0)
        base = self.index.last_ms[groups.keys].astype(np.float64)
        base[self.index.last_ms[groups.keys] == NEVER] = np.nan
        running, _ = running_extreme(groups, time_ms.astype(np.float64), base, np.fmax)
        before = np.empty(len(slots))
        in_order = running[groups.order]
        before[1:] = in_order[:-1]
        before[groups.starts] = base
        return np.asarray(groups.unsort(before), np.float64)

    # ---- stored form ------------------------------------------------------------------------------------------------

    def take_dirty(self, applied: int) -> dict[str, bytes | None]:
        """Slabs that changed since the last call, by name; ``None`` for one that is gone."""
        slabs: dict[str, Slab | None] = {}
        for _, block in self._named.take():
            part = self._block(block)
            slabs[f"keys/{block}"] = Slab(applied=applied, start=part.start, names=self.index.names[part])
        for _, block in self._seen.take():
            part = self._block(block)
            times = {name: getattr(self.index, name)[part] for name in _TIMES}
            slabs[f"seen/{block}"] = Slab(applied=applied, start=part.start, arrays=times)
        for name, mark in self._marks.items():
            for _, block in self._marked[name].take():
                part = self._block(block)
                slabs[f"mark/{name}/{block}"] = Slab(applied=applied, start=part.start, arrays={"mark": mark[part]})
        for name, table in self.tables.items():
            prefix = f"table/{name}@{table.spec.version}"
            slabs |= {f"{prefix}/{rest}": slab for rest, slab in table.take_dirty(applied).items()}
        if not self._stored_began and self._began_ms != NEVER:
            slabs["began"] = Slab(applied=applied, arrays={"began": np.array([self._began_ms])})
            self._stored_began = True
        return {name: None if slab is None else encode_slab(slab) for name, slab in slabs.items()}

    def load(self, slabs: Mapping[str, bytes], head_ms: int, closed_ms: int) -> list[str]:
        """Restore from the latest slabs.

        Returns:
            Names of slabs that belong to no table or mark of this definition: the state of former ones.
        """
        decoded = {name: decode_slab(data) for name, data in slabs.items()}
        began = decoded.pop("began", None) if self._needs_began else None
        tables: dict[str, dict[str, Slab]] = {name: {} for name in self.tables}
        unknown = []
        for name in sorted(decoded):
            kind, _, rest = name.partition("/")
            if kind == "keys":
                self.index.load(decoded[name].start, decoded[name].names or [])
        self.index.loaded()
        self._grow_marks()
        for name, slab in decoded.items():
            kind, _, rest = name.partition("/")
            owner, _, inner = rest.partition("/")
            if kind == "seen":
                self._load_seen(slab)
            elif kind == "mark" and owner in self._marks:
                self._marks[owner][slab.start : slab.start + len(slab.arrays["mark"])] = slab.arrays["mark"]
            elif kind == "table" and self._is_current(owner):
                tables[owner.partition("@")[0]][inner] = slab
            elif kind != "keys":
                unknown.append(name)
        for name, table in self.tables.items():
            table.load(tables[name], head_ms, closed_ms)
        self._swept = head_ms // self._sweep_ms
        self._load_began(began)
        return unknown

    def _load_began(self, slab: Slab | None) -> None:
        if slab is not None:
            self._began_ms, self._stored_began = int(slab.arrays["began"][0]), True
            return
        held = self.index.first_ms[self.index.first_ms != NEVER]  # the state is older than the need to know
        self._began_ms = int(held.min()) if len(held) else NEVER

    def _is_current(self, owner: str) -> bool:
        name, _, version = owner.partition("@")
        return name in self.tables and self.tables[name].spec.version == version

    def _load_seen(self, slab: Slab) -> None:
        for name in _TIMES:
            times = getattr(self.index, name)
            stored = slab.arrays[name][: len(times) - slab.start]
            times[slab.start : slab.start + len(stored)] = stored

    def _grow_marks(self) -> None:
        for name, mark in self._marks.items():
            if len(mark) < self.index.capacity:
                self._marks[name] = grown(mark, self.index.capacity, NEVER)

    def _block(self, block: int) -> slice:
        return slice(block * BLOCK, min((block + 1) * BLOCK, self.index.used))


_TIMES = ("first_ms", "last_ms", "touched_ms")
