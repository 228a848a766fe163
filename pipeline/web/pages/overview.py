"""Overview: one glance says whether all is well."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from nicegui import ui

from pipeline.deadletter import dead_letter_topic
from pipeline.health import health_topic
from pipeline.readmodel.questions import AlertsAsked
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.blocks.alert_list import AlertFeed
from pipeline.web.blocks.lag_rows import COLUMNS, live_rows
from pipeline.web.blocks.tiles import tiles
from pipeline.web.blocks.topology import INCIDENTS, Node, Topology
from pipeline.web.glance import glance
from pipeline.web.parts import human
from pipeline.web.parts.charts import ChartSpec, LiveChart, Points
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, table_head
from pipeline.web.parts.layout import TICK_S, command, frame, head

FEED_LENGTH: Final = 4
HOUR_MS: Final = 3_600_000
_FLOWS_S: Final = 5.0


async def overview_page(context: PageContext) -> None:
    """Build the page at ``/``."""
    model = context.model
    with frame(model, title="Overview", page="overview"):
        head("Overview")
        banner = _banner(model)
        numbers = tiles(context)
        with Tag("div", classes="sg-grid"):
            charts = [LiveChart(spec) for spec in _charts(model)]
            feed = _feed(context)
        flows = _topology(context)
        partitions = _partitions(model)

    async def tick() -> None:
        incidents = await context.answers.open_incidents()
        banner(incidents)
        await numbers(incidents)
        await feed.update(AlertsAsked())
        partitions()

    def draw() -> None:
        for chart in charts:
            chart.update(model.generation)

    await tick()
    await flows()
    draw()
    ui.timer(TICK_S, tick, immediate=False)
    ui.timer(TICK_S, draw, immediate=False)
    ui.timer(_FLOWS_S, flows, immediate=False)


def _banner(model: ReadModel) -> Callable[[Mapping[str, int]], None]:
    with Tag("div", classes="sg-banner is-wait", attributes={"role": "status"}) as box:
        sentence = Tag("span", "One moment")
        words = Tag("code", "", "sg-cmd")
        words.set_visibility(False)

    def update(incidents: Mapping[str, int]) -> None:
        now = glance(model, incidents)
        box.mark_as(now.mood, ("is-wait", "is-warn", "is-bad"))
        sentence.put(now.sentence)
        words.put(now.command or "")
        words.set_visibility(now.command is not None)

    return update


def _charts(model: ReadModel) -> list[ChartSpec]:
    history = model.history

    def named(fetch: Callable[[int], Points]) -> Callable[[int], Points]:
        return lambda after: {
            model.short(topic): points for topic, points in fetch(after).items() if topic in model.followed
        }

    run: str | None = None
    waiting = "Workers don't measure themselves: set health = true under [app] in the configuration."
    if model.config.health:
        run, waiting = (
            command(model.config, "worker"),
            "Nothing was processed in the last five minutes. Start a worker:",
        )
    return [
        ChartSpec(
            title="Throughput",
            subtitle="records a second by topic, mean of 5 s",
            unit="rate",
            fetch=named(history.throughput),
            waiting=waiting,
            command=run,
        ),
        ChartSpec(
            title="Latency",
            subtitle="append to processed, p50 and p99, log scale",
            unit="ms",
            log=True,
            fetch=history.latency,
            waiting=waiting,
            command=run,
        ),
        ChartSpec(
            title="Lag",
            subtitle="age of the oldest unprocessed record by topic",
            unit="s",
            fetch=named(history.lag),
            waiting="No topic has records yet. Write some:",
            command=command(model.config, "load payments --rate 5k"),
        ),
    ]


def _feed(context: PageContext) -> AlertFeed:
    with Tag("section", classes="sg-card"):
        with Tag("header"):
            Tag("h2", "Latest alerts")
            Tag("a", "All alerts", "sg-small", {"href": "/alerts"})
        with Tag("div", classes="sg-feed-short"):
            return AlertFeed(context, limit=FEED_LENGTH)


def _topology(context: PageContext) -> Callable[[], Awaitable[None]]:
    model = context.model
    rates: dict[str, float] = {}
    hourly: dict[str, int] = {}
    counts: dict[str, int] = {}

    def said(node: Node) -> tuple[str, bool]:
        if node.kind == "rule":
            count = hourly.get(node.name, 0)
            return (human.plural(count, "alert"), count > 0)
        if node.kind == "topic":
            count = counts.get(node.name, 0)
            return (f"{count:,} open" if node.name == INCIDENTS else f"{count:,}", count > 0)
        source = _source(model, node)
        return (human.rate(rates.get(source)), bool(rates.get(source)))

    drawing = Topology(model.config, said)

    async def update() -> None:
        rates.clear()
        for row in model.lag:
            if row.consume_per_s is not None:
                rates[row.topic] = rates.get(row.topic, 0.0) + row.consume_per_s
        hourly.update({facts.name: sum(facts.hourly[-2:]) for facts in await context.answers.rules()})
        await _count(context, counts)
        drawing.update()

    return update


def _source(model: ReadModel, node: Node) -> str:
    """Topic whose records a stream or table takes in."""
    return model.tables.source(node.name) if node.kind == "table" else model.config.streams[node.name].topic


async def _count(context: PageContext, counts: dict[str, int]) -> None:
    """What lies in the topics on the right of the drawing."""
    model = context.model
    for name in (model.config.alerts_topic, *map(dead_letter_topic, model.sources())):
        if name in model.topics:
            counts[name] = model.topics[name].records
    if model.config.incidents is not None:
        counts[INCIDENTS] = sum((await context.answers.open_incidents()).values())


def _partitions(model: ReadModel) -> Callable[[], None]:
    own = health_topic(model.config.name)
    with Tag("section", classes="sg-section") as section:
        with Tag("div", classes="sg-over"):
            Tag("h2", "Partitions")
            Tag("a", "All groups and partitions", "sg-small", {"href": "/lag"})
        with Tag("div", classes="sg-card"), Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table sg-dense"):
            table_head(COLUMNS, "Lag, rates and owner of each partition")
            rows = live_rows(model, Tag("tbody"))

    def update() -> None:
        section.set_visibility(bool(model.lag))
        rows.show([row for row in model.lag if row.topic in model.followed and row.topic != own])

    return update
