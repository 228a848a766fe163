"""Whether everything there was has been processed and committed."""

from collections.abc import Collection

from agents.events import TopicPartition
from pipeline.log.api import Log
from pipeline.worker.transport import LogApp


async def is_idle(app: LogApp) -> bool:
    """Whether each owned partition is committed up to its end, internal topics that were fed meanwhile included.

    Stopped partitions don't count. A worker that owns nothing is idle when the whole group is.

    Commits what waits, so that a caller who asks now and then sees the end soon.
    """
    keeper, consumer = app.keeper, app.consumer
    live = [unit for unit in keeper.units.values() if not unit.stopped]
    if app.rebalancing or any(not unit.is_open or unit.in_flight for unit in live):
        return False
    await consumer.commit()
    commits = [unit.commits for unit in live]
    topics = {unit.source.topic for unit in live} | {tp.topic for tp in consumer.assignment()}
    if not topics:
        return bool(app.membership.topics) and await _is_group_done(app.log_, app.conf.id, keeper.topics)
    ends = await _ends(app.log_, topics)
    # Ends were read after the last commit: whatever a unit here has fed to another one stands before them.
    return (
        all(unit.is_open and unit.is_clean and unit.committed >= ends[unit.source] for unit in live)
        and commits == [unit.commits for unit in live]
        and consumer.feed.is_idle(ends)
    )


async def _ends(log: Log, topics: Collection[str]) -> dict[TopicPartition, int]:
    return {
        TopicPartition(topic, partition): bounds.end
        for topic in topics
        for partition, bounds in (await log.partitions(topic)).items()
    }


async def _is_group_done(log: Log, group: str, topics: Collection[str]) -> bool:
    committed = await log.committed(group)
    for topic in topics:
        for partition, bounds in (await log.partitions(topic)).items():
            known = committed.get(TopicPartition(topic, partition))
            if bounds.end > (bounds.start if known is None else known.offset):
                return False
    return True
