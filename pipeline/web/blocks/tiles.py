"""Tiles: one number each, what is behind it, and how it went in the last five minutes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from pipeline.readmodel.history import SPAN_MS
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.glance import LAGGING_MS
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, numbers, spark, when

RECENT_MS: Final = 10_000
STEP_MS: Final = 10_000
LOUDEST_FIRST: Final = ("critical", "high", "medium", "low", "info")
Points = Sequence[tuple[int, float | None]]


class Tile:
    """One number.

    Args:
        title: What it is.
        explanation: The same in a sentence.
        href: Page that tells more.
        drawn: Whether there is a sparkline.
    """

    def __init__(self, title: str, explanation: str, href: str, *, drawn: bool = True) -> None:
        with Tag("a", classes="sg-card sg-tile", attributes={"href": href, "title": explanation}) as self.box:
            Tag("span", title, "d")
            self.value = Tag("span", human.NOTHING, "v sg-num")
            self.small = Tag("span", "", "s sg-num")
            self._spark = spark(f"{title}, last five minutes") if drawn else None

    def show(self, value: str, small: str, mood: str = "") -> None:
        """Bring it up to date; ``mood`` is '', 'is-warn' or 'is-bad'."""
        self.value.put(value)
        self.small.put(small)
        self.box.mark_as(mood, ("is-bad", "is-warn"))

    def draw(self, values: Sequence[float | None]) -> None:
        """Draw how it went."""
        if self._spark is not None:
            self._spark.set("values", numbers(values))


def steps(points: Points, now_ms: int) -> list[float | None]:
    """The largest value in each ``STEP_MS`` of the last five minutes; the step that is not over is left out.

    >>> steps([(0, 1.0), (4_000, 3.0), (12_000, 2.0)], 25_000)[-3:]
    [None, 3.0, 2.0]
    """
    end = now_ms // STEP_MS
    largest: dict[int, float] = {}
    for ms, value in points:
        if value is not None:
            largest[ms // STEP_MS] = max(value, largest.get(ms // STEP_MS, value))
    return [largest.get(step) for step in range(end - SPAN_MS // STEP_MS, end)]


def tiles(context: PageContext) -> Callable[[Mapping[str, int]], Awaitable[None]]:
    """The tiles of the overview; the update takes how many incidents go on, by severity."""
    model = context.model
    with Tag("div", classes="sg-tiles"):
        flow = [_throughput(model), _latency(model), _lag(model)]
        trouble = _incidents(model) if model.config.incidents is not None else _alerts(context)
        more = [_watermark(model), _refused(model)]

    async def update(incidents: Mapping[str, int]) -> None:
        now_ms = model.clock_ms()
        for each in (*flow, *more):
            each(now_ms)
        await trouble(now_ms, incidents)

    return update


def _throughput(model: ReadModel) -> Callable[[int], None]:
    tile = Tile("Throughput", "Records processed a second, over the last ten seconds", "/lag")

    def update(now_ms: int) -> None:
        sources = model.sources()
        recent = model.history.recent(now_ms, RECENT_MS, topics=sources)
        known = [row.produce_per_s for row in model.lag if row.topic in sources and row.produce_per_s is not None]
        rate = 0.0 if recent.rate is None and len(model.history) and model.lag else recent.rate
        tile.show(human.rate(rate), f"{human.rate(sum(known))} produced" if known else "")
        total: dict[int, float] = {}
        for topic, points in model.history.throughput().items():
            for ms, value in points:
                if topic in sources:
                    total[ms] = total.get(ms, 0.0) + (value or 0.0)
        tile.draw(steps(list(total.items()), now_ms))

    return update


def _latency(model: ReadModel) -> Callable[[int], None]:
    tile = Tile("Latency p99", "From append to processed, over the last ten seconds", "/tables/health_10s")

    def update(now_ms: int) -> None:
        recent = model.history.recent(now_ms, RECENT_MS)
        tile.show(human.duration(recent.latency_ms(0.99)), f"p50 {human.duration(recent.latency_ms(0.5))}")
        tile.draw(steps(model.history.latency().get("p99", []), now_ms))

    return update


def _lag(model: ReadModel) -> Callable[[int], None]:
    tile = Tile("Lag", "Age of the oldest record that is not processed yet", "/lag")

    def update(now_ms: int) -> None:
        worst_ms = max((row.lag_ms for row in model.lag), default=None)
        behind = sum(row.lag_records for row in model.lag)
        mood = "is-warn" if worst_ms is not None and worst_ms >= LAGGING_MS else ""
        seconds = human.NOTHING if worst_ms is None else f"{worst_ms / 1_000:.1f} s"
        tile.show(seconds, f"{human.plural(behind, 'record')} waiting", mood)
        points = [point for each in model.history.lag().values() for point in each]
        tile.draw(steps(points, now_ms))

    return update


def _incidents(model: ReadModel) -> Callable[[int, Mapping[str, int]], Awaitable[None]]:
    tile = Tile("Open incidents", "Incidents that go on, by severity", "/incidents", drawn=False)

    async def update(_: int, counts: Mapping[str, int]) -> None:
        known = model.refreshed_ms is not None  # before, none may mean that nothing was read
        tile.show(human.number(sum(counts.values()) if known else None), _loud(counts) if known else "", _mood(counts))

    return update


def _alerts(context: PageContext) -> Callable[[int, Mapping[str, int]], Awaitable[None]]:
    tile = Tile("Alerts, 5 m", "Alerts detected in the last five minutes", "/alerts", drawn=False)

    async def update(now_ms: int, _: Mapping[str, int]) -> None:
        counts = await context.answers.severities_since(now_ms - SPAN_MS)
        tile.show(human.number(sum(counts.values())), _loud(counts))

    return update


def _loud(counts: Mapping[str, int]) -> str:
    loud = [f"{counts[name]:,} {name}" for name in LOUDEST_FIRST if counts.get(name)]
    return " · ".join(loud[:2]) or "none"


def _mood(counts: Mapping[str, int]) -> str:
    return "is-bad" if counts.get("critical") else "is-warn" if counts.get("high") else ""


def _watermark(model: ReadModel) -> Callable[[int], None]:
    explanation = "Newest event time that is in the tables, of the stream that is furthest behind"
    tile = Tile("Watermark", explanation, "/lag", drawn=False)
    with tile.value:
        at = when(None)

    def update(now_ms: int) -> None:
        newest = [
            max((part.watermark_ms for part in model.tables.freshness(topic)), default=0)
            for topic in model.sources()
            if topic in model.topics and model.topics[topic].records
        ]
        known = [ms for ms in newest if ms]
        tile.value.put("" if known else human.NOTHING)
        at.set("ms", min(known) if known else "")
        at.set_visibility(bool(known))
        behind = now_ms - min(known) if known else None
        text = "" if behind is None else f"{human.duration(max(behind, 0) // 1_000 * 1_000)} behind the clock"
        tile.show("" if known else human.NOTHING, text if behind is None or behind >= 1_000 else "at the clock")

    return update


def _refused(model: ReadModel) -> Callable[[int], None]:
    explanation = "Records that could not be decoded, and records too late to count"
    tile = Tile("Rejects, 5 m", explanation, "/dead-letters", drawn=False)

    def update(now_ms: int) -> None:
        span = model.history.recent(now_ms, SPAN_MS)
        tile.show(human.number(span.rejected), f"{span.late:,} late", "is-warn" if span.rejected else "")

    return update
