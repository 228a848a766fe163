"""Tables as rows."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.human import NOTHING, clock, number, printable, size, span
from pipeline.cli.output import Output, table
from pipeline.cli.runtime import now_ms, opened
from pipeline.config import AppConfig
from pipeline.config.durations import show_duration
from pipeline.errors import UsageError
from pipeline.readmodel.columns import ColumnInfo, columns_of
from pipeline.readmodel.query import MAX_LIMIT, Page, Row, TableQuery, run
from pipeline.views import Freshness, TableReader, TableView
from tables.spec import TableSpec, Window

_ROWS_FOR_PEOPLE: Final = 50


async def list_tables(config: AppConfig, output: Output) -> None:
    """Show which tables there are, and how far they are behind."""
    async with opened(config) as log:
        reader = TableReader(log, config)
        await reader.refresh()
        views = [reader.view(name) for name in sorted(reader.specs)]
    shown = table("table", "stream", "by", "window", ">keys", ">behind", ">newest event")
    objects = []
    for view in views:
        spec = view.spec
        watermark_ms = max(part.watermark_ms for part in view.freshness)
        shown.add_row(
            spec.name,
            spec.stream,
            spec.by,
            _window(spec.window),
            number(len(view)),
            number(_behind(view.freshness)),
            f"{span(max(0, now_ms() - watermark_ms))} ago" if watermark_ms else NOTHING,
        )
        objects.append(
            {
                "table": spec.name,
                "stream": spec.stream,
                "by": spec.by,
                "window": {name: getattr(spec.window, name) for name in ("kind", "size_ms", "pane_ms", "grace_ms")},
                "measures": [info.name for info in columns_of(spec)],
                "rows": len(view),
                "freshness": view.freshness,
            }
        )
    output.rows(shown, objects, nothing="the configuration has no tables")


async def show_table(config: AppConfig, name: str, query: TableQuery, output: Output, *, limit: int | None) -> None:
    """Show rows of a table.

    Raises:
        UsageError: If there is no such table or column.
    """
    async with opened(config) as log:
        reader = TableReader(log, config)
        if name not in reader.specs:
            raise UsageError(_unknown(name, sorted(reader.specs)))
        await reader.refresh()
        view = reader.view(name)
    if output.json:
        for page in _pages(view, query, limit):
            output.objects(_object(view.spec, row) for row in page.rows)
        return
    page = run(view, replace(query, limit=min(limit or _ROWS_FOR_PEOPLE, MAX_LIMIT)))
    if not page.rows:
        why = (
            "no row passes the filter" if view.keys else "the table is empty: has a worker seen records of its stream?"
        )
        output.show(Text(why, style="dim"))
        return
    shown = _as_table(view.spec, page)
    output.show(shown if output.fits(shown) else _as_blocks(view.spec, page))
    output.show(Text(_caption(view, page), style="dim"))


def _pages(view: TableView, query: TableQuery, limit: int | None) -> Iterator[Page]:
    """All matching rows up to ``limit``, a page at a time."""
    offset, wanted = 0, len(view) if limit is None else min(limit, len(view))
    while offset < wanted:
        page = run(view, replace(query, offset=offset, limit=min(MAX_LIMIT, wanted - offset)))
        yield page
        offset += MAX_LIMIT
        wanted = min(wanted, page.matching)


def _as_table(spec: TableSpec, page: Page) -> Table:
    infos = columns_of(spec)
    shown = table(
        spec.by, ">part", *(["window"] if spec.window.kind == "tumbling" else []), *(f">{i.name}" for i in infos)
    )
    for row in page.rows:
        window = [clock(row.window_start_ms)[:-4]] if spec.window.kind == "tumbling" else []
        cells = [_cell(info, value) for info, value in zip(infos, row.values, strict=True)]
        shown.add_row(printable(row.key), str(row.partition), *window, *cells)
    return shown


def _as_blocks(spec: TableSpec, page: Page) -> Group:
    """A paragraph a row, for a table with more columns than fit beside each other."""
    infos = columns_of(spec)
    parts: list[RenderableType] = []
    for row in page.rows:
        window = f" · {clock(row.window_start_ms)[:-4]}" if spec.window.kind == "tumbling" else ""
        parts.append(Text.assemble((printable(row.key), "bold"), (f"{window} · partition {row.partition}", "dim")))
        cells = [
            Text.assemble((f"{info.name} ", "dim"), _cell(info, value))
            for info, value in zip(infos, row.values, strict=True)
        ]
        parts += [Columns(cells, padding=(0, 3)), Text()]
    return Group(*parts)


def _cell(info: ColumnInfo, value: float | None) -> str:
    if value is None:
        return NOTHING
    if info.kind == "time":
        return clock(int(value))
    if info.kind == "bytes":
        return size(value)
    return span(value) if info.kind == "ms" else number(value)


def _caption(view: TableView, page: Page) -> str:
    spec, watermark_ms = view.spec, max(part.watermark_ms for part in view.freshness)
    parts = [f"{number(len(page.rows))} of {number(page.matching)} rows"]
    if page.matching != page.total:
        parts.append(f"{number(page.total)} without the filter")
    parts += [_window(spec.window), f"up to {clock(watermark_ms)}"]
    behind = _behind(view.freshness)
    committed_ms = max(part.committed_ms for part in view.freshness)
    parts.append(f"{number(behind)} records behind, committed {span(max(0, now_ms() - committed_ms))} ago")
    return " · ".join(parts)


def _behind(freshness: Sequence[Freshness]) -> int:
    return sum(max(0, part.end - part.applied) for part in freshness)


def _window(window: Window) -> str:
    if window.kind == "tumbling":
        return f"each {show_duration(window.size_ms)}"
    return f"last {show_duration(window.size_ms)}"


def _object(spec: TableSpec, row: Row) -> dict[str, Any]:
    names = (info.name for info in columns_of(spec))
    place = {spec.by: row.key, "partition": row.partition}
    bounds = {"window_start_ms": row.window_start_ms, "window_end_ms": row.window_end_ms}
    return {"table": spec.name, **place, **bounds, **dict(zip(names, row.values, strict=True))}


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no table {name!r}; there are {', '.join(known)}{hint}"
