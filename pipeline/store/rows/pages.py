"""A page of a table's rows: filtered, sorted and cut out by the database."""

from collections.abc import Iterator

from pipeline.errors import UsageError
from pipeline.readmodel.query import MAX_LIMIT, Page, Row, TableQuery, find_column
from pipeline.store.conditions import Conditions
from pipeline.store.database import Database
from pipeline.store.rows.layout import Layout

_OPERATORS = {">=": ">=", "<=": "<=", "!=": "<>", "==": "=", "=": "=", ">": ">", "<": "<"}


def find_rows(database: Database, layout: Layout, asked: TableQuery) -> Page:
    """The page that was asked for, how many rows match, and how many there are.

    Rows that are equal in what is sorted by come in the order of partition, window and slot.

    Raises:
        UsageError: If a column does not exist or can't be compared, or the page can't be.

    Cost: one pass over the columns that are filtered or sorted by; what is shown is read of the page alone.
    """
    if not 1 <= asked.limit <= MAX_LIMIT:
        raise UsageError(f"limit must be between 1 and {MAX_LIMIT:,}, got {asked.limit}")
    if asked.offset < 0:
        raise UsageError(f"offset must not be negative, got {asked.offset}")
    chosen = _chosen(layout, asked)
    where = chosen.where()
    total = int(database.read("SELECT coalesce(sum(held), 0) FROM blocks WHERE tab = $1", [layout.number])[0][0])
    if where:
        found = database.read(_filtered(layout, asked, where), chosen.values)
        count = f"SELECT count(*) FROM {layout.rows} {where}"  # noqa: S608 - names of ours, as below
        matching = int(found[0][0] if found else database.read(count, chosen.values)[0][0])
    else:
        found = database.read(_everything(layout, asked)) if asked.offset < total else []
        matching = total
    size_ms = layout.spec.window.size_ms
    rows = [Row(key, part, start_ms, start_ms + size_ms, tuple(values)) for _, key, part, start_ms, *values in found]
    return Page(rows, matching, total)


def stream_rows(database: Database, layout: Layout, asked: TableQuery, size: int) -> Iterator[list[Row]]:
    """All rows that were asked for, whatever its offset and limit, ``size`` at a time.

    Raises:
        UsageError: If a column does not exist or can't be compared; at once.
    """
    chosen = _chosen(layout, asked)
    order = _order(asked, _sorted_by(layout, asked))
    sql = f"SELECT {_shown(layout)} FROM {layout.rows} {chosen.where()} ORDER BY {order}"  # noqa: S608 - names of ours
    size_ms = layout.spec.window.size_ms
    return (
        [Row(key, part, start_ms, start_ms + size_ms, tuple(values)) for key, part, start_ms, *values in rows]
        for rows in database.stream(sql, chosen.values, size)
    )


def _everything(layout: Layout, asked: TableQuery) -> str:
    """A page of all rows: what decides the order is read of all, what is shown of the page alone."""
    order = _order(asked, _sorted_by(layout, asked))
    return (
        f"SELECT 0, {_shown(layout)} FROM {layout.rows} WHERE place IN "  # noqa: S608
        f"(SELECT place FROM {layout.rows} ORDER BY {order} LIMIT {asked.limit} OFFSET {asked.offset}) ORDER BY {order}"
    )


def _filtered(layout: Layout, asked: TableQuery, where: str) -> str:
    """The same of those that pass, which are looked for once, for the page and for their number."""
    order = _order(asked, "sorted_by")
    return (
        f"WITH found AS MATERIALIZED (SELECT place, {_sorted_by(layout, asked)} AS sorted_by "  # noqa: S608
        f"FROM {layout.rows} {where}) "
        f"SELECT (SELECT count(*) FROM found), {_shown(layout)} FROM {layout.rows} WHERE place IN "
        f"(SELECT place FROM found ORDER BY {order} LIMIT {asked.limit} OFFSET {asked.offset}) "
        f"ORDER BY {_order(asked, _sorted_by(layout, asked))}"
    )


def _shown(layout: Layout) -> str:
    return ", ".join(("key", "part", "start_ms", *layout.cells))


def _chosen(layout: Layout, asked: TableQuery) -> Conditions:
    chosen = Conditions()
    if asked.partition is not None:
        chosen.add("part = ?", asked.partition)
    if asked.key is not None:
        chosen.add("key = ?", asked.key)
    for condition in asked.where:
        column = _column(layout, condition.column)
        if column == "key":
            raise UsageError("the key can't be compared with a number; give a word that it holds instead")
        chosen.add(f"CAST({column} AS DOUBLE PRECISION) {_OPERATORS[condition.operator]} ?", float(condition.value))
    for word in asked.words:
        chosen.holds("coalesce(folded, key)", word)
    return chosen


def _sorted_by(layout: Layout, asked: TableQuery) -> str:
    return "place" if asked.sort is None else _column(layout, asked.sort)


def _order(asked: TableQuery, sorted_by: str) -> str:
    if asked.sort is None:
        return "place"
    return f"{sorted_by} {'DESC' if asked.descending else 'ASC'} NULLS LAST, place"


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
