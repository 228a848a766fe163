"""A page of a table's rows: filtered, sorted and cut out by the database."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.readmodel.query import MAX_LIMIT, Condition, Page, Row, TableQuery, find_column
from pipeline.store.conditions import Conditions
from pipeline.store.database import Database
from pipeline.store.rows.layout import WHOLE, Layout

_OPERATORS = {">=": ">=", "<=": "<=", "!=": "<>", "==": "=", "=": "=", ">": ">", "<": "<"}
_LARGEST: Final = 1 << 53
_NEXT: Final[dict[str, tuple[str, Callable[[float], int]]]] = {
    ">": (">", math.floor),
    ">=": (">", math.floor),
    "<": ("<", math.ceil),
    "<=": ("<", math.ceil),
}
"""How a whole number is compared with one that is not whole."""


def find_rows(database: Database, layout: Layout, asked: TableQuery) -> Page:
    """The page that was asked for, how many rows match, and how many there are.

    Rows that are equal in what is sorted by come in the order of partition, window and slot, or its reverse.

    Raises:
        UsageError: If a column does not exist or can't be compared, or the page can't be.

    Cost: where there are indexes, what they take to find the page and to count what matches, else one pass over the
    columns that are filtered or sorted by; what is shown is read of the page alone.
    """
    if not 1 <= asked.limit <= MAX_LIMIT:
        raise UsageError(f"limit must be between 1 and {MAX_LIMIT:,}, got {asked.limit}")
    if asked.offset < 0:
        raise UsageError(f"offset must not be negative, got {asked.offset}")
    chosen = _chosen(database, layout, asked)
    where = chosen.where()
    total = int(database.read("SELECT coalesce(sum(held), 0) FROM blocks WHERE tab = $1", [layout.number])[0][0])
    count = f"SELECT count(*) FROM {layout.rows} {where}"  # noqa: S608 - names of ours, as below
    if where and not database.indexed:
        found = database.read(_filtered(layout, asked, where), chosen.values)
        matching = int(found[0][0] if found else database.read(count, chosen.values)[0][0])
    else:
        matching = int(database.read(count, chosen.values)[0][0]) if where else total
        found = _found(database, layout, asked, chosen, matching) if asked.offset < matching else []
    size_ms = layout.spec.window.size_ms
    rows = [Row(key, part, start_ms, start_ms + size_ms, tuple(values)) for _, key, part, start_ms, *values in found]
    return Page(rows, matching, total)


def stream_rows(database: Database, layout: Layout, asked: TableQuery, size: int) -> Iterator[list[Row]]:
    """All rows that were asked for, whatever its offset and limit, ``size`` at a time.

    Raises:
        UsageError: If a column does not exist or can't be compared; at once.
    """
    chosen = _chosen(database, layout, asked)
    order = _order(layout, asked)
    sql = f"SELECT {_shown(layout)} FROM {layout.rows} {chosen.where()} ORDER BY {order}"  # noqa: S608 - names of ours
    size_ms = layout.spec.window.size_ms
    return (
        [Row(key, part, start_ms, start_ms + size_ms, tuple(values)) for key, part, start_ms, *values in rows]
        for rows in database.stream(sql, chosen.values, size)
    )


def _found(
    database: Database, layout: Layout, asked: TableQuery, chosen: Conditions, matching: int
) -> list[tuple[Any, ...]]:
    """A page: what decides the order is read of all that pass, or of an index; what is shown of the page alone."""
    order = _order(layout, asked)
    if not (database.indexed and asked.sort is not None and _may_miss(layout, asked.sort) and not asked.descending):
        if database.indexed and 2 * asked.offset > matching:  # nearer to the end, and an index goes both ways
            limit = min(asked.limit, matching - asked.offset)
            near = replace(asked, offset=matching - asked.offset - limit, limit=limit)
            return database.read(_page(layout, near, order, chosen.where(), _reverse(order)), chosen.values)
        return database.read(_page(layout, asked, order, chosen.where()), chosen.values)
    # An index has the rows without a value at the other end: it is asked for those with one, and then for the rest.
    column = _column(layout, asked.sort)
    there, missing = (chosen.where(f"{column} {what}") for what in ("IS NOT NULL", "IS NULL"))
    found = database.read(_page(layout, asked, f"{column} ASC NULLS FIRST, place ASC", there), chosen.values)
    if len(found) == asked.limit:
        return found
    counted = f"SELECT count(*) FROM {layout.rows} {there}"  # noqa: S608
    before = asked.offset + len(found) if found else int(database.read(counted, chosen.values)[0][0])
    rest = replace(asked, offset=max(asked.offset - before, 0), limit=asked.limit - len(found))
    return found + database.read(_page(layout, rest, "place", missing), chosen.values)


def _reverse(order: str) -> str:
    """The other way round.

    >>> _reverse("m0 DESC NULLS LAST, place DESC")
    'm0 ASC NULLS FIRST, place ASC'
    """
    return re.sub(r"ASC|DESC|LAST", lambda found: {"ASC": "DESC", "DESC": "ASC", "LAST": "FIRST"}[found[0]], order)


def _page(layout: Layout, asked: TableQuery, order: str, where: str, chosen_by: str | None = None) -> str:
    """A page; ``chosen_by`` is the order in which it is counted off, if not the one in which it is shown."""
    return (
        f"SELECT 0, {_shown(layout)} FROM {layout.rows} WHERE place IN "  # noqa: S608
        f"(SELECT place FROM {layout.rows} {where} ORDER BY {chosen_by or order} "
        f"LIMIT {asked.limit} OFFSET {asked.offset}) ORDER BY {order}"
    )


def _filtered(layout: Layout, asked: TableQuery, where: str) -> str:
    """The same of those that pass, which are looked for once, for the page and for their number."""
    return (
        f"WITH found AS MATERIALIZED (SELECT place, {_sorted_by(layout, asked)} AS sorted_by "  # noqa: S608
        f"FROM {layout.rows} {where}) "
        f"SELECT (SELECT count(*) FROM found), {_shown(layout)} FROM {layout.rows} WHERE place IN "
        f"(SELECT place FROM found ORDER BY {_order(layout, asked, 'sorted_by')} "
        f"LIMIT {asked.limit} OFFSET {asked.offset}) ORDER BY {_order(layout, asked)}"
    )


def _shown(layout: Layout) -> str:
    return ", ".join(("key", "part", "start_ms", *layout.cells))


def _chosen(database: Database, layout: Layout, asked: TableQuery) -> Conditions:
    chosen = Conditions()
    if asked.partition is not None:
        chosen.add("part = ?", asked.partition)
    if asked.key is not None:
        chosen.add("key = ?", asked.key)
    for condition in asked.where:
        column = _column(layout, condition.column)
        if column == "key":
            raise UsageError("the key can't be compared with a number; give a word that it holds instead")
        _compare(chosen, column, condition, whole=not _may_miss(layout, condition.column))
    for word in asked.words:
        chosen.holds("coalesce(folded, key)", word, by_index=database.trigrams is not None)
    return chosen


def _compare(chosen: Conditions, column: str, condition: Condition, *, whole: bool) -> None:
    """A comparison that an index of the column answers: whole numbers are compared with whole numbers."""
    value, sign = float(condition.value), _OPERATORS[condition.operator]
    if not whole:
        chosen.add(f"{column} {sign} CAST(? AS DOUBLE PRECISION)", value)
    elif value.is_integer() and abs(value) < _LARGEST:
        chosen.add(f"{column} {sign} CAST(? AS BIGINT)", int(value))
    elif abs(value) < _LARGEST and sign in _NEXT:
        sign, rounded = _NEXT[sign]
        chosen.add(f"{column} {sign} CAST(? AS BIGINT)", rounded(value))
    else:
        chosen.add(f"CAST({column} AS DOUBLE PRECISION) {sign} CAST(? AS DOUBLE PRECISION)", value)


def _sorted_by(layout: Layout, asked: TableQuery) -> str:
    """The column that decides; a window's end follows from its begin, and places are in order of partitions."""
    return {None: "place", "partition": "place", "window_end_ms": "start_ms"}.get(asked.sort) or _column(
        layout, asked.sort or "key"
    )


def _order(layout: Layout, asked: TableQuery, sorted_by: str | None = None) -> str:
    """Missing values last; equal ones by place, or the reverse."""
    column = sorted_by or _sorted_by(layout, asked)
    way = "DESC" if asked.descending and asked.sort is not None else "ASC"
    if column == "place":
        return f"place {way}"
    last = " NULLS LAST" if asked.sort is not None and _may_miss(layout, asked.sort) else ""
    return f"{column} {way}{last}, place {way}"


def _may_miss(layout: Layout, name: str) -> bool:
    """Whether rows may be without a value in a column."""
    kinds = dict(zip((info.name for info in layout.columns), layout.types(), strict=True))
    return kinds.get(name, WHOLE) != WHOLE


def _column(layout: Layout, name: str) -> str:
    fixed = {
        "key": "key",
        "partition": "part",
        "window_start_ms": "start_ms",
        "window_end_ms": f"(start_ms + {layout.spec.window.size_ms})",
    }
    if name in fixed:
        return fixed[name]
    find_column(layout.columns, name, extra=tuple(fixed))
    return layout.cells[[info.name for info in layout.columns].index(name)]
