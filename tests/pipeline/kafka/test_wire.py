"""Fetch responses are read as the client library reads them, without a copy of their record batches."""

from io import BytesIO

import pytest
from aiokafka.protocol.fetch import FetchRequest

from pipeline.kafka.consuming.wire import FetchInPlace, Region

VERSIONS = [kind for kind in FetchRequest._CLASSES if kind.API_VERSION >= 4]
BATCHES = [b"first" * 30, b"", None]


def answer(kind):
    """A response with every field of its version."""
    fields = {
        "throttle_time_ms": 7,
        "error_code": 0,
        "session_id": 3,
        "highwater_offset": 90,
        "last_stable_offset": 80,
        "log_start_offset": 2,
        "aborted_transactions": [(5, 60)],
        "preferred_read_replica": -1,
    }
    names = kind.SCHEMA.fields[-1].array_of.fields[1].array_of.names[1:-1]
    partitions = [(number, *(fields[name] for name in names), data) for number, data in enumerate(BATCHES)]
    return kind(*(fields[name] for name in kind.SCHEMA.names[:-1]), [("payments", partitions)])


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"v{version.API_VERSION}")
def test_batches_are_parts_of_the_response(version):
    request = FetchInPlace(500, 1, 1 << 20, 1, [("payments", [(0, 40, 1 << 20)])]).build(version)
    assert (
        request.encode() == FetchRequest(500, 1, 1 << 20, 1, [("payments", [(0, 40, 1 << 20)])]).build(version).encode()
    )
    expected = answer(version.RESPONSE_TYPE)
    sent = expected.encode()
    found = request.RESPONSE_TYPE.decode(BytesIO(sent))
    assert request.RESPONSE_TYPE.API_VERSION == version.API_VERSION
    ((_, wanted),), ((topic, partitions),) = expected.topics, found.topics
    assert topic == "payments"
    for (*rest, data), (*others, region) in zip(wanted, partitions, strict=True):
        assert isinstance(region, Region)
        assert others == rest
        assert region.data is sent
        assert sent[region.start : region.stop] == (data or b"")


def test_a_response_that_ends_too_early_is_refused():
    request = FetchInPlace(500, 1, 1 << 20, 1, []).build(VERSIONS[-1])
    whole = answer(VERSIONS[-1].RESPONSE_TYPE).encode()
    with pytest.raises(ValueError, match="ends within"):
        request.RESPONSE_TYPE.decode(BytesIO(whole[:100]))
