"""Tables: the list, and each windowed table over all its partitions."""

from collections.abc import Callable
from typing import Final

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from pipeline.errors import UsageError
from pipeline.readmodel.query import MAX_LIMIT, TableQuery, parse_filter, run
from pipeline.readmodel.read_model import ReadModel
from pipeline.views import Freshness, TableView
from pipeline.web.parts import human
from pipeline.web.parts.elements import Tag, empty_state, table_head, when
from pipeline.web.parts.grid import TableGrid
from pipeline.web.parts.layout import TICK_S, command, frame, head, not_found
from tables.spec import TableSpec, Window

PAGE_SIZES: Final = (25, 50, 100)
BEHIND_MS: Final = 5_000
LIST_TICK_S: Final = 5.0  # a list of all tables needs all of them: seldom enough not to be felt


def window_text(window: Window) -> str:
    """A window in words.

    >>> window_text(Window(kind="sliding", size_ms=600_000, pane_ms=10_000, grace_ms=30_000))
    'sliding 10 m in panes of 10 s, grace 30 s'
    """
    panes = f" in panes of {human.duration(window.pane_ms)}" if window.kind == "sliding" else ""
    grace = f", grace {human.duration(window.grace_ms)}" if window.grace_ms else ""
    return f"{window.kind} {human.duration(window.size_ms)}{panes}{grace}"


def behind(parts: list[Freshness]) -> int:
    """Records of the source that the newest committed state does not hold yet, over all partitions."""
    return sum(max(part.end - part.applied, 0) for part in parts)


def last_commit_ms(parts: list[Freshness]) -> int | None:
    """When a table was last committed: of partitions that are behind the stalest counts, else the newest of all.

    A quiet partition is never committed, and is not stale for it.
    """
    late = [part.committed_ms for part in parts if part.committed_ms and part.end > part.applied]
    if late:
        return min(late)
    return max((part.committed_ms for part in parts if part.committed_ms), default=None)


def tables_page(model: ReadModel) -> None:
    """Build ``/tables``."""
    own = [spec for name, spec in sorted(model.specs.items()) if name in model.config.tables and not _health(name)]
    health = [spec for name, spec in sorted(model.specs.items()) if _health(name)]
    with frame(model, title="Tables", page="tables"):
        head("Tables", "Windowed state by key, read from the log")
        updates = [_list(model, "", own)]
        if health:
            updates.append(_list(model, "Health of the pipeline", health))

    def tick() -> None:
        for update in updates:
            update()

    tick()
    ui.timer(LIST_TICK_S, tick)


def _health(name: str) -> bool:
    return name.startswith("health_")


def _list(model: ReadModel, title: str, specs: list[TableSpec]) -> Callable[[], None]:
    changing: list[tuple[TableSpec, Tag, Tag, Tag]] = []
    columns = [("Table", ""), ("Of", ""), ("Window", ""), ("Keys", "r"), ("Records behind", "r"), ("Committed", "r")]
    with Tag("section", classes="sg-section" if title else ""):
        if title:
            Tag("h2", title)
        with Tag("div", classes="sg-card"):
            if not specs:
                words = command(model.config, "check")
                empty_state("No tables yet", "Add a [tables.NAME] section to the configuration, then check it:", words)
                return lambda: None
            with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table sg-tables"):
                table_head(columns, title or "Tables")
                with Tag("tbody"):
                    for spec in specs:
                        with Tag("tr"):
                            with Tag("td", classes="strong"):
                                Tag("a", spec.name, attributes={"href": f"/tables/{spec.name}"})
                            Tag("td", f"{spec.stream} by {spec.by}")
                            Tag("td", window_text(spec.window), "sg-muted")
                            keys, late = Tag("td", "", "r"), Tag("td", "", "r")
                            with Tag("td", classes="r"):
                                changing.append((spec, keys, late, when(None, ago=True)))

    def update() -> None:
        for spec, keys, late, committed in changing:
            view = model.view(spec.name)
            keys.put(human.number(len(view.keys)))
            late.put(human.number(behind(view.freshness)) if view.freshness else human.NOTHING)
            committed.set("ms", last_commit_ms(view.freshness) or "")

    return update


def table_page(model: ReadModel, name: str, text: str = "") -> None:
    """Build ``/tables/{name}``; a table that does not exist gives a 404."""
    if name not in model.specs:
        known = ", ".join(sorted(model.specs)) or "none"
        not_found(model, f"There is no table {name}; there are: {known}.")
        return
    _TablePage(model, model.specs[name], text)


