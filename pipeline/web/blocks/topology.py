"""What flows where, drawn from left to right: streams, tables, rules, topics. With live rates."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from nicegui import ui

from pipeline.config.model import AppConfig
from pipeline.deadletter import dead_letter_topic
from pipeline.health.definitions import STREAM, TABLES
from pipeline.web.parts import human
from pipeline.web.parts.elements import Tag

COLUMNS: Final = ("Streams", "Tables", "Rules and detectors", "Topics")
INCIDENTS: Final = "incidents"
ROW_PX: Final = 46
_WIDTH: Final = 19.0
_STEP: Final = 27.0
Kind = str


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One box.

    Args:
        kind: ``stream``, ``table``, ``rule`` or ``topic``.
        name: As configured.
        href: Page that tells more.
        column: From the left.
        into: Names of the boxes to its right that it feeds, each with its kind.
    """

    kind: Kind
    name: str
    href: str
    column: int
    into: list[tuple[Kind, str]] = field(default_factory=list)


def nodes(config: AppConfig) -> list[Node]:
    """The boxes of an application; the pipeline's own health is left out, for it would look the same everywhere."""
    made: dict[tuple[Kind, str], Node] = {}

    def add(kind: Kind, name: str, href: str, column: int) -> Node:
        made[kind, name] = Node(kind=kind, name=name, href=href, column=column)
        return made[kind, name]

    streams = {name: spec for name, spec in config.streams.items() if name != STREAM}
    for stream in streams.values():
        add("stream", stream.name, "/lag", 0)
    for table in config.tables.values():
        if table.name not in TABLES:
            add("table", table.name, f"/tables/{quote(table.name)}", 1)
            made["stream", table.stream].into.append(("table", table.name))
    for name, source in _watchers(config):
        if source in made:
            add("rule", name, f"/alerts?rule={quote(name)}", 2).into.append(("topic", config.alerts_topic))
            made[source].into.append(("rule", name))
    add("topic", config.alerts_topic, "/alerts", 3)
    if config.incidents is not None:
        add("topic", INCIDENTS, "/incidents", 3)
        made["topic", config.alerts_topic].into.append(("topic", INCIDENTS))
    for stream in streams.values():
        add("topic", dead_letter_topic(stream.topic), "/dead-letters", 3)
    return list(made.values())


def _watchers(config: AppConfig) -> Iterator[tuple[str, tuple[Kind, str]]]:
    for rule in config.rules.values():
        yield rule.name, ("table", rule.table)
    for detector in config.detectors.values():
        yield detector.name, ("table", detector.table) if detector.table else ("stream", detector.stream or "")
    for score in config.scores.values():
        yield score.name, ("stream", score.stream)


class Topology:
    """The drawing; on a narrow screen it is scrolled sideways.

    Args:
        config: The application.
        rate: What to write into a box now, and whether something flows there.
    """

    def __init__(self, config: AppConfig, rate: Callable[[Node], tuple[str, bool]]) -> None:
        self._rate = rate
        self._nodes = nodes(config)
        self._texts: dict[tuple[Kind, str], tuple[Tag, Tag]] = {}
        columns = [[node for node in self._nodes if node.column == column] for column in range(len(COLUMNS))]
        tallest = max(map(len, columns))
        self._places: dict[tuple[Kind, str], tuple[float, float]] = {}
        for column, members in enumerate(columns):
            gap = tallest / max(len(members), 1)
            for place, node in enumerate(members):
                self._places[node.kind, node.name] = (column * _STEP, (place + 0.5) * gap * ROW_PX)
        with Tag("section", classes="sg-card sg-topology"):
            with Tag("header"):
                Tag("h2", "What flows where")
                Tag("p", "records a second; alerts in the last hour")
            with Tag("div", classes="sg-scroll", attributes={"tabindex": 0, "role": "group"}) as scroll:
                scroll.props["aria-label"] = "Topology, scrolls sideways"
                self._draw(columns, tallest * ROW_PX)

    def _draw(self, columns: list[list[Node]], height: int) -> None:
        with Tag("div", classes="sg-topo"):
            with Tag("div", classes="sg-topo-heads", attributes={"aria-hidden": "true"}):
                for column, title in enumerate(COLUMNS):
                    Tag("span", title).style(f"left: {column * _STEP}%")
            with Tag("div", classes="sg-topo-body").style(f"height: {height}px"):
                ui.html(self._edges(height), sanitize=False)
                for title, members in zip(COLUMNS, columns, strict=True):
                    with Tag("ul", attributes={"aria-label": title}):
                        for node in members:
                            self._box(node)

    def _box(self, node: Node) -> None:
        left, middle = self._places[node.kind, node.name]
        feeds = ", ".join(name for _, name in node.into)
        attributes = {"href": node.href, "title": node.name}
        with (
            Tag("li").style(f"left: {left}%; top: {middle}px; width: {_WIDTH}%"),
            Tag("a", classes=f"sg-node is-{node.kind}", attributes=attributes) as box,
        ):
            Tag("span", node.name, "n")
            text = Tag("span", "", "r sg-num")
            if feeds:
                Tag("span", f", feeds {feeds}", "sg-sr")
        self._texts[node.kind, node.name] = (box, text)

    def _edges(self, height: int) -> str:
        """Curves between boxes, in a drawing that is stretched to the width there is."""
        paths = []
        for node in self._nodes:
            left, y1 = self._places[node.kind, node.name]
            for target in node.into:
                right, y2 = self._places[target]
                x1 = left + _WIDTH
                if right <= left:  # down within a column: alerts become incidents
                    paths.append(f'<path d="M{left + 2} {y1} V{y2}"/>')
                    continue
                bend = (right - x1) / 2 if right - x1 < _STEP else _STEP / 3
                paths.append(f'<path d="M{x1} {y1} C{x1 + bend} {y1} {right - bend} {y2} {right} {y2}"/>')
        return f'<svg viewBox="0 0 100 {height}" preserveAspectRatio="none" aria-hidden="true">{"".join(paths)}</svg>'

    def update(self) -> None:
        """Write what flows now."""
        for node in self._nodes:
            box, text = self._texts[node.kind, node.name]
            said, flows = self._rate(node)
            text.put(said or human.NOTHING)
            box.mark_as("is-flowing" if flows else "", ("is-flowing",))
