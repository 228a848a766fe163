"""Consumer groups as the brokers know them: ours and any other."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.protocol.admin import DeleteGroupsRequest
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
    """Positions of a group; none if it is of a kind that has none."""
    try:
        found = await admin.list_consumer_group_offsets(group)
    except errors.GroupIdNotFound:
        return {}
    return {
        TopicPartition(source.topic, source.partition): Committed(position.offset, _when(position.metadata))
        for source, position in found.items()
        if position.offset >= 0
    }


def _when(metadata: str | None) -> int:
    match = _STAMP.fullmatch(metadata or "")
    return UNKNOWN_MS if match is None else int(match[1])


async def leases(admin: AIOKafkaAdminClient, group: str) -> list[Lease]:
    """Who owns what now; nobody while the group rebalances, or if it uses a protocol that is not told here."""
    return sorted(
        Lease(source, member.client, 0, ALIVE_MS)
        for member in await _members(admin, group)
        for source in _assigned(member.assignment)
    )


async def members(admin: AIOKafkaAdminClient, group: str) -> list[str]:
    """Names of the living members."""
    return sorted(member.client for member in await _members(admin, group))


class _Member(NamedTuple):
    client: str
    assignment: bytes


async def _members(admin: AIOKafkaAdminClient, group: str) -> list[_Member]:
    found = []
    for response in await admin.describe_consumer_groups([group]):
        for code, _, _, kind, _, described, *_ in response.groups:
            error = errors.for_code(code)
            if error not in (errors.NoError, errors.GroupIdNotFound):
                raise error(f"group {group}")
            is_ours = kind == ConsumerProtocol.PROTOCOL_TYPE  # what others call an assignment means something else
            found += [_Member(client, assignment if is_ours else b"") for _, client, _, _, assignment in described]
    return found


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


async def delete(admin: AIOKafkaAdminClient, group: str) -> None:
    """Forget a group.

    Raises:
        LogError: If it has members, or the brokers refuse.
    """
    node = await admin.find_coordinator(group)
    response = await admin._send_request(DeleteGroupsRequest([group]), node)  # noqa: SLF001 - the library doesn't offer it
    for _, code in response.results:
        error = errors.for_code(code)
        if error is errors.NonEmptyGroup:
            raise LogError(f"group {group!r} has members: end them before it is deleted")
        if error not in (errors.NoError, errors.GroupIdNotFound):
            raise error(f"group {group}")
