"""How the rows of each windowed table stand in the store."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xxhash

from pipeline.plan import SourcePlan
from pipeline.readmodel.columns import ColumnInfo, columns_of, is_whole
from pipeline.store.database import Database, Writer
from pipeline.store.schema import drop, existing, fact, set_fact
from tables.spec import TableSpec

_OWN: Final = ("rows_", "points_", "blocks")
_INDEXED: Final = "by place"
"""What the unique index is over; a store of another is built anew."""

WHOLE: Final = "BIGINT"
"""Type of a column in which no value is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A windowed table in the store: ``rows_N``, and ``points_N`` for how its keys went.

    Args:
        number: ``N``.
        spec: The table.
        source: Topic that feeds it.
        partitions: Of that topic.
        by: Its key.
        columns: What readers see, stored as ``m0``, ``m1`` and so on.
    """

    number: int
    spec: TableSpec
    source: str
    partitions: int
    by: str
    columns: tuple[ColumnInfo, ...]

    @property
    def rows(self) -> str:
        """Name of the table of rows."""
        return f"rows_{self.number}"

    @property
    def points(self) -> str:
        """Name of the table of points."""
        return f"points_{self.number}"

    @property
    def cells(self) -> list[str]:
        """Names of the measures' columns."""
        return [f"m{at}" for at in range(len(self.columns))]

    def types(self) -> list[str]:
        """Types of the measures' columns."""
        return [WHOLE if is_whole(self.spec, info) else "DOUBLE PRECISION" for info in self.columns]


def layouts(plans: Mapping[str, SourcePlan]) -> dict[str, Layout]:
    """Of every table, by name."""
    found = {
        spec.name: (plan, keyed.by, spec) for plan in plans.values() for keyed in plan.keyed for spec in keyed.tables
    }
    return {
        name: Layout(
            number=number,
            spec=spec,
            source=plan.topic,
            partitions=plan.partitions,
            by=by,
            columns=tuple(columns_of(spec)),
        )
        for number, (name, (plan, by, spec)) in enumerate(sorted(found.items(), key=lambda item: item[0]))
    }


def prepare_rows(database: Database, of: Mapping[str, Layout]) -> None:
    """Make the tables of rows, unless those of the same definitions are there."""
    wanted = definition(of)
    with database.write() as writer:
        if fact(writer, "definition") == wanted:
            return
        drop(writer, [name for name in existing(writer) if name.startswith(_OWN)])
        writer.run("CREATE TABLE blocks (tab INTEGER, part INTEGER, block INTEGER, held INTEGER, digest BIGINT)")
        for layout in of.values():
            _make(writer, layout, database)
        set_fact(writer, "definition", wanted)


def _make(writer: Writer, layout: Layout, database: Database) -> None:
    cells = "".join(f", {name} {kind}" for name, kind in zip(layout.cells, layout.types(), strict=True))
    text = database.text
    writer.run(
        f"CREATE TABLE {layout.rows} (part INTEGER, block INTEGER, place BIGINT, start_ms BIGINT, "
        f"key {text}, folded {text}{cells})"
    )
    writer.run(
        f"CREATE TABLE {layout.points} (number BIGINT, time_ms BIGINT, part INTEGER, start_ms BIGINT, "
        f"key {text}{cells})"
    )
    if database.indexed:
        writer.run(f"CREATE INDEX {layout.rows}_by_block ON {layout.rows} (part, block)")
        writer.run(f"CREATE UNIQUE INDEX {layout.rows}_by_place ON {layout.rows} (place)")
        writer.run(f"CREATE INDEX {layout.points}_by_key ON {layout.points} (key)")
        writer.run(f"CREATE INDEX {layout.points}_by_number ON {layout.points} (number)")


def index_rows(database: Database, of: Mapping[str, Layout]) -> None:
    """Make the indexes that pages are found by, where there are such; to be called once many rows are there.

    Cost: about 10 s for a million rows, next to nothing once they are there.
    """
    if not database.indexed:
        return
    for layout in of.values():
        with database.write() as writer:
            for name, columns in _indexes(layout, trigrams=database.trigrams is not None):
                writer.run(f"CREATE INDEX IF NOT EXISTS {layout.rows}_by_{name} ON {layout.rows} {columns}")
        database.settle([layout.rows])


def _indexes(layout: Layout, *, trigrams: bool) -> Iterator[tuple[str, str]]:
    """Each order that rows are asked for in, and its reverse; ``place`` tells equal ones apart."""
    yield "key", "(key, place)"
    yield "start", "(start_ms, place)"
    for name, kind in zip(layout.cells, layout.types(), strict=True):
        missing = "" if kind == WHOLE else " DESC NULLS LAST"
        yield name, f"({name}{missing}, place{missing and ' DESC'})"
    if trigrams:
        yield "part_of_key", "USING gin ((coalesce(folded, key)) gin_trgm_ops)"


def definition(of: Mapping[str, Layout]) -> str:
    """The same for the same tables."""
    told: list[Any] = [
        (name, each.number, each.spec.version, each.source, each.partitions, each.by, each.columns, each.types())
        for name, each in of.items()
    ]
    told.append(_INDEXED)
    return xxhash.xxh3_128_hexdigest(repr(told).encode())


def digest(parts: list[bytes]) -> int:
    """64 bits that fit a signed column, the same for the same bytes."""
    summed = xxhash.xxh3_64()
    for part in parts:
        summed.update(part)
    return int(np.uint64(summed.intdigest()).astype(np.int64))
