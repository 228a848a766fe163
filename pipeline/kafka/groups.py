"""Consumer groups as the brokers know them: ours and any other."""

import re
from collections.abc import Mapping
from typing import Final

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.structs import OffsetAndMetadata

from agents.events import TopicPartition
from pipeline.errors import LogError
from pipeline.log.api import Committed, Lease

ALIVE_MS: Final = 1 << 62
"""A member that the coordinator lists is alive; when it would expire is not told."""
UNKNOWN_MS: Final = 0
"""When a position was committed, where that is not told: only our own commits say so."""
_STAMP: Final = re.compile(r"committed at (\d{1,15}) ms")


def stamped(offset: int, now_ms: int) -> OffsetAndMetadata:
    """A position that tells when it was committed."""
    return OffsetAndMetadata(offset, f"committed at {now_ms} ms")


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, Committed]:
    """Positions of a group."""
    found = await admin.list_consumer_group_offsets(group)
    return {
        TopicPartition(source.topic, source.partition): Committed(position.offset, _when(position.metadata))
        for source, position in found.items()
        if position.offset >= 0
    }


def _when(metadata: str | None) -> int:
    match = _STAMP.fullmatch(metadata or "")
    return UNKNOWN_MS if match is None else int(match[1])


async def leases(admin: AIOKafkaAdminClient, group: str) -> list[Lease]:
    """Who owns what now; nobody while the group rebalances."""
    owned = []
    for response in await admin.describe_consumer_groups([group]):
        for code, _, _, _, _, members, *_ in response.groups:
            if code:
                continue
            for _, client, _, _, assignment in members:
                owned += [Lease(source, client, 0, ALIVE_MS) for source in _assigned(assignment)]
    return sorted(owned)


def _assigned(assignment: bytes) -> list[TopicPartition]:
    if not assignment:
        return []
    decoded = ConsumerProtocol.ASSIGNMENT.decode(assignment)
    return [TopicPartition(topic, number) for topic, numbers in decoded.assignment for number in numbers]


async def names(admin: AIOKafkaAdminClient) -> list[str]:
    """Names of all groups."""
    return sorted({group for group, *_ in await admin.list_consumer_groups()})


async def move(admin: AIOKafkaAdminClient, group: str, offsets: Mapping[TopicPartition, int], now_ms: int) -> None:
    """Move positions of a group without members.

    Raises:
        LogError: If the group has members, or the brokers refuse.
    """
    topics: dict[str, list[tuple[int, int, str]]] = {}
    for source, offset in offsets.items():
        topics.setdefault(source.topic, []).append((source.partition, *stamped(offset, now_ms)))
    if not topics:
        return
    node = await admin.find_coordinator(group)
    request = OffsetCommitRequest(
        group,
        OffsetCommitRequest.DEFAULT_GENERATION_ID,
        "",
        OffsetCommitRequest.DEFAULT_RETENTION_TIME,
        list(topics.items()),
    )
    response = await admin._send_request(request, node)  # noqa: SLF001 - the library offers it to members only
    for topic, partitions in response.topics:
        for number, code in partitions:
            error = errors.for_code(code)
            if error in (errors.UnknownMemberIdError, errors.IllegalGenerationError, errors.RebalanceInProgressError):
                raise LogError(f"group {group!r} has members: end them before its positions are moved")
            if error is not errors.NoError:
                raise error(f"{topic}/{number} of group {group}")
