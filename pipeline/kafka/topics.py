"""Topics of a cluster: made with the right settings, compared with what was asked for, mended."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.errors import LogError, TopicMismatchError
from pipeline.kafka.settings import KafkaSettings
from pipeline.log.api import TopicSpec
from pipeline.log.names import validate

MESSAGE_BYTES: Final = 16 << 20
"""Largest batch that topics made here take: a slab of a wide table is larger than the default of 1 MiB."""
_SET_ON_TOPIC: Final = 1  # where a setting comes from, in the answer of a broker
_REFRESH_S: Final = 30.0
_APPEARS_S: Final = 5.0
_INTERNAL: Final = "__"
_REPLICATION: Final = "default.replication.factor"


class Difference(NamedTuple):
    """A setting of a topic that is not as wanted; ``None`` for one that is not set, or may be anything."""

    topic: str
    setting: str
    found: str | None
    wanted: str


def wanted_settings(spec: TopicSpec, settings: KafkaSettings) -> dict[str, str]:
    """What a topic is made with, in Kafka's terms."""
    wanted = {"cleanup.policy": spec.cleanup, "max.message.bytes": str(MESSAGE_BYTES)}
    if spec.cleanup == "compact":  # small segments, cleaned soon: what a restore reads stays near to what there is
        wanted |= {"segment.bytes": str(64 << 20), "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.2"}
    else:
        wanted |= {
            "retention.ms": str(-1 if spec.retention_ms is None else spec.retention_ms),
            "retention.bytes": str(-1 if spec.retention_bytes is None else spec.retention_bytes),
        }
    if settings.min_isr is not None:
        wanted["min.insync.replicas"] = str(settings.min_isr)
    return wanted


