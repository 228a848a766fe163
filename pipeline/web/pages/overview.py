"""Overview: one glance says whether all is well."""

from collections.abc import Callable
from typing import Final

from nicegui import ui

from pipeline.health.burrow import Status
from pipeline.health.lag import LagRow
from pipeline.readmodel.read_model import ReadModel
from pipeline.readmodel.ring import AlertFilter
from pipeline.web.glance import LAGGING_MS, glance
from pipeline.web.parts import human
from pipeline.web.parts.alert_list import AlertFeed
from pipeline.web.parts.charts import ChartSpec, LiveChart, Points
from pipeline.web.parts.elements import Tag, table_head, when
from pipeline.web.parts.layout import TICK_S, command, frame, head

RECENT_MS: Final = 10_000
ALERTS_MS: Final = 300_000
FEED_LENGTH: Final = 4
KEEPS_UP_MS: Final = 5_000


def overview_page(model: ReadModel) -> None:
    """Build the page at ``/``."""
    with frame(model, title="Overview", page="overview"):
        head("Overview")
        updates = [_banner(model), _tiles(model)]
        with Tag("div", classes="sg-grid"):
            charts = [LiveChart(spec) for spec in _charts(model)]
            updates.append(_feed(model))
        updates.append(_partitions(model))

    def tick() -> None:
        for update in updates:
            update()
        for chart in charts:
            chart.update(model.generation)

    for update in updates:
        update()
    ui.timer(TICK_S, tick)


def _banner(model: ReadModel) -> Callable[[], None]:
    with Tag("div", classes="sg-banner", attributes={"role": "status"}) as box:
        sentence = Tag("span", "")
        words = Tag("code", "", "sg-cmd")

    def update() -> None:
        now = glance(model)
        box.mark_as(now.mood, ("is-wait", "is-warn", "is-bad"))
        sentence.put(now.sentence)
        words.put(now.command or "")
        words.set_visibility(now.command is not None)

    return update


class _Tile:
    def __init__(self, title: str, explanation: str) -> None:
        with Tag("dl", classes="sg-card sg-tile", attributes={"title": explanation}) as self.box:
            Tag("dt", title)
            self.value = Tag("dd", human.NOTHING, "v sg-num")
            self.small = Tag("dd", "", "s sg-num")

    def show(self, value: str, small: str, mood: str = "") -> None:
        self.value.put(value)
        self.small.put(small)
        self.box.mark_as(mood, ("is-bad", "is-warn"))


def _tiles(model: ReadModel) -> Callable[[], None]:
    with Tag("div", classes="sg-tiles"):
        throughput = _Tile("Throughput", "Records processed a second, over the last ten seconds")
        latency = _Tile("Latency p99", "From append to processed, over the last ten seconds")
        lag = _Tile("Lag", "Age of the oldest record that is not processed yet")
        alerts = _Tile("Alerts, 5 m", "Alerts detected in the last five minutes")
        refused = _Tile("Refused, 5 m", "Records that could not be decoded, and records too late to count")

    def update() -> None:
        now_ms = model.clock_ms()
        sources = model.sources()
        recent = model.history.recent(now_ms, RECENT_MS, topics=sources)
        produced = [row.produce_per_s for row in model.lag if row.topic in sources]
        known = [rate for rate in produced if rate is not None]
        known_rate = 0.0 if recent.rate is None and len(model.history) and model.lag else recent.rate
        throughput.show(human.rate(known_rate), f"{human.rate(sum(known))} produced" if known else "")
        latency.show(human.duration(recent.latency_ms(0.99)), f"p50 {human.duration(recent.latency_ms(0.5))}")
        worst_ms = max((row.lag_ms for row in model.lag), default=None)
        behind = sum(row.lag_records for row in model.lag)
        mood = "is-warn" if worst_ms is not None and worst_ms >= LAGGING_MS else ""
        lag.show(human.duration(worst_ms), f"{human.plural(behind, 'record')} waiting", mood)
        counts = model.alerts.count_since(now_ms - ALERTS_MS)
        loud = [f"{counts[name]:,} {name}" for name in ("critical", "high", "medium", "low", "info") if name in counts]
        more = "+" if model.alerts.is_full_since(now_ms - ALERTS_MS) else ""
        alerts.show(human.number(sum(counts.values())) + more, " · ".join(loud[:2]) or "none")
        span = model.history.recent(now_ms, ALERTS_MS)
        refused.show(human.number(span.rejected), f"{span.late:,} late")

    return update


