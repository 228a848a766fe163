"""Tables: the list of them."""

from collections.abc import Awaitable, Callable
from typing import Final

from nicegui import ui

from pipeline.health.definitions import TABLES
from pipeline.readmodel.query import TableQuery
from pipeline.views import Freshness
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, empty_state, table_head, when
from pipeline.web.parts.layout import command, frame, head
from tables.spec import TableSpec, Window

EVERY_S: Final = 5.0  # a list of all tables needs all of them: seldom enough not to be felt


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


async def tables_page(context: PageContext) -> None:
    """Build ``/tables``."""
    model = context.model
    own = [spec for name, spec in sorted(model.specs.items()) if name not in TABLES]
    health = [spec for name, spec in sorted(model.specs.items()) if name in TABLES]
    with frame(model, title="Tables", page="tables"):
        head("Tables", "Windowed state by key, read from the log")
        updates = [_list(context, "", own)]
        if health:
            updates.append(_list(context, "Health of the pipeline", health))

    async def tick() -> None:
        for update in updates:
            await update()

    await tick()
    ui.timer(EVERY_S, tick, immediate=False)


async def _nothing() -> None:
    """There is nothing to keep up to date."""


def _list(context: PageContext, title: str, specs: list[TableSpec]) -> Callable[[], Awaitable[None]]:
    changing: list[tuple[TableSpec, Tag, Tag, Tag]] = []
    columns = [("Table", ""), ("Of", ""), ("Window", ""), ("Keys", "r"), ("Records behind", "r"), ("Committed", "r")]
    with Tag("section", classes="sg-section" if title else ""):
        if title:
            Tag("h2", title)
        with Tag("div", classes="sg-card"):
            if not specs:
                words = command(context.model.config, "check")
                empty_state("No tables yet", "Add a [tables.NAME] section to the configuration, then check it:", words)
                return _nothing
            with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table sg-tables"):
                table_head(columns, title or "Tables")
                with Tag("tbody"):
                    for spec in specs:
                        with Tag("tr"):
                            with Tag("th", classes="strong", attributes={"scope": "row"}):
                                Tag("a", spec.name, attributes={"href": f"/tables/{spec.name}"})
                            Tag("td", f"{spec.stream} by {spec.by}")
                            Tag("td", window_text(spec.window), "sg-muted")
                            keys, late = Tag("td", "", "r"), Tag("td", "", "r")
                            with Tag("td", classes="r"):
                                changing.append((spec, keys, late, when(None, ago=True)))

    async def update() -> None:
        for spec, keys, late, committed in changing:
            page = await context.answers.rows(spec.name, TableQuery(limit=1))
            parts = freshness(context, spec.name)
            keys.put(human.number(page.total))
            late.put(human.number(behind(parts)) if parts else human.NOTHING)
            committed.set("ms", last_commit_ms(parts) or "")

    return update


def freshness(context: PageContext, table: str) -> list[Freshness]:
    """How far the state of each partition of a table's source is behind."""
    tables = context.model.tables
    return tables.freshness(tables.source(table))