class Topics:
    """What there is, and making more.

    Args:
        settings: Replication and in-sync replicas.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._specs: dict[str, TopicSpec] = {}
        self._read_at = 0.0

    async def all(self, admin: AIOKafkaAdminClient) -> dict[str, TopicSpec]:
        """Every topic but the brokers' own; settings that changed in the last half minute may be the old ones.

        Cost: one request; another one when there are new topics, and each half minute.
        """
        counts = await self._partitions(admin)
        is_old = time.monotonic() > self._read_at + _REFRESH_S
        if is_old:
            self._read_at = time.monotonic()
        asked = [
            name
            for name, count in counts.items()
            if is_old or name not in self._specs or self._specs[name].partitions != count
        ]
        found = await self.settings_of(admin, asked)
        self._specs |= {name: _spec(name, counts[name], found[name]) for name in asked if name in found}
        return {name: self._specs[name] for name in sorted(counts) if name in self._specs}

    async def create(self, admin: AIOKafkaAdminClient, spec: TopicSpec) -> None:
        """Make a topic, or make sure that the one there is has its partitions and cleanup.

        Raises:
            UsageError: If the name or a setting is not allowed.
            TopicMismatchError: If it has others.
            LogError: If the brokers refuse.
        """
        validate(spec)
        counts = await self._partitions(admin)
        if spec.name not in counts:
            new = NewTopic(
                name=spec.name,
                num_partitions=spec.partitions,
                replication_factor=await self._replication(admin),
                topic_configs=wanted_settings(spec, self._settings),
            )
            response = await admin.create_topics([new])
            ((_, code, *said),) = response.topic_errors
            error = errors.for_code(code)
            if error is errors.NoError:
                await self._appeared(admin, spec.name)
                return
            if error is not errors.TopicAlreadyExistsError:
                reason = (said[0] if said else None) or error.__name__
                raise LogError(f"topic {spec.name!r} can't be made: {reason}; see [kafka] replication and min_isr")
            counts = await self._partitions(admin)
        found = (await self.settings_of(admin, [spec.name])).get(spec.name, {})
        _check(spec, counts.get(spec.name, spec.partitions), found)

    async def differences(self, admin: AIOKafkaAdminClient, specs: Collection[TopicSpec]) -> list[Difference]:
        """What of the wanted topics is not as wanted; a topic that is missing has the setting ``partitions`` unset."""
        counts = await self._partitions(admin)
        found = await self.settings_of(admin, [spec.name for spec in specs if spec.name in counts])
        differences = []
        for spec in specs:
            count = counts.get(spec.name)
            if count != spec.partitions:
                seen = None if count is None else str(count)
                differences.append(Difference(spec.name, "partitions", seen, str(spec.partitions)))
            if count is not None:
                values = {name: value for name, (value, _) in found.get(spec.name, {}).items()}
                differences += [
                    Difference(spec.name, name, values.get(name), wanted)
                    for name, wanted in wanted_settings(spec, self._settings).items()
                    if values.get(name) != wanted
                ]
        return differences

    async def mend(self, admin: AIOKafkaAdminClient, specs: Collection[TopicSpec]) -> None:
        """Make what is missing, set settings, add partitions; nothing is ever taken away.

        Raises:
            TopicMismatchError: If a topic has more partitions than wanted: they can't be removed.
            LogError: If the brokers refuse.
        """
        wrong: dict[str, dict[str, Difference]] = {}
        for difference in await self.differences(admin, specs):
            wrong.setdefault(difference.topic, {})[difference.setting] = difference
        for spec in specs:
            changes = wrong.get(spec.name, {})
            partitions = changes.pop("partitions", None)
            if partitions is not None and partitions.found is None:
                await self.create(admin, spec)
            elif partitions is not None:
                await _add_partitions(admin, spec, int(partitions.found or 0))
            if changes:
                await self._set(admin, spec.name, {change.setting: change.wanted for change in changes.values()})
        self._read_at = 0.0

    async def settings_of(
        self, admin: AIOKafkaAdminClient, names: Collection[str]
    ) -> dict[str, dict[str, tuple[str, int]]]:
        """Settings of topics with where each comes from."""
        if not names:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        return {
            name: {entry[0]: (entry[1], entry[3]) for entry in entries}
            for response in await admin.describe_configs(asked)
            for code, _, _, name, entries in response.resources
            if code == 0
        }

    async def _appeared(self, admin: AIOKafkaAdminClient, name: str) -> None:
        """Wait for a new topic to be known to the brokers that clients ask."""
        deadline = time.monotonic() + _APPEARS_S
        while name not in await self._partitions(admin) and time.monotonic() < deadline:  # noqa: ASYNC110 - brokers don't tell
            await asyncio.sleep(0.02)

    async def _replication(self, admin: AIOKafkaAdminClient) -> int:
        """Replicas of a new topic; the library's version of the request can't leave the number to the brokers."""
        if self._settings.replication > 0:
            return self._settings.replication
        cluster = await admin.describe_cluster()
        broker = str(cluster["controller_id"])
        asked = ConfigResource(ConfigResourceType.BROKER, broker, configs={_REPLICATION: None})
        ((*_, (*_, entries)),) = [response.resources for response in await admin.describe_configs([asked])][0:1]
        return int(entries[0][1])

    async def _set(self, admin: AIOKafkaAdminClient, name: str, changes: Mapping[str, str]) -> None:
        """Set some settings; the request replaces all of a topic, so that those already set go with it."""
        held = (await self.settings_of(admin, [name]))[name]
        kept = {key: value for key, (value, source) in held.items() if source == _SET_ON_TOPIC}
        resource = ConfigResource(ConfigResourceType.TOPIC, name, configs=kept | dict(changes))
        for response in await admin.alter_configs([resource]):
            for code, said, _, _ in response.resources:
                if code:
                    raise LogError(f"the settings of topic {name!r} can't be changed: {said or errors.for_code(code)}")

    async def _partitions(self, admin: AIOKafkaAdminClient) -> dict[str, int]:
        return {
            topic["topic"]: len(topic["partitions"])
            for topic in await admin.describe_topics()
            if not topic["topic"].startswith(_INTERNAL) and topic["partitions"]
        }


async def _add_partitions(admin: AIOKafkaAdminClient, spec: TopicSpec, found: int) -> None:
    if found > spec.partitions:
        raise TopicMismatchError(
            f"topic {spec.name!r} has {found} partitions, {spec.partitions} are wanted, and Kafka removes none: "
            f"set partitions = {found} in the configuration"
        )
    response = await admin.create_partitions({spec.name: NewPartitions(spec.partitions)})
    for _, code, said in response.topic_errors:
        if code:
            raise LogError(f"topic {spec.name!r} can't be given {spec.partitions} partitions: {said}")


def _check(spec: TopicSpec, partitions: int, found: Mapping[str, tuple[str, int]]) -> None:
    cleanup = found.get("cleanup.policy", (spec.cleanup, 0))[0]
    if partitions != spec.partitions:
        more = partitions > spec.partitions
        mend = f"Set partitions = {partitions} in the configuration" + (
            "" if more else ", or add the missing ones with `streamgauge topics mend`, after which keys have new places"
        )
        raise TopicMismatchError(
            f"topic {spec.name!r} exists with {partitions} partitions, asked for were {spec.partitions}. {mend}."
        )
    if cleanup != spec.cleanup:
        raise TopicMismatchError(
            f"topic {spec.name!r} exists with cleanup.policy {cleanup!r}, asked for was {spec.cleanup!r}. "
            "`streamgauge topics mend` sets it, or use another topic."
        )


def _spec(name: str, partitions: int, found: Mapping[str, tuple[str, int]]) -> TopicSpec:
    def number(setting: str) -> int | None:
        value = int(found.get(setting, ("-1", 0))[0])
        return None if value < 0 else value

    compact = "compact" in found.get("cleanup.policy", ("delete", 0))[0]
    return TopicSpec(
        name=name,
        partitions=partitions,
        cleanup="compact" if compact else "delete",
        retention_ms=number("retention.ms"),
        retention_bytes=number("retention.bytes"),
    )
