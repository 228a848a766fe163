"""Refused and late records keep what they were and say why they are there."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Batch, Chunk
from agents.spec import Field, StreamSpec
from pipeline.codec import Decoder, Reason, Reject
from pipeline.deadletter import dead_letters, late_records, parse_dead_letter, parse_late
from pipeline.errors import StateError

VALUES = [b'{"ts": 900}', None, b"\xff", b'{"ts": 950}', b'{"ts": 100}']
KEYS = [b"a", None, b"\xfe", b"b", b"c"]
HEADERS = [[("n", bytes([at]))] for at in range(5)]
STREAM = StreamSpec(
    name="s", topic="t", partitions=9, key=None, time="ts", id=None, fields={"ts": Field(name="ts", type="int")}
)


def chunk(*, headers=HEADERS):
    return Chunk(
        topic="t",
        partition=7,
        offsets=np.array([10, 11, 13, 17, 20]),
        timestamps_ms=np.arange(1000, 1005),
        keys=KEYS,
        values=VALUES,
        headers=headers,
        next_offset=21,
    )


def test_dead_letters_keep_payload_key_and_headers():
    """A refused record goes to the dead-letter topic byte for byte, a null payload as null, with its own headers."""
    _, rejects = Decoder(STREAM).decode(chunk())
    topic, partition, records = dead_letters(chunk(), rejects, "t")
    assert (topic, partition) == ("t.dead-letter", None)
    assert list(records.values) == [None, b"\xff"]
    assert list(records.keys) == [None, b"\xfe"]
    assert [headers[0] for headers in records.headers] == [HEADERS[1][0], HEADERS[2][0]]


def test_a_reader_learns_reason_and_origin_of_a_dead_letter():
    """Reason, error class, message and the original place come back from the headers."""
    _, rejects = Decoder(STREAM).decode(chunk())
    letters = [parse_dead_letter(headers) for headers in dead_letters(chunk(), rejects).records.headers]
    assert [(letter.reason, letter.error) for letter in letters] == [
        ("null", "TypeError"),
        ("invalid-utf8", "UnicodeDecodeError"),
    ]
    assert [letter.message for letter in letters] == [reject.message for reject in rejects]
    origin = letters[1].origin
    assert (origin.topic, origin.partition, origin.offset, origin.timestamp_ms) == ("t", 7, 13, 1002)
    assert origin.headers == (("n", b"\2"),)


def test_header_names_are_the_documented_ones():
    """Other programs find these header names, after the record's own."""
    reject = Reject(0, 10, Reason.WRONG_TYPE, "ValidationError", "no größe")
    (headers,) = dead_letters(chunk(), [reject], "other").records.headers
    assert headers == [
        ("n", b"\0"),
        ("streamgauge-reason", b"wrong-type"),
        ("streamgauge-error", b"ValidationError"),
        ("streamgauge-message", "no größe".encode()),
        ("streamgauge-topic", b"t"),
        ("streamgauge-partition", b"7"),
        ("streamgauge-offset", b"10"),
        ("streamgauge-timestamp-ms", b"1000"),
    ]


def test_a_record_refused_twice_tells_of_the_second_time():
    """A dead letter that was sent again and refused again is told by its newest headers."""
    first = dead_letters(chunk(), [Reject(0, 10, Reason.NULL, "A", "first")]).records.headers[0]
    again = chunk(headers=[first] * 5)
    second = dead_letters(again, [Reject(4, 20, Reason.BAD_JSON, "B", "second")]).records.headers[0]
    letter = parse_dead_letter(second)
    assert (letter.reason, letter.message, letter.origin.offset) == ("bad-json", "second", 20)
    assert letter.origin.headers == (("n", b"\0"),)


def test_no_rejects_no_dead_letters():
    """Without refused records there is nothing to append, and chunks without headers are fine."""
    assert len(dead_letters(chunk(), []).records) == 0
    reject = Reject(0, 10, Reason.NULL, "A", "m")
    assert parse_dead_letter(dead_letters(chunk(headers=None), [reject]).records.headers[0]).origin.headers == ()


def test_late_records_keep_what_they_were_and_name_their_tables():
    """A late record goes once to the late topic, intact, with every table it missed, watermark and lateness."""
    batch, _ = Decoder(STREAM).decode(chunk())
    late = {"b": np.array([2]), "a": np.array([1, 2])}
    topic, _, records = late_records(batch, late, np.array([900, 960, 970]), chunk=chunk())
    assert topic == "t.late"
    assert list(records.values) == VALUES[3:]
    assert list(records.keys) == [b"b", b"c"]
    first, second = map(parse_late, records.headers)
    assert (first.tables, first.watermark_ms, first.lateness_ms) == (("a",), 960, 10)
    assert (second.tables, second.watermark_ms, second.lateness_ms) == (("a", "b"), 970, 870)
    assert (second.origin.partition, second.origin.offset, second.origin.timestamp_ms) == (7, 20, 1004)
    assert second.origin.headers == (("n", b"\4"),)


def test_late_rows_without_their_payload_are_written_from_columns():
    """Repartitioned rows go to the late topic of their origin as JSON of what they carried."""
    batch = Batch(
        stream="s",
        topic="t",
        partition=np.array([4, 5]),
        offsets=np.array([90, 80]),
        appended_ms=np.array([2000, 2001]),
        time_ms=np.array([1000, 1001]),
        columns={
            "who": ["x", "ü"],
            "n": np.array([1, 2]),
            "ok": np.array([True, False]),
            "gap": np.array([0.5, math.nan]),
            "hist": np.array([[1, 2], [3, 4]]),
        },
    )
    outgoing = late_records(batch, {"a": np.array([1])}, np.array([0, 5000]), key="who")
    assert outgoing.topic == "t.late"
    assert json.loads(outgoing.records.values[0]) == {"who": "ü", "n": 2, "ok": False, "gap": None, "hist": [3, 4]}
    assert list(outgoing.records.keys) == ["ü".encode()]
    origin = parse_late(outgoing.records.headers[0]).origin
    assert (origin.topic, origin.partition, origin.offset, origin.timestamp_ms) == ("t", 5, 80, 2001)
    for key in (None, "not carried"):
        assert list(late_records(batch, {"a": np.array([1])}, np.array([0, 5000]), key=key).records.keys) == [None]


@pytest.mark.parametrize("parse", [parse_dead_letter, parse_late])
def test_records_of_others_are_told(parse):
    """Headers that streamgauge did not write, or that somebody changed, are a clear error."""
    with pytest.raises(StateError, match=r"lacks the header streamgauge-.*it has none of ours"):
        parse([("n", b"1")])
    names = ("reason", "error", "message", "tables", "watermark-ms", "lateness-ms", "topic", "partition", "offset")
    with pytest.raises(StateError, match=r"header streamgauge-.* is 'x', expected a whole number"):
        parse([(f"streamgauge-{name}", b"x") for name in names])


@given(
    st.sampled_from(Reason),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.lists(st.tuples(st.sampled_from(["n", "traceparent", ""]), st.binary(max_size=5)), max_size=3),
)
def test_any_message_and_headers_come_back(reason, message, headers):
    """What goes into the headers is what a reader gets, whatever the text."""
    reject = Reject(3, 17, reason, "E", message)
    letter = parse_dead_letter(dead_letters(chunk(headers=[headers] * 5), [reject]).records.headers[0])
    assert (letter.reason, letter.error, letter.message) == (reason, "E", message)
    assert letter.origin.headers == tuple(headers)
