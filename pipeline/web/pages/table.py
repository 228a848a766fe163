"""One windowed table over all its partitions: filtered, sorted and paged by the server."""

from typing import Final, NamedTuple
from urllib.parse import urlencode

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from pipeline.errors import UsageError
from pipeline.readmodel.query import MAX_LIMIT, Page, TableQuery, parse_filter, parse_sort
from pipeline.views import Freshness
from pipeline.web.blocks.grid import TableGrid
from pipeline.web.pages.tables import freshness, window_text
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, button, empty_state, when
from pipeline.web.parts.layout import TICK_S, command, frame, head, not_found
from tables.spec import TableSpec

PAGE_SIZES: Final = (25, 50, 100)
BEHIND_MS: Final = 5_000
FORMATS: Final = {"csv": "CSV", "ndjson": "NDJSON", "parquet": "Parquet"}


class Wanted(NamedTuple):
    """What the address of the page asks for.

    Args:
        text: The filter.
        sort: A column, with ``-`` before it largest first; empty for the table's first measure, largest first.
        offset: Rows to skip.
    """

    text: str
    sort: str
    offset: int


async def table_page(context: PageContext, name: str, wanted: Wanted) -> None:
    """Build ``/tables/{name}``; a table that does not exist gives a 404."""
    model = context.model
    if name not in model.specs:
        known = ", ".join(sorted(model.specs)) or "none"
        not_found(model, f"There is no table {name}; there are: {known}.")
        return
    first = await context.answers.rows(name, TableQuery(limit=PAGE_SIZES[0]))
    await _TablePage(context, model.specs[name], wanted, first).start()


