"""What compiled code reads is what the parser reads, and what it leaves the parser still judges."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.events import Chunk
from agents.spec import Field, StreamSpec
from pipeline.codec import Decoder
from tables.slices import Texts, payloads_of

pytest.importorskip("numba")
NOW_MS = 1_700_000_000_000
FIELDS = [
    Field(name="id", type="str"),
    Field(name="ts", type="int"),
    Field(name="amount", type="int", optional=True),
    Field(name="prix €", type="float"),
    Field(name="ratio", type="float", optional=True),
    Field(name="ok", type="bool"),
    Field(name="maybe", type="bool", optional=True),
    Field(name="note", type="str", optional=True),
    Field(name="count", type="int"),
]
STREAM = StreamSpec(
    name="s", topic="t", partitions=1, key=None, time="ts", id="id", fields={field.name: field for field in FIELDS}
)
DECODERS = {bounded: Decoder(STREAM, bounded=["count", "prix €"] if bounded else []) for bounded in (False, True)}
GOOD = {"id": "r1", "ts": NOW_MS, "amount": 5, "prix €": 1.5, "ok": True, "note": "é", "count": 3}


def written(members, **how):
    return json.dumps(members, ensure_ascii=False, **how).encode()


def chunk(values):
    n = len(values)
    return Chunk(
        topic="t",
        partition=0,
        offsets=np.arange(n),
        timestamps_ms=np.full(n, NOW_MS),
        keys=[None] * n,
        values=values,
        next_offset=n,
    )


def read(values, *, compiled, bounded=False):
    """Columns as lists, rejects, and how many were read by compiled code."""
    decoder = DECODERS[bounded]
    scanner = decoder._scanner
    assert scanner is not None
    try:
        decoder._scanner = scanner if compiled else None
        batch, rejects = decoder.decode(chunk(values))
    finally:
        decoder._scanner = scanner
    columns = {
        name: [repr(item) for item in (column.tolist() if isinstance(column, np.ndarray) else column)]
        for name, column in batch.columns.items()
    }
    types = {name: getattr(column, "dtype", str) for name, column in batch.columns.items()}
    return columns, types, batch.offsets.tolist(), rejects


def same(values, *, bounded=False):
    assert read(values, compiled=True, bounded=bounded) == read(values, compiled=False, bounded=bounded)


numbers = (
    st.integers(-(1 << 65), 1 << 65)
    | st.sampled_from([0, -0.0, 1e22, 1e23, 1e-22, 1e-23, 0.1, 5e-324, 1 << 42, (1 << 42) - 1, 10**18, 10**17])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-(10**6), 10**6, places=2).map(float)
)
anything = st.none() | st.booleans() | numbers | st.text(max_size=12) | st.lists(st.integers(), max_size=2)
names = st.sampled_from([field.name for field in FIELDS]) | st.text(max_size=6)


@st.composite
def records(draw):
    """A good record with some members changed, dropped, added and moved, written in one of several ways."""
    members = dict(GOOD) | draw(st.dictionaries(names, anything, max_size=4))
    for name in draw(st.lists(st.sampled_from(sorted(members)), max_size=2)):
        members.pop(name, None)
    ordered = draw(st.permutations(sorted(members)))
    text = json.dumps(
        {name: members[name] for name in ordered},
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1])),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " :\t")])),
    )
    data = bytearray(text.encode())
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=1)):
        data[at] = byte
    return bytes(data)


@given(st.lists(records() | st.none() | st.binary(max_size=8), max_size=6), st.booleans())
def test_compiled_code_and_the_parser_agree(values, bounded):
    same(values, bounded=bounded)


@given(st.binary(min_size=1, max_size=6))
@example(b"\xed\xa0\x80")  # a surrogate
@example(b"\xc0\xaf")  # overlong
@example(b"\xf4\x90\x80\x80")  # beyond the last character
@example(b"\xe2\x82")  # cut off
def test_bytes_within_a_string(inside):
    same([written(GOOD).replace(b"r1", b"#").replace(b"#", inside)])


NUMERALS = [
    "0",
    "-0",
    "00",
    "-",
    "+1",
    "1.",
    ".5",
    "1e5",
    "1E+2",
    "1e-400",
    "1.0",
    "0.1",
    "0.30000000000000004",
    "1e9999",
]
NUMERALS += ["9007199254740993", "123456789012345.6", "-1.25", "1" * 18, "9" * 19, "1" * 400, "1e", "1e+", "0x1", "1_0"]


@pytest.mark.parametrize("field", ["count", "prix €", "amount", "ratio", "other", "ts"])
@pytest.mark.parametrize("numeral", NUMERALS)
def test_numerals(field, numeral):
    same([written(GOOD | {field: "@"}).replace(b'"@"', numeral.encode())])
    same([written(GOOD | {field: "@"}).replace(b'"@"', numeral.encode())], bounded=True)


@pytest.mark.parametrize(
    "literal", ["true", "false", "null", "tru", "nul", "falsy", "trueish", "True", "NaN", "{}", "[1]"]
)
@pytest.mark.parametrize("field", ["ok", "maybe", "amount", "note", "other", "count"])
def test_literals(field, literal):
    same([written(GOOD | {field: "@"}).replace(b'"@"', literal.encode())])


@given(st.floats(-1e14, 1e14).map(lambda x: round(x, 3)))
def test_plain_fractions_are_read_exactly(value):
    columns, _, _, _ = read([written(GOOD | {"prix €": value})], compiled=True)
    assert columns["prix €"] == [repr(value)]


def test_payloads_of_the_common_kind_are_read_by_compiled_code():
    """Else the rest of this file would compare the parser with itself."""
    plain = [written(GOOD), written(GOOD, indent=1), written(GOOD | {"amount": None})]
    odd = [written(GOOD | {"note": "\n"}), written(GOOD | {"other": {}}), None, b"", b"{}"]
    taken = DECODERS[False]._scanner.scan([*plain, *odd]).taken
    assert taken.tolist() == [True] * len(plain) + [False] * len(odd)


def test_a_record_at_the_end_of_the_data_is_not_read_beyond():
    value = written(GOOD)
    for cut in range(len(value)):
        same([value[:cut]])


def test_a_payload_longer_than_allowed_is_left_to_the_parser():
    same([written(GOOD | {"other": "x" * 70_000})])


@pytest.mark.parametrize(("size", "is_read"), [(200, True), (201, False)])
def test_a_very_long_name_is_left_to_the_parser(size, is_read):
    """Names are compared beyond the end of a payload, for which so much room is kept."""
    name = "n" * size
    fields = {"ts": Field(name="ts", type="int"), name: Field(name=name, type="int")}
    decoder = Decoder(replace(STREAM, id=None, fields=fields))
    assert (decoder._scanner is not None) == is_read
    batch, _ = decoder.decode(chunk([b'{"ts":5,"%s":7}' % name.encode(), b'{"ts":5,"']))
    assert batch.columns[name].tolist() == [7]


def test_columns_point_into_the_payloads():
    values = payloads_of([written(GOOD | {"id": f"r{i}", "prix €": math.pi}) for i in range(3)])
    texts = DECODERS[False]._scanner.scan(values).columns["note"]
    assert isinstance(texts, Texts)
    assert texts.data is values.data
