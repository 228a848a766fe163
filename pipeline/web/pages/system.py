"""System: who works, what runs in which version, the topics of the log, and the configuration in force."""

import platform
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple

from nicegui import ui

from pipeline.readmodel.read_model import ReadModel, TopicState
from pipeline.web.api.masking import masked_url
from pipeline.web.blocks.in_force import sections
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, empty_state, table_head, when
from pipeline.web.parts.layout import command, frame, head

EVERY_S: Final = 2.0
_PACKAGES: Final = ("streamgauge", "faust-streaming", "aiokafka", "numpy", "msgspec", "duckdb", "nicegui")
_TOPICS: Final = [
    ("Topic", ""),
    ("Partitions", "r"),
    ("Records", "r"),
    ("Size", "r"),
    ("Cleanup", ""),
    ("Kept for", "r"),
]


def system_page(context: PageContext) -> None:
    """Build ``/system``."""
    model = context.model
    with frame(model, title="System", page="system"):
        head("System", "What runs, and with which settings")
        updates = [_workers(model)]
        with Tag("div", classes="sg-grid"):
            _versions()
            updates.append(_view(model))
        updates.append(_topics(model))
        _configuration(model)

    def tick() -> None:
        for update in updates:
            update()

    tick()
    ui.timer(EVERY_S, tick, immediate=False)


class Worker(NamedTuple):
    """A member of the group that holds partitions."""

    member: str
    partitions: dict[str, list[int]]
    rate: float | None
    committed_ms: int | None


def workers(model: ReadModel) -> list[Worker]:
    """Who holds which partitions now, by name."""
    held: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    rates: dict[str, list[float]] = defaultdict(list)
    committed: dict[str, int] = {}
    for row in model.lag:
        if row.owner is not None and row.lease == "held":
            held[row.owner][row.topic].append(row.partition)
            rates[row.owner] += [] if row.consume_per_s is None else [row.consume_per_s]
            committed[row.owner] = max(committed.get(row.owner, 0), row.committed_ms or 0)
    return [
        Worker(member, dict(of), sum(rates[member]) if rates[member] else None, committed[member] or None)
        for member, of in sorted(held.items())
    ]


def _workers(model: ReadModel) -> Callable[[], None]:
    with Tag("section"), Tag("div", classes="sg-card"):
        with Tag("header"):
            Tag("h2", "Workers")
            Tag("p", f"group {model.config.name}")
        with ui.element("div") as nothing:
            empty_state("No worker is running", "Start one:", command(model.config, "worker"))
        with Tag("div", classes="sg-scroll") as listed, Tag("table", classes="sg-table"):
            columns = [("Worker", ""), ("Partitions", "wide"), ("Processed", "r"), ("Committed", "r")]
            table_head(columns, "Workers")
            rows = LiveRows[Worker](Tag("tbody"), key=lambda worker: worker.member, make=_worker)

    def update() -> None:
        found = workers(model)
        nothing.set_visibility(not found)
        listed.set_visibility(bool(found))
        rows.show(found)

    return update


def _worker(first: Worker) -> Made[Worker]:
    with Tag("tr") as made:
        Tag("th", first.member, "wrap strong", {"scope": "row"})
        partitions = Tag("td", "", "wrap")
        rate = Tag("td", "", "r")
        with Tag("td", classes="r"):
            committed = when(None, ago=True)

    def update(worker: Worker) -> None:
        partitions.put("; ".join(f"{topic}: {_span(numbers)}" for topic, numbers in worker.partitions.items()))
        rate.put(human.rate(worker.rate))
        committed.set("ms", worker.committed_ms or "")

    return Made(made, update)


def _span(numbers: list[int]) -> str:
    """Partitions in few words.

    >>> _span([0, 1, 2, 3]), _span([0, 2])
    ('0 to 3', '0, 2')
    """
    ordered = sorted(numbers)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))


def _versions() -> None:
    with Tag("section", classes="sg-card sg-pad"):
        Tag("h2", "Versions")
        with Tag("dl", classes="sg-facts"):
            for name in _PACKAGES:
                try:
                    found = version(name)
                except PackageNotFoundError:
                    continue
                Tag("dt", name)
                Tag("dd", found)
            Tag("dt", "python")
            Tag("dd", platform.python_version())


def _view(model: ReadModel) -> Callable[[], None]:
    with Tag("section", classes="sg-card sg-pad"):
        Tag("h2", "This view")
        with Tag("dl", classes="sg-facts"):
            Tag("dt", "Log")
            Tag("dd", masked_url(model.config.log))
            Tag("dt", "Started")
            with Tag("dd"):
                when(model.started_ms)
            Tag("dt", "Log last read")
            with Tag("dd"):
                read = when(None, ago=True)
            Tag("dt", "Reading took")
            took = Tag("dd", "")
            Tag("dt", "Unreadable records")
            unreadable = Tag("dd", "")
            Tag("dt", "Problem")
            problem = Tag("dd", "")

    def update() -> None:
        read.set("ms", "" if model.refreshed_ms is None else model.refreshed_ms // 10_000 * 10_000)
        took.put(human.duration(model.took_ms))
        unreadable.put(human.number(model.unreadable))
        problem.put(model.problem or "none")

    return update


def _topics(model: ReadModel) -> Callable[[], None]:
    with Tag("section", classes="sg-section"):
        Tag("h2", "Topics")
        with Tag("div", classes="sg-card"):
            with ui.element("div") as nothing:
                empty_state("No topics yet", "The worker creates them when it starts:", command(model.config, "worker"))
            with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
                table_head(_TOPICS, "Topics of the log")
                rows = LiveRows[TopicState](Tag("tbody"), key=lambda topic: topic.spec.name, make=_topic)

    def update() -> None:
        nothing.set_visibility(not model.topics)
        rows.show(list(model.topics.values()))

    return update


def _topic(first: TopicState) -> Made[TopicState]:
    spec = first.spec
    with Tag("tr") as made:
        Tag("th", spec.name, "strong", {"scope": "row"})
        Tag("td", human.number(spec.partitions), "r")
        records, size = Tag("td", "", "r"), Tag("td", "", "r")
        Tag("td", "newest of each key" if spec.cleanup == "compact" else "by age and size")
        forever = spec.cleanup == "compact" or spec.retention_ms is None
        Tag("td", human.NOTHING if forever else human.duration(spec.retention_ms), "r")

    def update(topic: TopicState) -> None:
        records.put(human.number(topic.records))
        size.put(human.size(topic.size_bytes))

    return Made(made, update)


def _configuration(model: ReadModel) -> None:
    with Tag("section", classes="sg-section"):
        Tag("h2", "Configuration in force")
        with Tag("div", classes="sg-card"):
            source = f"From {model.config.source}" if model.config.source else "Made in code"
            Tag("p", f"{source}, environment and defaults included. Secrets are not shown.", "sg-bar sg-small sg-muted")
            for section, name, settings in sections(model.config):
                with Tag("details", classes="sg-details"):
                    Tag("summary", f"[{section}.{name}]" if name else f"[{section}]")
                    with Tag("dl", classes="sg-facts sg-settings"):
                        for setting, text in settings:
                            Tag("dt", setting)
                            Tag("dd", text)
