"""One page of a table in an AG Grid: the server sorts and pages, the browser gets visible rows, then changes only."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from pipeline.readmodel.columns import ColumnInfo, ColumnKind
from pipeline.readmodel.query import Row
from pipeline.web.blocks.evidence import key_address
from pipeline.web.parts import human

FORMATS: dict[ColumnKind, Callable[[float | None], str]] = {
    "number": human.number,
    "ms": human.duration,
    "bytes": human.size,
}
_SORTED_BY = (
    "{ const by = getElement(%d).api.getColumnState().find((column) => column.sort);"
    " emit(by ? [by.colId, by.sort] : [null, null]); }"
)
_TIME: dict[str, Any] = {
    ":valueFormatter": "(p) => p.value == null ? '–' : sg.time(p.value)",  # noqa: RUF001 - as human.NOTHING
    ":tooltipValueGetter": "(p) => p.value == null ? '' : sg.utc(p.value)",
    "minWidth": 176,
}
_KEY: dict[str, Any] = {
    "headerName": "Key",
    "pinned": "left",
    "cellClass": "key",
    "flex": None,
    "tooltipField": "key",
    ":cellRenderer": "(p) => sg.link(p.data.href, p.value)",
}
GridRow = dict[str, str | int | float | None]


class TableGrid:
    """Shows rows and says when another order is asked for.

    Args:
        table: Name of the table, for the address of a key.
        columns: The table's columns.
        key_width: Width of the key's column in pixels, where there is room for it.
        sort: Column that the rows are sorted by, and whether largest first.
        on_sort: Called with a column's name and the direction; ``None`` for the reader's order.
    """

    def __init__(
        self,
        table: str,
        columns: list[ColumnInfo],
        *,
        key_width: int,
        sort: tuple[str | None, bool],
        on_sort: Callable[[str | None, bool], Awaitable[None]],
    ) -> None:
        self._table = table
        self._columns = columns
        self._on_sort = on_sort
        self._shown: dict[str, GridRow] = {}
        self._order: list[str] = []
        definitions = [_definition(field, options, sort) for field, options in self._fields(key_width)]
        self._grid = ui.aggrid(
            {
                "columnDefs": definitions,
                "rowData": [],
                "defaultColDef": {
                    "sortable": True,
                    "resizable": True,
                    "suppressMovable": True,
                    "sortingOrder": ["desc", "asc"],
                    "flex": 1,
                    "minWidth": 104,
                    # Rows come sorted: the arrow in the header is all that the browser has to show.
                    ":comparator": "() => 0",
                },
                ":getRowId": "(p) => p.data.id",
                "domLayout": "autoHeight",
                "tooltipShowDelay": 300,
                "enableCellTextSelection": True,
                "suppressNoRowsOverlay": True,
                "suppressColumnVirtualisation": True,
                "animateRows": False,
                "rowHeight": 38,
                "headerHeight": 40,
            },
            auto_size_columns=False,
        ).classes("sg-ag")
        self._grid.on("sortChanged", self._sorted, js_handler=f"() => {_SORTED_BY % self._grid.id}")

    def set_visible(self, *, visible: bool) -> None:
        """Hide an empty grid, whose place is taken by what says why it is empty."""
        self._grid.set_visibility(visible)

    def show(self, rows: list[Row]) -> None:
        """Bring the browser's rows to these; sends changed rows only, and nothing when all is the same."""
        fresh = {row["id"]: row for row in map(self._row, rows)}
        order = [str(key) for key in fresh]
        if order != self._order:
            self._grid.options["rowData"] = list(fresh.values())  # what a browser that reconnects starts from
            self._grid.run_grid_method("setGridOption", "rowData", list(fresh.values()))
        else:
            changed = [row for key, row in fresh.items() if self._shown.get(str(key)) != row]
            if changed:
                self._grid.options["rowData"] = list(fresh.values())
                self._grid.run_grid_method("applyTransaction", {"update": changed})
        self._order = order
        self._shown = {str(key): row for key, row in fresh.items()}

    def _fields(self, key_width: int) -> list[tuple[str, dict[str, Any]]]:
        fields: list[tuple[str, dict[str, Any]]] = [
            ("key", {**_KEY, ":width": f"innerWidth < 600 ? 138 : {key_width}"}),
        ]
        for place, column in enumerate(self._columns):
            width = max(104, 52 + 8 * len(column.name))
            options = {"headerName": column.name, "headerTooltip": column.meaning, "minWidth": width}
            kind = _TIME if column.kind == "time" else {"cellClass": "r", "headerClass": "r"}
            fields.append((f"c{place}", {**options, **kind, "colId": column.name}))
        fields.append(("window_start_ms", {"headerName": "Window start", **_TIME}))
        fields.append(("window_end_ms", {"headerName": "Window end", **_TIME}))
        fields.append(("partition", {"headerName": "Partition", "cellClass": "r", "headerClass": "r"}))
        return fields

    def _row(self, row: Row) -> GridRow:
        shown: GridRow = {
            "id": json.dumps([row.key, row.partition, row.window_start_ms]),
            "key": row.key,
            "href": key_address(self._table, row.key),
            "partition": row.partition,
            "window_start_ms": row.window_start_ms,
            "window_end_ms": row.window_end_ms,
        }
        for place, (column, value) in enumerate(zip(self._columns, row.values, strict=True)):
            shown[f"c{place}"] = value if column.kind == "time" else FORMATS[column.kind](value)
        return shown

    async def _sorted(self, event: GenericEventArguments) -> None:
        column, direction = event.args or (None, None)
        await self._on_sort(column, direction == "desc")


def _definition(field: str, options: dict[str, Any], sort: tuple[str | None, bool]) -> dict[str, Any]:
    definition = {"field": field, "colId": field, **options}
    if definition["colId"] == sort[0]:
        definition["initialSort"] = "desc" if sort[1] else "asc"
    return definition
