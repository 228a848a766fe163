"""Making an application start anew: what it made is deleted, what it reads stays.

::

    refuse if a member lives ─▶ fence former owners ─▶ forget positions ─▶ delete own topics ─▶ make them, positions in

Deleted are topics that only the application writes: state, repartitioned records, closed windows, its own health, and
the alerts if asked for. Dead letters and late records stay, as people may have uses for them; they come a second time
if the records before them do. When a reset is interrupted, the next one does the rest.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from agents.events import Outgoing, Records, TopicPartition
from pipeline.config import AppConfig
from pipeline.errors import LogError, TopicMismatchError
from pipeline.log import Committed, Fence, Log, TopicSpec
from pipeline.plan import clocks_topic, closed_topic, incident_specs, plans, state_topic, topic_specs
from pipeline.shard_state import slabs_at

START, END = "start", "end"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reset:
    """What a reset does.

    Args:
        group: The application's group.
        forgotten: Positions of the group as they are.
        deleted: Topics to delete, with the records that each of them holds.
        made: Topics to make.
        starts: First offset that each partition of the application's streams will be read from.
        is_late: Whether they start elsewhere than where a fresh application does.
    """

    group: str
    forgotten: Mapping[TopicPartition, Committed]
    deleted: Mapping[str, int]
    made: tuple[TopicSpec, ...]
    starts: Mapping[TopicPartition, int]
    is_late: bool


async def plan_reset(log: Log, config: AppConfig, to: str | int, *, alerts: bool = False) -> Reset:
    """What a reset would do; nothing is done.

    Args:
        log: The log.
        config: The application.
        to: Where its streams are to be read from: ``start``, ``end``, or the first record appended at a time, Unix ms.
        alerts: Whether the alerts are deleted too.

    Raises:
        LogError: If a worker lives, or a stream's topic has other partitions than configured.
    """
    living = await log.members(config.name)
    if living:
        raise LogError(
            f"the application {config.name!r} has living workers: {', '.join(living)}. Stop them first; one that died "
            "is gone when its session time-out is over"
        )
    there = await log.topics()
    specs = topic_specs(config)
    own = [name for name in own_topics(config, alerts=alerts) if name in there]
    return Reset(
        group=config.name,
        forgotten=await log.committed(config.name),
        deleted={name: sum(info.end - info.start for info in (await log.partitions(name)).values()) for name in own},
        made=tuple(spec for spec in specs if spec.name in own or spec.name not in there),
        starts={
            source: offset
            for stream in config.streams.values()
            for source, offset in (await _starts(log, stream.topic, stream.partitions, to, there)).items()
        },
        is_late=to != START,
    )


def own_topics(config: AppConfig, *, alerts: bool = False) -> list[str]:
    """Topics that hold nothing but what the application makes of its streams."""
    sources = {stream.topic for stream in config.streams.values()}
    found: list[str] = []
    for topic, plan in plans(config).items():
        found.append(state_topic(config, topic))
        if topic not in sources:
            found.append(topic)
        found += [closed_topic(config.name, name) for name, table in plan.tables.items() if table.sends_closed]
    found.append(clocks_topic(config.name))
    if alerts:  # what was made of the alerts goes with them
        found += [config.alerts_topic, *(spec.name for spec in incident_specs(config.name) if config.incidents)]
    return found


async def reset(log: Log, config: AppConfig, planned: Reset) -> None:
    """Do it.

    Raises:
        LogError: If a worker has come to life meanwhile, or the log refuses something.
    """
    for topic, plan in plans(config).items():
        for partition in range(plan.partitions):
            await _fence(log, config.name, TopicPartition(topic, partition))
    await log.delete_group(config.name)
    if config.alerts_topic in planned.deleted:  # else they would pass over as many new alerts as there were old ones
        for group in await log.groups():
            if group.startswith(f"{config.name}-deliver-"):
                await log.delete_group(group)
    for name in planned.deleted:
        await log.delete_topic(name)
    for spec in planned.made:
        await log.create_topic(spec)
    if planned.is_late:
        await log.append([_position(config, source, offset) for source, offset in planned.starts.items()])
        await log.commit_offsets(config.name, planned.starts)


async def _fence(log: Log, group: str, source: TopicPartition) -> None:
    """Make sure that a worker that was paused for long can't write its state into the new topics."""
    fence = Fence(group, source, f"reset-{secrets.token_hex(4)}", 0)
    await log.claim(fence)
    await log.disclaim(fence)


def _position(config: AppConfig, source: TopicPartition, offset: int) -> Outgoing:
    slabs = slabs_at(offset)
    records = Records(values=list(slabs.values()), keys=list(slabs))
    return Outgoing(state_topic(config, source.topic), source.partition, records)


async def _starts(
    log: Log, topic: str, partitions: int, to: str | int, there: Mapping[str, TopicSpec]
) -> dict[TopicPartition, int]:
    if topic not in there:
        return {TopicPartition(topic, partition): 0 for partition in range(partitions)}
    if there[topic].partitions != partitions:
        raise TopicMismatchError(
            f"topic {topic!r} has {there[topic].partitions} partitions, the configuration says {partitions}: "
            "`streamgauge topics` tells what mends that; then reset"
        )
    found = {}
    for partition, info in (await log.partitions(topic)).items():
        source = TopicPartition(topic, partition)
        bounds = {START: info.start, END: info.end}
        found[source] = bounds[to] if isinstance(to, str) else await log.offset_at(source, to)
    return found
