"""Whether everything there was has been processed and committed."""

from collections.abc import Collection

from agents.events import TopicPartition
from pipeline.local.members import is_dead
from pipeline.log.api import Log, PartitionInfo
from pipeline.worker.frame.transport import LogApp


async def is_idle(app: LogApp) -> bool:
    """Whether each owned partition is committed up to its end, internal topics that were fed meanwhile included.

    Stopped partitions don't count, those of other workers are their business, those of nobody must be done as well:
    they will be ours when the silence of a dead worker has lasted long enough. A worker that owns nothing is idle when
    the whole group is.

    Commits what waits, so that a caller who asks now and then sees the end soon.
    """
    keeper, consumer = app.keeper, app.consumer
    live = [unit for unit in keeper.units.values() if not unit.stopped]
    if app.rebalancing or not app.membership.topics or any(not unit.is_open or unit.in_flight for unit in live):
        return False
    mine = {TopicPartition(*tp) for tp in consumer.assignment()}
    if any(source.topic in keeper.topics for source in mine - keeper.units.keys()):
        return False  # just assigned: the unit is still to come
    await consumer.commit()
    commits = [unit.commits for unit in live]
    bounds = await _bounds(app.log_, app.membership.topics)
    ends = {source: info.end for source, info in bounds.items()}
    # Ends were read after the last commit, and count what is not visible yet: whatever a unit here has fed to another
    # one stands before them.
    return (
        all(unit.is_open and unit.is_clean and unit.committed >= ends[unit.source] for unit in live)
        and consumer.feed.is_idle(ends)
        and await _is_rest_done(app, bounds, mine)
        and mine == {TopicPartition(*tp) for tp in consumer.assignment()}  # else it was said of others
        and commits == [unit.commits for unit in live]
    )


async def _is_rest_done(app: LogApp, bounds: dict[TopicPartition, PartitionInfo], mine: set[TopicPartition]) -> bool:
    """Whether partitions without a living owner are committed up to their end."""
    group, member = app.conf.id, app.membership.member
    others = {
        lease.source
        for lease in await app.log_.leases(group)
        if mine and lease.member != member and not is_dead(lease.member)
    }
    committed = await app.log_.committed(group)
    for source in bounds.keys() - mine - others:
        known = committed.get(source)
        if bounds[source].end > (bounds[source].start if known is None else known.offset):
            return False
    return True


async def _bounds(log: Log, topics: Collection[str]) -> dict[TopicPartition, PartitionInfo]:
    return {
        TopicPartition(topic, partition): info
        for topic in topics
        for partition, info in (await log.partitions(topic, pending=True)).items()
    }