class _TablePage:
    def __init__(self, model: ReadModel, spec: TableSpec, text: str) -> None:
        self._model = model
        self._spec = spec
        self._columns = model.columns(spec.name)
        self._sort: tuple[str | None, bool] = (self._columns[0].name if self._columns else "key", bool(self._columns))
        self._offset = 0
        self._size = PAGE_SIZES[0]
        self._text = text
        self._asked: object = None
        with frame(model, title=spec.name, page="tables"):
            with Tag("p", classes="sg-crumb"):
                Tag("a", "Tables", attributes={"href": "/tables"})
            head(spec.name, f"{spec.stream} by {spec.by} · {window_text(spec.window)}")
            self._fresh = _FreshnessLine()
            with Tag("div", classes="sg-card"):
                self._controls()
                self._grid = TableGrid(
                    self._columns, key_width=self._key_width(), sort=self._sort, on_sort=self._sorted
                )
                with ui.element("div") as self._nothing:
                    words = command(model.config, "worker")
                    empty_state("No keys yet", "Rows appear when a worker commits its first records. Start one:", words)
                self._pager()
        self._tick()
        ui.timer(TICK_S, self._tick)

    def _key_width(self) -> int:
        """Pixels for the longest key at hand, measured once so that columns don't jump; the rest is in a tooltip."""
        keys = self._model.view(self._spec.name).keys[:1_000]
        return min(400, max(140, 36 + 7 * max(map(len, keys), default=20)))

    def _controls(self) -> None:
        examples = f"{self._columns[0].name}>100" if self._columns else "partition=0"
        with Tag("div", classes="sg-bar"):
            field = ui.input(
                value=self._text, placeholder=f"Filter: part of a key, or {examples}", on_change=self._filter
            )
            field.props('outlined dense clearable debounce=250 aria-label="Filter rows"').classes("sg-grow")
            self._note = Tag("p", "", "sg-note", {"role": "status"})

    def _pager(self) -> None:
        with Tag("nav", classes="sg-pager", attributes={"aria-label": "Pages of the table"}):
            self._previous = Tag("button", "Previous", "sg-btn", {"type": "button"})
            self._previous.on("click", lambda: self._go(self._offset - self._size))
            self._next = Tag("button", "Next", "sg-btn", {"type": "button"})
            self._next.on("click", lambda: self._go(self._offset + self._size))
            self._range = Tag("span", "", "sg-small sg-muted sg-num")
            Tag("span", classes="sg-spacer")
            sizes = ui.select({size: f"{size} rows" for size in PAGE_SIZES}, value=self._size, on_change=self._resize)
            sizes.props('outlined dense options-dense aria-label="Rows on a page"')

    def _filter(self, event: ValueChangeEventArguments[str | None]) -> None:
        self._text, self._offset = event.value or "", 0
        self._tick()

    def _resize(self, event: ValueChangeEventArguments[int]) -> None:
        self._size, self._offset = min(int(event.value), MAX_LIMIT), 0
        self._tick()

    def _sorted(self, column: str | None, descending: bool) -> None:
        self._sort, self._offset = (column, descending), 0
        self._tick()

    def _go(self, offset: int) -> None:
        self._offset = max(0, offset)
        self._tick()

    def _tick(self) -> None:
        asked = (self._model.generation, self._text, self._sort, self._offset, self._size)
        if asked == self._asked:
            return
        self._asked = asked
        view = self._model.view(self._spec.name)
        self._fresh.show(view, self._model.clock_ms())
        try:
            words, where = parse_filter(self._text)
            column, descending = self._sort
            query = TableQuery(
                words=words, where=where, sort=column, descending=descending, offset=self._offset, limit=self._size
            )
            page = run(view, query)
        except UsageError as error:
            self._say(str(error)[:1].upper() + str(error)[1:], bad=True)
            return
        if page.matching and self._offset >= page.matching:
            self._go((page.matching - 1) // self._size * self._size)
            return
        self._grid.show(page.rows)
        self._show_range(page.matching, page.total)

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


class _FreshnessLine:
    """How far each partition's state is behind its topic, and when it was committed."""

    def __init__(self) -> None:
        self._box = Tag("div", classes="sg-parts", attributes={"aria-label": "Freshness by partition"})
        self._parts: dict[int, tuple[Tag, Tag, Tag]] = {}

    def show(self, view: TableView, now_ms: int) -> None:
        for part in view.freshness:
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
