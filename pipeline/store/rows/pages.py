"""A page of a table's rows: filtered, sorted and cut out by the database."""

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
    order = _order(layout, asked)
    total = int(database.read(f"SELECT count(*) FROM {layout.rows}")[0][0])  # noqa: S608 - names of ours, all of these
    where = chosen.where()
    matching = total
    if where:
        matching = int(database.read(f"SELECT count(*) FROM {layout.rows} {where}", chosen.values)[0][0])  # noqa: S608
    if asked.offset >= matching:
        return Page([], matching, total)
    cells = "".join(f", {name}" for name in layout.cells)
    sql = (
        f"SELECT key, part, start_ms{cells} FROM {layout.rows} WHERE place IN "  # noqa: S608
        f"(SELECT place FROM {layout.rows} {where} ORDER BY {order} LIMIT {asked.limit} OFFSET {asked.offset}) "
        f"ORDER BY {order}"
    )
    size_ms = layout.spec.window.size_ms
    rows = [
        Row(key, part, start_ms, start_ms + size_ms, tuple(values))
        for key, part, start_ms, *values in database.read(sql, chosen.values)
    ]
    return Page(rows, matching, total)


def _chosen(layout: Layout, asked: TableQuery) -> Conditions:
    chosen = Conditions()
    if asked.partition is not None:
        chosen.add("part = ?", asked.partition)
    for condition in asked.where:
        column = _column(layout, condition.column)
        if column == "key":
            raise UsageError("the key can't be compared with a number; give a word that it holds instead")
        chosen.add(f"CAST({column} AS DOUBLE PRECISION) {_OPERATORS[condition.operator]} ?", float(condition.value))
    if asked.key is not None:
        chosen.add("key = ?", asked.key)
    for word in asked.words:
        chosen.holds("coalesce(folded, key)", word)
    return chosen


def _order(layout: Layout, asked: TableQuery) -> str:
    if asked.sort is None:
        return "place"
    direction = "DESC" if asked.descending else "ASC"
    return f"{_column(layout, asked.sort)} {direction} NULLS LAST, place"


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
