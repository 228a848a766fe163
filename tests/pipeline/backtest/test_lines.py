"""Lines of a file find their stream and partition, or are said to find none."""

import orjson
import pytest

from agents.spec import Field, StreamSpec
from pipeline.backtest.lines import Lines
from pipeline.errors import UsageError
from pipeline.log.partitioner import partition_column

FIELDS = {"ts": Field(name="ts", type="int"), "who": Field(name="who", type="str")}


def stream(name, **changes):
    made = {"name": name, "topic": name, "partitions": 3, "key": "who", "time": "ts", "id": None, "fields": FIELDS}
    return StreamSpec(**{**made, **changes})


ORDERS, LABELS = stream("orders", types=("buy", "sell")), stream("labels", topic="verdicts", partitions=1)
STREAMS = {"orders": ORDERS, "labels": LABELS}


def feeds_of(records, streams=STREAMS, **options):
    """Feeds of all records, and the bad lines."""
    bad = []
    lines = [record if isinstance(record, bytes) else orjson.dumps(record) for record in records]
    return [feed for step in Lines(streams, bad.append, **options).steps(lines) for feed in step], bad


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        *((kind, "orders") for kind in ("buy", "sell", "orders", "order")),
        *((kind, "verdicts") for kind in ("label", "labels", "verdict", "verdicts")),
    ],
)
def test_the_type_says_the_stream(kind, topic):
    """A declared type, the stream's name or its topic, with or without a plural s."""
    feeds, bad = feeds_of([{"type": kind, "ts": 5, "who": "ann"}])
    assert ([feed.chunk.topic for feed in feeds], bad) == ([topic], [])


def test_a_declared_type_goes_before_a_name():
    """What a stream claims is its own, even if another one is called so."""
    streams = {"orders": stream("orders"), "all": stream("all", types=("order", "orders"))}
    feeds, _ = feeds_of([{"type": "orders", "ts": 5}, {"type": "order", "ts": 5}], streams)
    assert [(feed.chunk.topic, len(feed.chunk)) for feed in feeds] == [("all", 2)]


@pytest.mark.parametrize("record", [{"ts": 5}, {"ts": 5, "type": "whatever"}, {"ts": 5, "type": 3}])
def test_a_single_stream_takes_everything(record):
    """Nothing has to be told apart."""
    feeds, bad = feeds_of([record], {"orders": ORDERS})
    assert ([feed.chunk.topic for feed in feeds], bad) == (["orders"], [])


def test_bad_lines_are_told_by_number():
    """No JSON, no object, no type, and a type of no stream: the others count, blank lines are nothing."""
    good = {"type": "buy", "ts": 5, "who": "ann"}
    deep = b"[" * 100_000
    feeds, bad = feeds_of([b"junk\n", b"\n", good, b"[1]", b"\xff\xfe", {"ts": 1}, {"type": "rent"}, deep, good])
    assert [line.line for line in bad] == [1, 4, 5, 6, 7, 8]
    assert "has no type" in bad[3].reason
    assert "'rent'" in bad[4].reason
    assert [feed.order.tolist() for feed in feeds] == [[3, 9]]


def test_places_are_those_of_an_empty_log():
    """Partitions follow from the key as in Kafka, offsets count on over steps, and payloads are as they came."""
    records = [{"type": "buy", "ts": i, "who": f"w{i % 7}"} for i in range(10_000)]
    feeds, _ = feeds_of(records, step=4_000)
    expected = partition_column([record["who"].encode() for record in records], 3, 0)
    for number in range(3):
        mine = [feed for feed in feeds if feed.chunk.partition == number]
        order = [line - 1 for feed in mine for line in feed.order.tolist()]
        assert order == (expected == number).nonzero()[0].tolist()
        assert [at for feed in mine for at in feed.chunk.offsets.tolist()] == list(range(len(order)))
        assert [value for feed in mine for value in feed.chunk.values] == [orjson.dumps(records[i]) for i in order]
    assert len(feeds) == 9


@pytest.mark.parametrize(("limit", "last"), [(None, 900), (100, 100), (5, 900)])
def test_the_clock_is_the_newest_event_time(limit, last):
    """It never goes back; beyond the limit it does not go, unless the file begins there."""
    feeds, _ = feeds_of([{"ts": ts} for ts in (10, 30, 20, 900)], {"labels": LABELS}, limit_ms=limit)
    assert feeds[0].chunk.timestamps_ms.tolist() == [10, 30, 30, last]


def test_odd_times_and_keys_are_left_to_the_shard():
    """A record with a key or time of another type, or with none, still goes to its stream."""
    odd = [{"type": "buy", "ts": "x", "who": 7}, {"type": "buy"}, b'{"type": "buy", "ts": 1e99, "who": []}']
    feeds, bad = feeds_of(odd)
    assert (sum(len(feed.chunk) for feed in feeds), bad) == (3, [])
    assert {key for feed in feeds for key in feed.chunk.keys} == {b"7", None}


def test_a_configuration_without_streams_is_refused():
    """There is nothing to run."""
    with pytest.raises(UsageError, match="no stream"):
        feeds_of([], {})
