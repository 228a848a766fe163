"""What the log says of units that come and go."""

import logging
from collections.abc import Iterable

from agents.events import TopicPartition
from pipeline.worker.units.restore import Restored

_logger = logging.getLogger(__name__)


def listed(partitions: Iterable[tuple[TopicPartition, str]]) -> str:
    """Partitions by topic, in short: ``payments/0@17,1@4 samples/0@9``."""
    topics: dict[str, list[str]] = {}
    for source, text in sorted(partitions):
        topics.setdefault(source.topic, []).append(f"{source.partition}{text}")
    return " ".join(f"{topic}/{','.join(parts)}" for topic, parts in topics.items())


def report(source: TopicPartition, restored: Restored) -> None:
    """Log what people should know about a restore."""
    for notice in restored.shard.notices:
        _logger.warning("%s", notice)
    if restored.lost is not None:
        first, last = restored.lost
        _logger.error(
            "%s: records %d to %d were removed by retention before they were processed; going on at %d. "
            "Give the topic more retention, or the workers more speed.",
            source,
            first,
            last,
            last + 1,
        )
    if restored.forgot is not None:
        _logger.warning(
            "%s: evidence from before offset %d is missing, because reading it again failed: %s: %s",
            source,
            restored.shard.position,
            type(restored.forgot).__name__,
            restored.forgot,
        )