class _TablePage:
    def __init__(self, context: PageContext, spec: TableSpec, wanted: Wanted, first: Page) -> None:
        self._context = context
        self._model = model = context.model
        self._spec = spec
        self._columns = model.columns(spec.name)
        first_measure = (self._columns[0].name if self._columns else "key", bool(self._columns))
        self._sort: tuple[str | None, bool] = parse_sort(wanted.sort) if wanted.sort else first_measure
        self._offset = wanted.offset
        self._size = PAGE_SIZES[0]
        self._text = wanted.text
        self._asked: object = None
        with frame(model, title=spec.name, page="tables"):
            with Tag("p", classes="sg-crumb"):
                Tag("a", "Tables", attributes={"href": "/tables"})
            head(spec.name, f"{spec.stream} by {spec.by} · {window_text(spec.window)}")
            self._fresh = _FreshnessLine()
            with Tag("div", classes="sg-card"):
                self._controls()
                self._grid = TableGrid(
                    spec.name, self._columns, key_width=_key_width(first), sort=self._sort, on_sort=self._sorted
                )
                with ui.element("div") as self._nothing:
                    words = command(model.config, "worker")
                    empty_state("No keys yet", "Rows appear when a worker commits its first records. Start one:", words)
                self._pager()

    async def start(self) -> None:
        """Fill the page, and keep it live."""
        await self._tick()
        ui.timer(TICK_S, self._tick, immediate=False)

    def _controls(self) -> None:
        examples = f"{self._columns[0].name}>100" if self._columns else "partition=0"
        with Tag("div", classes="sg-bar"):
            field = ui.input(
                value=self._text, placeholder=f"Filter: part of a key, or {examples}", on_change=self._filter
            )
            field.props('outlined dense clearable debounce=250 aria-label="Filter rows"').classes("sg-grow")
            with Tag("div", classes="sg-seg", attributes={"role": "group", "aria-label": "Export all matching rows"}):
                self._exports = {
                    form: Tag("a", title, "sg-btn", {"download": "", "title": f"Download all matching rows as {title}"})
                    for form, title in FORMATS.items()
                }
            self._note = Tag("p", "", "sg-note", {"role": "status"})

    def _pager(self) -> None:
        with Tag("nav", classes="sg-pager", attributes={"aria-label": "Pages of the table"}):
            self._previous = button("Previous")
            self._previous.on("click", lambda: self._go(self._offset - self._size))
            self._next = button("Next")
            self._next.on("click", lambda: self._go(self._offset + self._size))
            self._range = Tag("span", "", "sg-small sg-muted sg-num")
            Tag("span", classes="sg-spacer")
            sizes = ui.select({size: f"{size} rows" for size in PAGE_SIZES}, value=self._size, on_change=self._resize)
            sizes.props('outlined dense options-dense aria-label="Rows on a page"')

    async def _filter(self, event: ValueChangeEventArguments[str | None]) -> None:
        self._text, self._offset = event.value or "", 0
        await self._tick()

    async def _resize(self, event: ValueChangeEventArguments[int]) -> None:
        self._size, self._offset = min(int(event.value), MAX_LIMIT), 0
        await self._tick()

    async def _sorted(self, column: str | None, descending: bool) -> None:
        self._sort, self._offset = (column, descending), 0
        await self._tick()

    async def _go(self, offset: int) -> None:
        self._offset = max(0, offset)
        await self._tick()

    async def _tick(self) -> None:
        asked = (self._model.generation, self._text, self._sort, self._offset, self._size)
        if asked == self._asked:
            return
        self._asked = asked
        self._fresh.show(freshness(self._context, self._spec.name), self._model.clock_ms())
        try:
            words, where = parse_filter(self._text)
            column, descending = self._sort
            query = TableQuery(
                words=words, where=where, sort=column, descending=descending, offset=self._offset, limit=self._size
            )
            page = await self._context.answers.rows(self._spec.name, query)
        except UsageError as error:
            self._say(str(error)[:1].upper() + str(error)[1:], bad=True)
            return
        if asked != self._asked:
            return  # meanwhile something else was asked for, whose answer is on its way
        self._link_exports(query)
        if page.matching and self._offset >= page.matching:
            await self._go((page.matching - 1) // self._size * self._size)
            return
        self._grid.show(page.rows)
        self._show_range(page.matching, page.total)

    def _link_exports(self, query: TableQuery) -> None:
        asked: list[tuple[str, str]] = [("q", " ".join(query.words))] if query.words else []
        asked += [("where", f"{each.column}{each.operator}{each.value:g}") for each in query.where]
        if query.sort is not None:
            asked.append(("sort", f"-{query.sort}" if query.descending else query.sort))
        for form, link in self._exports.items():
            link.set("href", f"/api/tables/{self._spec.name}/export?{urlencode([('format', form), *asked])}")

    def _show_range(self, matching: int, total: int) -> None:
        last = min(self._offset + self._size, matching)
        shown = f"{self._offset + 1:,} to {last:,} of {matching:,}" if matching else "No rows"
        self._range.put(shown)
        self._previous.set("disabled", self._offset == 0 or None)
        self._next.set("disabled", last >= matching or None)
        self._nothing.set_visibility(total == 0)
        self._grid.set_visible(visible=total > 0)
        filtered = bool(self._text.strip())
        self._say(f"{matching:,} of {human.plural(total, 'row')} match" if filtered else human.plural(total, "row"))

    def _say(self, text: str, *, bad: bool = False) -> None:
        self._note.put(text)
        self._note.mark_as("is-bad" if bad else "", ("is-bad",))


def _key_width(page: Page) -> int:
    """Pixels for the longest key at hand, measured once so that columns don't jump; the rest is in a tooltip."""
    return min(400, max(140, 36 + 7 * max((len(row.key) for row in page.rows), default=20)))


class _FreshnessLine:
    """How far each partition's state is behind its topic, and when it was committed."""

    def __init__(self) -> None:
        self._box = Tag("div", classes="sg-parts", attributes={"aria-label": "Freshness by partition"})
        self._parts: dict[int, tuple[Tag, Tag, Tag]] = {}

    def show(self, parts: list[Freshness], now_ms: int) -> None:
        for part in parts:
            if part.partition not in self._parts:
                with self._box, Tag("span", classes="sg-part") as chip:
                    Tag("span", f"Partition {part.partition}")
                    self._parts[part.partition] = (chip, Tag("b", ""), when(None, ago=True))
            chip, text, committed = self._parts[part.partition]
            waiting = max(part.end - part.applied, 0)
            current = "up to date" if part.end else "no records"
            text.put(f"{human.plural(waiting, 'record')} behind" if waiting else current)
            old = not part.committed_ms or now_ms - part.committed_ms > BEHIND_MS
            chip.mark_as("is-warn" if waiting and old else "", ("is-warn",))
            chip.set("title", f"Applied up to offset {part.applied:,} of {part.end:,}")
            committed.set("ms", part.committed_ms or "")
