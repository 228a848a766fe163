"""Requests of transactions, version 2 (KIP-890), which the client library has not.

A produce request of version 12 adds its partitions to the transaction by itself, and the answer to an end of version 5
brings the epoch of the next transaction. So a commit takes two round trips instead of three, and a record that an
earlier transaction left on its way can't get into the next one. Brokers offer it from Kafka 4.0 on, if their feature
``transaction.version`` is at 2.

Source: ``ProduceRequest.json``, ``EndTxnRequest.json``, ``ApiVersionsRequest.json`` and their responses in Apache Kafka
4.0, ``clients/src/main/resources/common/message``.
"""

from collections.abc import Sized
from io import BytesIO
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import UnsupportedVersionError
from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
    UnsignedVarInt32,
)

_TEXT: Final = CompactString("utf-8")
_TAGS: Final = ("tags", TaggedFields)
_NO_TAGS: Final[bytes] = TaggedFields.encode({})
_FEATURE: Final = "transaction.version"
_LEVEL: Final = 2
_FINALIZED: Final = 2  # tag of the levels that hold in the cluster
_OWN_NAME: Final = ("streamgauge", "1")


class ProduceResponse(Response):  # type: ignore[misc]  # the library has no types, here and below
    """Version 12."""

    API_KEY = 0
    API_VERSION = 12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("offset", Int64),
                        ("timestamp", Int64),
                        ("log_start_offset", Int64),
                        ("record_errors", CompactArray(("index", Int32), ("message", _TEXT), _TAGS)),
                        ("error_message", _TEXT),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        ("throttle_time_ms", Int32),
        _TAGS,
    )


class _Produce(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 0
    API_VERSION = 12
    RESPONSE_TYPE = ProduceResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("required_acks", Int16),
        ("timeout", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                ("partitions", CompactArray(("partition", Int32), ("records", CompactBytes), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )

    def encode(self) -> bytes:
        """The same bytes as the library's, which copies record batches anew for each level that they stand in."""
        name, acks, timeout, topics, _ = (vars(self)[field] for field in self.SCHEMA.names)
        pieces = [_TEXT.encode(name), Int16.encode(acks), Int32.encode(timeout), _count(topics)]
        for topic, partitions, _ in topics:
            pieces += (_TEXT.encode(topic), _count(partitions))
            for partition, batch, _ in partitions:
                pieces += (Int32.encode(partition), _count(batch), batch, _NO_TAGS)
            pieces.append(_NO_TAGS)
        pieces.append(_NO_TAGS)
        return b"".join(pieces)


def _count(items: Sized) -> bytes:
    size: bytes = UnsignedVarInt32.encode(len(items) + 1)
    return size


class ProduceWithin(Request[_Produce]):  # type: ignore[misc]
    """Records of a transaction; their partitions are added to it.

    Args:
        transactional_id: Of the producer.
        timeout_ms: How long the leaders may wait for their followers.
        topics: ``(topic, [(partition, record batch), …])``.
    """

    API_KEY = 0
    required_acks: Final = -1

    def __init__(
        self, transactional_id: str | None, timeout_ms: int, topics: list[tuple[str, list[tuple[int, Any]]]]
    ) -> None:
        self._head = (transactional_id, self.required_acks, timeout_ms)
        self._topics: list[Any] = [(name, [(*each, {}) for each in partitions], {}) for name, partitions in topics]

    def build(self, request_struct_class: type[_Produce]) -> _Produce:
        """The request as it goes over the wire."""
        return request_struct_class(*self._head, self._topics, {})


class _EndResponse(Response):  # type: ignore[misc]
    API_KEY = 26
    API_VERSION = 5
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("error_code", Int16), ("producer_id", Int64), ("producer_epoch", Int16), _TAGS
    )


class _End(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 26
    API_VERSION = 5
    RESPONSE_TYPE = _EndResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("transaction_result", Boolean),
        _TAGS,
    )


class EndAndBump(Request[_End]):  # type: ignore[misc]
    """Commit a transaction; the answer has the identity for the next one.

    Args:
        transactional_id: Of the producer.
        producer_id: Its number.
        producer_epoch: Of this transaction.
    """

    API_KEY = 26

    def __init__(self, transactional_id: str | None, producer_id: int, producer_epoch: int) -> None:
        self._fields: tuple[Any, ...] = (transactional_id, producer_id, producer_epoch, True, {})

    def build(self, request_struct_class: type[_End]) -> _End:
        """The request as it goes over the wire."""
        return request_struct_class(*self._fields)


class _VersionsResponse(Response):  # type: ignore[misc]
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        ("api_versions", CompactArray(("api_key", Int16), ("min_version", Int16), ("max_version", Int16), _TAGS)),
        ("throttle_time_ms", Int32),
        _TAGS,
    )


class _Versions(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 18
    API_VERSION = 3
    RESPONSE_TYPE = _VersionsResponse
    SCHEMA = Schema(("client_software_name", _TEXT), ("client_software_version", _TEXT), _TAGS)

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        """The old header: a client that asks for versions doesn't know yet what the broker speaks."""
        return ResponseHeader_v0.decode(read_buffer)


class _AskVersions(Request[_Versions]):  # type: ignore[misc]
    API_KEY = 18

    def prepare(self, versions: dict[int, tuple[int, int]]) -> _Versions:
        """The request, if the broker speaks all that transactions of version 2 take."""
        for struct in (_Versions, _Produce, _End):
            if versions.get(struct.API_KEY, (0, -1))[1] < struct.API_VERSION:
                raise UnsupportedVersionError
        return self.build(_Versions)

    def build(self, request_struct_class: type[_Versions]) -> _Versions:
        """The request as it goes over the wire."""
        return request_struct_class(*_OWN_NAME, {})


async def has_implicit_transactions(client: AIOKafkaClient, node: int) -> bool:
    """Whether the cluster of a broker has transactions of version 2."""
    try:
        answer = await client.send(node, _AskVersions())
    except UnsupportedVersionError:
        return False
    levels = answer.tags.get(_FINALIZED)
    return levels is not None and any(
        name == _FEATURE and most >= _LEVEL for name, most, _least, _tags in _LEVELS.decode(BytesIO(levels))
    )


_LEVELS: Final = CompactArray(("name", _TEXT), ("max", Int16), ("min", Int16), _TAGS)
