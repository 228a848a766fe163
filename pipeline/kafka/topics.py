"""Topics of a cluster: made with the right settings, compared with what was asked for, mended."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.errors import LogError, TopicMismatchError
from pipeline.kafka.settings import KafkaSettings
from pipeline.log import settings as log_settings
from pipeline.log.api import Copies, Difference, TopicSpec
from pipeline.log.names import validate

MESSAGE_BYTES: Final = 16 << 20
"""Largest batch that topics made here take: a slab of a wide table is larger than the default of 1 MiB."""
_SET_ON_TOPIC: Final = 1  # where a setting comes from, in the answer of a broker
_REFRESH_S: Final = 30.0
_APPEARS_S: Final = 5.0
_LOOK_S: Final = 0.02
_INTERNAL: Final = "__"
_REPLICATION: Final = "default.replication.factor"
_MESSAGE: Final = "max.message.bytes"
_MIN_ISR: Final = "min.insync.replicas"


def wanted_settings(spec: TopicSpec, settings: KafkaSettings) -> dict[str, str]:
    """What a topic is made with, in Kafka's terms."""
    wanted = log_settings.settings(spec) | {_MESSAGE: str(MESSAGE_BYTES)}
    if spec.cleanup == "compact":  # small segments, cleaned soon: what a restore reads stays near to what there is
        wanted |= {"segment.bytes": str(64 << 20), "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.2"}
    if settings.min_isr is not None:
        wanted[_MIN_ISR] = str(settings.min_isr)
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

    async def copies(self, admin: AIOKafkaAdminClient) -> dict[str, Copies]:
        """Copies of each topic."""
        replicas = {
            topic["topic"]: min(len(partition["replicas"]) for partition in topic["partitions"])
            for topic in await self._described(admin)
        }
        found = await self.settings_of(admin, replicas)
        return {name: Copies(count, int(found[name][_MIN_ISR][0])) for name, count in replicas.items() if name in found}

    async def differences(self, admin: AIOKafkaAdminClient, specs: Collection[TopicSpec]) -> list[Difference]:
        """What of the wanted topics is not as wanted."""
        counts = await self._partitions(admin)
        found = await self.settings_of(admin, [spec.name for spec in specs if spec.name in counts])
        differences = []
        for spec in specs:
            if spec.name not in counts:
                differences.append(log_settings.missing(spec))
                continue
            differences += log_settings.partitions(spec, counts[spec.name])
            values = {name: value for name, (value, _) in found.get(spec.name, {}).items()}
            differences += [
                Difference(spec.name, name, values.get(name), wanted)
                for name, wanted in wanted_settings(spec, self._settings).items()
                if not _is_good(name, values.get(name), wanted)
            ]
        return differences

    async def mend(self, admin: AIOKafkaAdminClient, spec: TopicSpec, differences: Collection[Difference]) -> None:
        """Make a topic, or change what the differences name; partitions are added, never taken away.

        Raises:
            TopicMismatchError: If a difference can't be mended.
            LogError: If the brokers refuse.
        """
        log_settings.refuse(differences)
        changes = {difference.setting: difference.wanted for difference in differences}
        if log_settings.missing(spec) in differences:
            await self.create(admin, spec)
            return
        if changes.pop(log_settings.PARTITIONS, None) is not None:
            await _add_partitions(admin, spec)
        if changes:
            await self._set(admin, spec.name, changes)
        self._read_at = 0.0

    async def delete(self, admin: AIOKafkaAdminClient, name: str) -> None:
        """Delete a topic, and wait until the brokers know that it is gone.

        Raises:
            LogError: If the brokers refuse.
        """
        response = await admin.delete_topics([name])
        for _, code in response.topic_error_codes:
            error = errors.for_code(code)
            if error not in (errors.NoError, errors.UnknownTopicOrPartitionError):
                raise LogError(f"topic {name!r} can't be deleted: {error.__name__}")
        self._specs.pop(name, None)
        deadline = time.monotonic() + self._settings.request_timeout_ms / 1000
        while name in await self._partitions(admin):
            if time.monotonic() > deadline:
                raise LogError(f"topic {name!r} was deleted, but the brokers still have it; try again")
            await asyncio.sleep(_LOOK_S)  # brokers don't tell

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
            await asyncio.sleep(_LOOK_S)

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
        return {topic["topic"]: len(topic["partitions"]) for topic in await self._described(admin)}

    async def _described(self, admin: AIOKafkaAdminClient) -> list[dict[str, Any]]:
        """Every topic but the brokers' own."""
        return [
            topic
            for topic in await admin.describe_topics()
            if not topic["topic"].startswith(_INTERNAL) and topic["partitions"]
        ]


async def _add_partitions(admin: AIOKafkaAdminClient, spec: TopicSpec) -> None:
    response = await admin.create_partitions({spec.name: NewPartitions(spec.partitions)})
    for _, code, said in response.topic_errors:
        if code:
            raise LogError(f"topic {spec.name!r} can't be given {spec.partitions} partitions: {said}")


def _is_good(name: str, found: str | None, wanted: str) -> bool:
    """Whether a setting will do; larger batches than wanted do no harm."""
    return found == wanted or (name == _MESSAGE and found is not None and int(found) >= int(wanted))


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
