"""Keeps the rows of all tables in the store as the state topics say, block by block, within a share of the time."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import msgspec
import numpy as np

from agents.events import Int64, TopicPartition
from pipeline.readmodel.columns import cells_of
from pipeline.shard_state import Meta
from pipeline.store.database import Column, Database, Writer, clean
from pipeline.store.rows.blocks import BlockRows, KeyedBlocks
from pipeline.store.rows.layout import Layout, digest, index_rows, layouts, prepare_rows
from pipeline.store.rows.points import PointWriter
from pipeline.store.schema import set_fact
from pipeline.views import Freshness, TableReader
from tables.keys import NEVER

SHARE: Final = 1 / 9
"""Of the time that making rows anew may take, once all were made."""

_TURN_S: Final = 0.5  # longer transactions would hold up the other topics
_BATCH: Final = 64  # blocks in a transaction
_PART_SHIFT: Final = 44
_FRESH: Final = "freshness"


class _Id(NamedTuple):
    """A block of a table."""

    table: str
    part: int
    block: int


@dataclass(slots=True)
class _Part:
    """What a source partition's rows were made of."""

    meta: Meta
    shown: dict[str, Freshness] = field(default_factory=dict)


class TableKeeper:
    """Rows of every table, in the store.

    A changed slab touches one block of 1,024 keys, whose rows are made anew and written if they are others than
    before. When stream time moves a window, all blocks of the table are due. The oldest ones come first, and
    ``freshness`` says how old what is shown may be.

    Args:
        database: The store.
        reader: Follows the state topics.
        monotonic_s: A clock for the share of the time.

    Cost: 1 to 2 ms a block, and what the database takes for its rows, 1 us each. Memory: 16 bytes a row besides the
    slabs that ``reader`` holds.
    """

    def __init__(
        self, database: Database, reader: TableReader, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.layouts: dict[str, Layout] = layouts(reader.plans)
        self._database = database
        self._reader = reader
        self._clock_s = monotonic_s
        self._keyed: dict[TopicPartition, dict[str, KeyedBlocks]] = {}
        self._parts: dict[TopicPartition, _Part] = {}
        self._due: dict[_Id, Freshness] = {}
        self._digests: dict[_Id, int] = {}
        self._points = PointWriter()
        self._credit_s = 0.0
        self._turn_s: float | None = None
        self.built = False

    def begin(self) -> None:
        """Make the tables of the store if need be, and take up which rows are there."""
        prepare_rows(self._database, self.layouts)
        names = {layout.number: name for name, layout in self.layouts.items()}
        rows = self._database.read("SELECT tab, part, block, digest FROM blocks")
        self._digests = {_Id(names[tab], part, block): value for tab, part, block, value in rows}
        self._keyed = {
            TopicPartition(topic, part): {keyed.by: KeyedBlocks(keyed) for keyed in plan.keyed}
            for topic, plan in self._reader.plans.items()
            for part in range(plan.partitions)
        }
        self._parts = {source: _Part(self._reader.meta(source)) for source in self._keyed}
        self._restore_freshness()
        self.built = False
        self._turn_s = None
        self._due = {}
        self._reader.take_changes()
        for source in self._keyed:
            self._note(source, self._reader.slabs(source))
        for found in self._digests:  # rows of which nothing may be left
            self._set_due(found)

    def refresh(self) -> bool:
        """Write what changed since the last call, as far as time allows; whether any row did."""
        for source, names in self._reader.take_changes().items():
            self._note(source, names)
        for source in self._keyed:
            self._note_moves(source)
        now_s = self._clock_s()
        if self._turn_s is not None:
            self._credit_s = min(_TURN_S, self._credit_s + (now_s - self._turn_s) * SHARE)
        self._turn_s = now_s
        self._points.earn(now_s)
        until_s = now_s + (self._credit_s if self.built else _TURN_S)
        changed = False
        while self._due and self._clock_s() < until_s:
            changed |= self._write([*self._first(_BATCH)])
        if self.built:
            self._credit_s -= self._clock_s() - now_s
        if not self.built and not self._due:
            index_rows(self._database, self.layouts)  # rows that come in bulk come before their indexes
            self.built = True
        if changed:
            self._save_freshness()
        return changed

    @property
    def behind(self) -> bool:
        """Whether the store is being built, and more is to be done at once."""
        return not self.built

    def freshness(self, table: str) -> list[Freshness]:
        """How far the rows of each partition are behind its source: by the oldest of its blocks."""
        layout = self.layouts[table]
        oldest: dict[int, Freshness] = {}
        for found, then in [*self._due.items()]:
            if found.table == table:
                oldest.setdefault(found.part, then)
        return [replace(oldest.get(now.partition, now), end=now.end) for now in self._reader.freshness(layout.source)]

    # ---- what is due ------------------------------------------------------------------------------------------------

    def _note(self, source: TopicPartition, names: Iterable[bytes]) -> None:
        slabs = self._reader.slabs(source)
        for name in names:
            kind, _, rest = name.decode().partition("/")
            by, _, inner = rest.partition("/")
            if kind == "by" and by in self._keyed[source]:
                for table, block in self._keyed[source][by].note(inner, slabs.get(name)):
                    self._set_due(_Id(table, source.partition, block))

    def _note_moves(self, source: TopicPartition) -> None:
        """Stream time went on: windows moved or closed without a slab."""
        part = self._parts[source]
        before, part.meta = part.meta, self._reader.meta(source)
        if (before.head_ms, before.closed_ms) == (part.meta.head_ms, part.meta.closed_ms):
            self._set_shown(source)
            return
        for name, layout in self.layouts.items():
            if layout.source == source.topic and _window(layout, before) != _window(layout, part.meta):
                for block in self._keyed[source][layout.by].blocks(name):
                    self._set_due(_Id(name, source.partition, block))
        self._set_shown(source)

    def _set_due(self, found: _Id) -> None:
        layout = self.layouts[found.table]
        shown = self._parts[TopicPartition(layout.source, found.part)].shown.get(found.table)
        self._due.setdefault(found, shown or Freshness(found.part, 0, 0, 0, 0))

    def _set_shown(self, source: TopicPartition) -> None:
        """From now on a block that becomes due is as old as this."""
        now = {each.partition: each for each in self._reader.freshness(source.topic)}[source.partition]
        for name, layout in self.layouts.items():
            if layout.source == source.topic:
                self._parts[source].shown[name] = now

    def _save_freshness(self) -> None:
        """For the time after a restart; an older one than that of the rows does no harm."""
        told = {name: self.freshness(name) for name in self.layouts}
        with self._database.write() as writer:
            set_fact(writer, _FRESH, msgspec.json.encode(told).decode())

    def _restore_freshness(self) -> None:
        found = self._database.read("SELECT value FROM facts WHERE name = $1", [_FRESH])
        for (text,) in found:
            for name, told in msgspec.json.decode(text, type=dict[str, list[Freshness]]).items():
                for each in told if name in self.layouts else ():
                    source = TopicPartition(self.layouts[name].source, each.partition)
                    if source in self._parts:
                        self._parts[source].shown[name] = each

    def _first(self, count: int) -> Iterator[_Id]:
        """The blocks that are due for the longest time, of one table."""
        table = next(iter(self._due)).table
        for found in self._due:
            if found.table == table and count:
                count -= 1
                yield found

    # ---- rows -------------------------------------------------------------------------------------------------------

    def _write(self, due: list[_Id]) -> bool:
        layout = self.layouts[due[0].table]
        made = {found: self._rows(layout, found) for found in due}
        summed = {found: _digest(rows) if len(rows.places) else None for found, rows in made.items()}
        others = [found for found in due if summed[found] != self._digests.get(found)]
        if others:
            with self._database.write() as writer:
                self._replace(writer, layout, {found: made[found] for found in others})
                self._set_digests(writer, layout, summed, {found: len(made[found].places) for found in others})
        for found in others:
            value = summed[found]
            if value is None:
                self._digests.pop(found, None)
            else:
                self._digests[found] = value
        for found in due:
            self._points.learn(found, made[found])
            del self._due[found]
        return bool(others)

    def _rows(self, layout: Layout, found: _Id) -> BlockRows:
        source = TopicPartition(layout.source, found.part)
        made = self._keyed[source][layout.by].rows(
            found.table, found.block, self._reader.slabs(source), self._meta(source)
        )
        cells = {
            name: cells_of(made.columns[info.measure], info) if len(made.places) else np.empty(0)
            for name, info in zip(layout.cells, layout.columns, strict=True)
        }
        return made._replace(columns=cells, places=made.places + (found.part << _PART_SHIFT))

    def _meta(self, source: TopicPartition) -> Meta:
        return self._parts[source].meta

    def _replace(self, writer: Writer, layout: Layout, made: Mapping[_Id, BlockRows]) -> None:
        stale = " OR ".join(f"part = {part} AND block IN ({blocks})" for part, blocks in _by_part(made).items())
        filled = {found: rows for found, rows in made.items() if len(rows.places)}
        if not filled:
            writer.run(f"DELETE FROM {layout.rows} WHERE {stale}")  # noqa: S608 - names and numbers of ours
            return
        keys = [clean(key) for rows in filled.values() for key in rows.keys]
        folds = [key.casefold() for key in keys]
        columns: dict[str, Column] = {
            "part": _spread(filled, lambda found: found.part),
            "block": _spread(filled, lambda found: found.block),
            "place": np.concatenate([rows.places for rows in filled.values()]),
            "start_ms": np.concatenate([rows.start_ms for rows in filled.values()]),
            "key": keys,
            "folded": [None if fold == key else fold for key, fold in zip(keys, folds, strict=True)],
        }
        cells = {name: np.concatenate([rows.columns[name] for rows in filled.values()]) for name in layout.cells}
        writer.renew(layout.rows, columns | cells, stale)
        times = {each.partition: each.committed_ms for each in self._reader.freshness(layout.source)}
        self._points.write(writer, layout, filled, times, len(self.layouts))

    def _set_digests(
        self, writer: Writer, layout: Layout, summed: Mapping[_Id, int | None], held: Mapping[_Id, int]
    ) -> None:
        for part, blocks in _by_part(held).items():
            writer.run(
                f"DELETE FROM blocks WHERE tab = {layout.number} AND part = {part} AND block IN ({blocks})"  # noqa: S608
            )
        kept = [found for found, rows in held.items() if rows]
        columns: dict[str, Column] = {
            "tab": [layout.number] * len(kept),
            "part": [found.part for found in kept],
            "block": [found.block for found in kept],
            "held": [held[found] for found in kept],
            "digest": [summed[found] for found in kept],
        }
        writer.insert("blocks", columns)


def _window(layout: Layout, meta: Meta) -> tuple[int, ...]:
    """Changes when a window moves or may close."""
    window = layout.spec.window
    if meta.head_ms == NEVER:
        return ()
    if window.kind == "sliding":
        return (meta.head_ms // window.pane_ms,)
    return ((meta.closed_ms - window.grace_ms) // window.size_ms,)


def _digest(rows: BlockRows) -> int:
    numbers = [rows.places, rows.start_ms, *rows.columns.values()]
    return digest(
        [*(np.ascontiguousarray(each).tobytes() for each in numbers), "\x00".join(rows.keys).encode(errors="replace")]
    )


def _by_part(found: Iterable[_Id]) -> dict[int, str]:
    """Numbers of blocks, as SQL has them, by partition."""
    blocks: dict[int, list[str]] = {}
    for each in found:
        blocks.setdefault(each.part, []).append(str(each.block))
    return {part: ", ".join(numbers) for part, numbers in blocks.items()}


def _spread(filled: Mapping[_Id, BlockRows], value: Callable[[_Id], int]) -> Int64:
    """A value of each block, once for each of its rows."""
    return np.repeat([value(found) for found in filled], [len(rows.places) for rows in filled.values()])
