"""One key of a table: what its measures are, how they went, and which alerts it raised."""

from typing import Final
from urllib.parse import quote

from nicegui import ui

from pipeline.readmodel.columns import ColumnInfo
from pipeline.readmodel.query import MAX_LIMIT, Row, TableQuery
from pipeline.readmodel.questions import AlertsAsked
from pipeline.web.blocks.alert_list import AlertFeed
from pipeline.web.blocks.grid import FORMATS
from pipeline.web.pages.tables import window_text
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, empty_state, when
from pipeline.web.parts.figure import Course, Figure, lines
from pipeline.web.parts.layout import TICK_S, command, frame, head, not_found
from tables.spec import TableSpec

ALERTS: Final = 20


async def key_page(context: PageContext, table: str, key: str) -> None:
    """Build ``/tables/{table}/key?key=…``; a table that does not exist gives a 404."""
    if table not in context.model.specs:
        not_found(context.model, f"There is no table {table}.")
        return
    await _KeyPage(context, context.model.specs[table], key).start()


class _KeyPage:
    def __init__(self, context: PageContext, spec: TableSpec, key: str) -> None:
        self._context = context
        self._spec = spec
        self._key = key
        self._columns = context.model.columns(spec.name)
        self._cells: list[tuple[ColumnInfo, Tag]] = []
        with frame(context.model, title=f"{key} in {spec.name}", page="tables"):
            with Tag("p", classes="sg-crumb"):
                Tag("a", "Tables", attributes={"href": "/tables"})
                Tag("span", " / ")
                Tag("a", spec.name, attributes={"href": f"/tables/{quote(spec.name)}"})
            head(key, f"{spec.by} of {spec.stream} · {window_text(spec.window)}")
            with Tag("div", classes="sg-columns"):
                with Tag("div", classes="sg-stack"):
                    self._figure = Figure(
                        "History",
                        "at each commit that changed it",
                        "Nothing has changed since this view looks.",
                    )
                    with Tag("section", classes="sg-card"):
                        with Tag("header"):
                            Tag("h2", "Alerts of this key")
                        self._feed = AlertFeed(context, limit=ALERTS)
                with Tag("div", classes="sg-stack"), Tag("section", classes="sg-card sg-pad"):
                    Tag("h2", "Now")
                    self._now()

    async def start(self) -> None:
        """Fill the page, and keep it live."""
        await self._tick()
        ui.timer(2 * TICK_S, self._tick, immediate=False)

    def _now(self) -> None:
        with Tag("dl", classes="sg-facts") as self._facts:
            for column in self._columns:
                Tag("dt", column.name, "", {"title": column.meaning})
                with Tag("dd"):
                    cell = when(None) if column.kind == "time" else Tag("span", "", "sg-num")
                self._cells.append((column, cell))
            Tag("dt", "Window")
            with Tag("dd"):
                self._start = when(None)
                Tag("span", " to ")
                self._end = when(None)
            Tag("dt", "Partition")
            self._partition = Tag("dd", "")
        with ui.element("div") as self._gone:
            words = command(self._context.model.config, f"tables show {self._spec.name}")
            empty_state("This key is not in the table now", "It may have been quiet for longer than it is kept.", words)

    async def _tick(self) -> None:
        answers = self._context.answers
        row = await self._find()
        self._facts.set_visibility(row is not None)
        self._gone.set_visibility(row is None)
        if row is not None:
            for (column, cell), value in zip(self._cells, row.values, strict=True):
                if column.kind == "time":
                    cell.set("ms", "" if value is None else int(value))
                else:
                    cell.put(FORMATS[column.kind](value))
            self._start.set("ms", row.window_start_ms)
            self._end.set("ms", row.window_end_ms)
            self._partition.put(human.number(row.partition))
        history = await answers.key_history(self._spec.name, self._key)
        self._figure.show(
            [
                Course(name=column.name, kind=column.kind, line=lines(history.times_ms, history.values, column.name))
                for column in self._columns
                if column.kind != "time" and column.name in history.values
            ]
        )
        await self._feed.update(AlertsAsked(key=self._key))

    async def _find(self) -> Row | None:
        """The newest row of the key. The filter takes parts of keys; the key itself comes first among them."""
        words = tuple(self._key.split())
        page = await self._context.answers.rows(self._spec.name, TableQuery(words=words, sort="key", limit=MAX_LIMIT))
        own = [row for row in page.rows if row.key == self._key]
        return max(own, key=lambda row: row.window_end_ms, default=None)
