"""Lag: what waits, for how long, and whether somebody works on it, by group, topic and partition."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from nicegui import ui

from pipeline.health import skew
from pipeline.health.burrow import Status
from pipeline.health.lag import LagRow
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.blocks.lag_rows import COLUMNS, STATUSES, live_rows
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, empty_state, table_head
from pipeline.web.parts.layout import TICK_S, command, frame, head

_TOPICS: Final = [
    ("Topic", ""),
    ("Status", ""),
    ("Partitions", "r"),
    ("Waiting", "r"),
    ("Longest wait", "r"),
    ("Produced", "r"),
    ("Processed", "r"),
    ("Lag, worst to mean", "r"),
    ("Busiest partition", "r"),
]


def lag_page(context: PageContext) -> None:
    """Build ``/lag``."""
    model = context.model
    with frame(model, title="Lag", page="lag"):
        head("Lag", "What waits, for how long, and whether somebody works on it")
        sections: dict[str, Callable[[Sequence[LagRow]], None]] = {}
        place = Tag("div")
        with ui.element("div") as nothing, Tag("div", classes="sg-card"):
            empty_state("No group has read anything yet", "Start a worker:", command(model.config, "worker"))

    def tick() -> None:
        groups: dict[str, list[LagRow]] = {model.config.name: list(model.lag)} if model.lag else {}
        for row in model.groups.rows:
            groups.setdefault(row.group, []).append(row)
        nothing.set_visibility(not groups)
        for group, rows in groups.items():
            if group not in sections:
                with place:
                    sections[group] = _group(model, group)
            sections[group](rows)
        for group in sections.keys() - groups.keys():
            sections[group]([])

    tick()
    ui.timer(TICK_S, tick, immediate=False)


def _group(model: ReadModel, group: str) -> Callable[[Sequence[LagRow]], None]:
    is_own = group == model.config.name
    with Tag("section", classes="sg-section is-first") as section:
        Tag("h2", f"{group} · the workers" if is_own else group)
        with Tag("div", classes="sg-card"):
            with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
                table_head(_TOPICS, f"Topics of group {group}")
                topics = LiveRows[list[LagRow]](Tag("tbody"), key=lambda rows: rows[0].topic, make=_topic)
            with Tag("details", classes="sg-details", attributes={"open": is_own or None}):
                Tag("summary", "Partitions")
                with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table sg-dense"):
                    table_head(COLUMNS, f"Partitions of group {group}")
                    partitions = live_rows(model, Tag("tbody"))

    def update(rows: Sequence[LagRow]) -> None:
        section.set_visibility(bool(rows))
        by_topic: dict[str, list[LagRow]] = defaultdict(list)
        for row in rows:
            by_topic[row.topic].append(row)
        topics.show(list(by_topic.values()))
        partitions.show(rows)

    return update


def _topic(first: list[LagRow]) -> Made[list[LagRow]]:
    with Tag("tr") as made:
        Tag("th", first[0].topic, "strong", {"scope": "row"})
        with Tag("td"):
            status = Tag("span", "", "sg-pill")
        cells = [Tag("td", "", "r") for _ in _TOPICS[2:]]

    def update(rows: list[LagRow]) -> None:
        worst = max((row.status for row in rows), key=_rank)
        status.put(worst.name)
        status.mark_as(worst.name.lower(), STATUSES)
        uneven = skew(rows)[0]
        several = len(rows) > 1
        texts = (
            human.number(len(rows)),
            human.number(sum(row.lag_records for row in rows)),
            human.duration(max(row.lag_ms for row in rows)),
            _sum([row.produce_per_s for row in rows]),
            _sum([row.consume_per_s for row in rows]),
            f"{uneven.lag_ratio:.1f} to 1" if several else human.NOTHING,
            f"{uneven.busiest} with {uneven.share:.0%}" if several else human.NOTHING,
        )
        for cell, text in zip(cells, texts, strict=True):
            cell.put(text)

    return Made(made, update)


def _rank(status: Status) -> int:
    return status.value


def _sum(rates: Sequence[float | None]) -> str:
    known = [rate for rate in rates if rate is not None]
    return human.rate(sum(known)) if known else human.NOTHING
