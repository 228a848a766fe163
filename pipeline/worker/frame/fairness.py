"""Which partitions to fetch next, so that those of a topic drain evenly while a backlog is worked off.

::

    event time ─────────────────────────────▶
    payments/0  ████████████████████▌            22 s ahead of the slowest: skipped in this round
    payments/1  █████████▌                       slowest that still has a backlog: fetched
    payments/2  ███████████████▌                 within 10 s: fetched
    payments/3  ██████████████████████████▌      caught up: fetched, there may be something new

Evenly drained partitions keep joins across them (repartitioned streams) from seeing one partition's whole past as late.
"""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from agents.events import TopicPartition
from pipeline.worker.units.unit import Unit

MOST_AHEAD_MS = 10_000
LEAST_MS = 10_000
"""Event time up to its bound for which a unit with a backlog is worth being fetched for."""
REST_S = 0.1
"""How long an internal topic is left alone after a chunk, so that more is there."""


def even(
    units: Mapping[TopicPartition, Unit],
    bounds: Mapping[TopicPartition, int] = MappingProxyType({}),
    *,
    most_ahead_ms: int = MOST_AHEAD_MS,
) -> dict[TopicPartition, int]:
    """Positions of the units to fetch for now, those furthest behind in event time first.

    Args:
        units: All units of the worker.
        bounds: How far in event time a unit with a backlog may go; see ``Clocks``.
        most_ahead_ms: How far a unit with a backlog may be ahead of the slowest one of its topic that has one too.
    """
    slowest = _slowest(units.values())
    wanted = [
        (unit.shard.watermark_ms, source)
        for source, unit in units.items()
        if unit.wants_more
        and not (_drains(unit) and unit.shard.watermark_ms > slowest.get(source.topic, 0) + most_ahead_ms)
        and not is_held(unit, bounds.get(source))
    ]
    return {source: units[source].shard.position for _, source in sorted(wanted)}


def is_held(unit: Unit, bound_ms: int | None) -> bool:
    """Whether a unit with a backlog has come so near to its bound, if it has one, that it is to wait.

    One that was never fetched for may have none, so it is fetched for first.
    """
    return bound_ms is not None and _drains(unit) and unit.shard.watermark_ms > bound_ms - LEAST_MS


def _drains(unit: Unit) -> bool:
    return unit.is_open and unit.backlog.is_behind and unit.backlog.was_looked_at


def resting(units: Mapping[TopicPartition, Unit], internal: Collection[str], now: float) -> set[TopicPartition]:
    """Partitions of internal topics that are given time for more to come, while what feeds them is behind.

    A chunk costs something for each key in it, however few records the key has: one large chunk costs less than many
    small ones. Those of which much came at once do not rest, so that they fall back no further.

    Args:
        units: All units of the worker.
        internal: Topics that the worker's other topics feed.
        now: On the clock of ``Unit.fed_at``, s.
    """
    if not any(unit.backlog.share for source, unit in units.items() if source.topic not in internal):
        return set()
    return {
        source
        for source, unit in units.items()
        if source.topic in internal and unit.backlog.share < 1 and now - unit.fed_at < REST_S
    }


def _slowest(units: Iterable[Unit]) -> dict[str, int]:
    slowest: dict[str, int] = {}
    for unit in units:
        if unit.is_open and unit.backlog.is_behind:
            topic, watermark_ms = unit.source.topic, unit.shard.watermark_ms
            slowest[topic] = min(slowest.get(topic, watermark_ms), watermark_ms)
    return slowest
