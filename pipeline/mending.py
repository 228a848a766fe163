"""What of an application's topics is not as its configuration wants it, and what mending may change.

The application's own topics are to be as configured. A stream's own topic may be somebody else's: it needs the right
partitions and cleanup, and must keep records for as long as is wanted. That it keeps them for longer is no difference,
and what would throw records away is not mended.
"""

from collections.abc import Collection
from typing import Final

from pipeline.config import AppConfig
from pipeline.log import Difference, Log, TopicSpec
from pipeline.log.settings import CLEANUP, PARTITIONS, RETENTION, UNLIMITED
from pipeline.plan import topic_specs

_THEIRS: Final = "the topic may be another program's; change it with the tools of the log, or use another topic"


async def wanting(log: Log, config: AppConfig) -> dict[TopicSpec, list[Difference]]:
    """Each topic that the application needs, and what of it is not as wanted."""
    specs = topic_specs(config)
    sources = {stream.topic for stream in config.streams.values()}
    found: dict[TopicSpec, list[Difference]] = {spec: [] for spec in specs}
    by_name = {spec.name: spec for spec in specs}
    for difference in await log.differences(specs):
        counts = [difference] if difference.topic not in sources else _of_source(difference)
        found[by_name[difference.topic]] += counts
    return found


def mendable(differences: Collection[Difference]) -> list[Difference]:
    """Those that mending can help."""
    return [difference for difference in differences if difference.advice is None]


def _of_source(difference: Difference) -> list[Difference]:
    """What of a difference counts on a topic that others may write to and read."""
    if difference.setting == PARTITIONS:
        return [difference]
    if difference.setting == CLEANUP:
        return [difference._replace(advice=difference.advice or _THEIRS)]
    if difference.setting in RETENTION and difference.found is not None and not _keeps(difference):
        return [difference]
    return []


def _keeps(difference: Difference) -> bool:
    """Whether the topic keeps at least what is wanted."""
    if UNLIMITED in (difference.found, difference.wanted):
        return difference.found == UNLIMITED
    return int(difference.found or 0) >= int(difference.wanted)