def _charts(model: ReadModel) -> list[ChartSpec]:
    history = model.history

    def named(fetch: Callable[[int], Points]) -> Callable[[int], Points]:
        return lambda after: {model.short(topic): points for topic, points in fetch(after).items()}

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


def _feed(model: ReadModel) -> Callable[[], None]:
    with Tag("section", classes="sg-card"):
        with Tag("header"):
            Tag("h2", "Latest alerts")
            Tag("a", "All alerts", "sg-small", {"href": "/alerts"})
        with Tag("div", classes="sg-feed-short"):
            feed = AlertFeed(model, limit=FEED_LENGTH)
    return lambda: feed.update(AlertFilter())


_COLUMNS: Final = [
    ("Partition", ""),
    ("Status", ""),
    ("Lag", "r"),
    ("Waiting", "r"),
    ("Produced", "r"),
    ("Processed", "r"),
    ("Caught up in", "r"),
    ("Committed", "r"),
    ("Owner", ""),
]


class _PartitionRow:
    def __init__(self, name: str) -> None:
        with Tag("tr") as self.row:
            Tag("td", name, "strong")
            with Tag("td"):
                self.status = Tag("span", "", "sg-pill")
            self.numbers = [Tag("td", "", "r") for _ in range(5)]
            with Tag("td", classes="r"):
                self.committed = when(None, ago=True)
            self.owner = Tag("td", "")

    def show(self, row: LagRow) -> None:
        status = row.status.name
        self.status.put(status)
        self.status.mark_as(status.lower(), tuple(each.name.lower() for each in Status))
        self.status.set("title", row.reason)
        texts = (
            human.duration(row.lag_ms),
            human.number(row.lag_records),
            human.rate(row.produce_per_s),
            human.rate(row.consume_per_s),
            _eta(row),
        )
        for cell, text in zip(self.numbers, texts, strict=True):
            cell.put(text)
        self.committed.set("ms", "" if row.committed_ms is None else row.committed_ms)
        owner = row.owner if row.lease == "held" else None
        self.owner.put(_short(owner) if owner else human.NOTHING)
        self.owner.set("title", owner)


def _eta(row: LagRow) -> str:
    """When the lag is gone. What waits for less than a few commits is no lag to speak of: it keeps up."""
    if row.eta_ms is None:
        return human.NOTHING
    if row.status is Status.OK and row.lag_ms < KEEPS_UP_MS:
        return "keeps up"
    return "never" if row.eta_ms < 0 else human.duration(row.eta_ms)


def _short(member: str) -> str:
    """Name, machine and process of a worker; what follows only makes it unique."""
    return ":".join(member.split(":")[:2])


def _partitions(model: ReadModel) -> Callable[[], None]:
    rows: dict[str, _PartitionRow] = {}
    with Tag("section", classes="sg-section") as section:
        Tag("h2", "Partitions")
        with Tag("div", classes="sg-card"), Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
            table_head(_COLUMNS, "Lag, rates and owner of each partition")
            body = Tag("tbody")

    def update() -> None:
        section.set_visibility(bool(model.lag))
        for row in model.lag:
            name = f"{row.topic}/{row.partition}"
            if name not in rows:
                with body:
                    rows[name] = _PartitionRow(name)
            rows[name].show(row)

    return update
