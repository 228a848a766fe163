"""What the codec accepts, what it refuses and why, and that records can't touch each other."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Chunk
from agents.spec import Field, StreamSpec
from pipeline.codec import MAX_DEPTH, Decoder, Reason
from pipeline.codec.rows import MAX_TIME_MS
from pipeline.errors import ConfigError

NOW_MS = 1_700_000_000_000
FIELDS = [
    Field(name="id", type="str"),
    Field(name="ts", type="int"),
    Field(name="amount", type="int"),
    Field(name="price", type="float", unit=0.01),
    Field(name="ok", type="bool"),
    Field(name="hist", type="ints", width=3),
    Field(name="note", type="str", optional=True),
    Field(name="score", type="int", optional=True),
    Field(name="ratio", type="float", optional=True),
    Field(name="flag", type="bool", optional=True),
    Field(name="vec", type="ints", width=2, optional=True),
]
STREAM = StreamSpec(
    name="s", topic="t", partitions=1, key=None, time="ts", id="id", fields={field.name: field for field in FIELDS}
)
GOOD = {"id": "r1", "ts": NOW_MS, "amount": 5, "price": 1.5, "ok": True, "hist": [1, 2, 3]}
KINDS = {"str": list, "int": np.int64, "float": np.float64, "bool": np.bool_, "ints": np.int64}


def payload(**changes):
    """GOOD with fields replaced; the value is JSON text if it is bytes."""
    parts = {name: json.dumps(value).encode() for name, value in GOOD.items()}
    parts |= {name: v if isinstance(v, bytes) else json.dumps(v).encode() for name, v in changes.items()}
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), part) for name, part in parts.items()) + b"}"


def chunk(values, *, now_ms=NOW_MS, headers=None):
    n = len(values)
    return Chunk(
        topic="t",
        partition=3,
        offsets=np.arange(100, 100 + 2 * n, 2),
        timestamps_ms=np.full(n, now_ms, np.int64),
        keys=[None] * n,
        values=values,
        headers=headers,
        next_offset=100 + 2 * n,
    )


def outcome(value, decoder=None):
    """``None`` if accepted alone, else the reason."""
    batch, rejects = (decoder or Decoder(STREAM)).decode(chunk([value]))
    assert len(batch) + len(rejects) == 1
    return str(rejects[0].reason) if rejects else None


def row(batch, at):
    return {
        name: column[at] if isinstance(column, list) else column[at].tolist() for name, column in batch.columns.items()
    }


def test_columns_have_the_declared_types_and_shapes():
    """Each field type becomes the column type that the contract names, also for optional fields and no records."""
    for n in (0, 2):
        batch, rejects = Decoder(STREAM).decode(chunk([payload()] * n))
        assert rejects == []
        for field in FIELDS:
            column = batch.columns[field.name]
            if field.type == "str":
                assert isinstance(column, list)
                assert len(column) == n
                continue
            assert column.dtype == (np.float64 if field.optional else KINDS[field.type])
            assert column.shape == ((n, field.width) if field.type == "ints" else (n,))


def test_missing_and_null_optional_fields_are_empty_or_nan():
    """An absent or null optional text is "", an optional number, truth value or vector is NaN."""
    nulls = dict.fromkeys(("note", "score", "ratio", "flag", "vec"))
    full = {"note": "hm", "score": 7, "ratio": 0.5, "flag": True, "vec": [1, 2]}
    batch, _ = Decoder(STREAM).decode(chunk([payload(), payload(**nulls), payload(**full)]))
    assert batch.columns["note"] == ["", "", "hm"]
    for name, value in (("score", 7), ("ratio", 0.5), ("flag", 1), ("vec", [1, 2])):
        assert np.isnan(batch.columns[name][:2]).all()
        assert batch.columns[name][2].tolist() == value


def test_coordinates_and_headers_follow_the_accepted_records():
    """Offsets, append times, partition and headers of a batch are those of its records, rejects left out."""
    headers = [[("n", bytes([at]))] for at in range(3)]
    batch, rejects = Decoder(STREAM).decode(chunk([payload(), b"?", payload(ts=NOW_MS - 7)], headers=headers))
    assert batch.offsets.tolist() == [100, 104]
    assert batch.partition.tolist() == [3, 3]
    assert batch.appended_ms.tolist() == [NOW_MS, NOW_MS]
    assert batch.time_ms.tolist() == [NOW_MS, NOW_MS - 7]
    assert batch.headers == [headers[0], headers[2]]
    assert [(reject.index, reject.offset) for reject in rejects] == [(1, 102)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null"),
        (b"null", "null"),
        (b" null\n", "null"),
        (b"", "bad-json"),
        (b"  ", "bad-json"),
        (b"{}", "missing-field"),
        (b"[]", "wrong-type"),
        (b"17", "wrong-type"),
        (b'"text"', "wrong-type"),
        (b"{},{}", "missing-field"),
        (b'{"id":"x"}\n{"id":"y"}', "missing-field"),
        (payload() + payload(), "bad-json"),
        (payload() + b"," + payload(), "bad-json"),
        (payload() + b"x", "bad-json"),
        (payload() + b" \r\n\t", None),
        (b"\n " + payload(), None),
        (payload()[:-1], "bad-json"),
        (b"\xef\xbb\xbf" + payload(), "bad-json"),
        (payload().decode().encode("utf-16"), "invalid-utf8"),
        (payload(id=b'"\xff"'), "invalid-utf8"),
        (payload(other=b'"\xff"'), "invalid-utf8"),
        (payload(id=b'"\xed\xa0\x80"'), "invalid-utf8"),
        (b"\xc3", "invalid-utf8"),
        (payload(id=rb'"\ud800"'), "bad-json"),
        (payload(other=rb'"\ud800"'), "bad-json"),
        (payload(id=rb'"\ud83d\ude00"'), None),
        (payload(id=b'"a\nb"'), "bad-json"),
        (payload(other=b"NaN"), "bad-json"),
        (payload(price=b"NaN"), "bad-json"),
        (payload(price=b"Infinity"), "bad-json"),
        (payload(price=b"1e400"), "out-of-range"),
        (payload(price=b"1" * 400), "out-of-range"),
        (payload(price=b"-1e-400"), None),
        (payload(price=b"3"), None),
        (payload(price=b"true"), "wrong-type"),
        (payload(ok=b"2"), "out-of-range"),
        (payload(ok=b"1.0"), "wrong-type"),
        (payload(amount=b"1.0"), "wrong-type"),
        (payload(amount=b"1e3"), "wrong-type"),
        (payload(amount=b"true"), "wrong-type"),
        (payload(amount=b'"5"'), "wrong-type"),
        (payload(amount=b"null"), "wrong-type"),
        (payload(amount=b"01"), "bad-json"),
        (payload(amount=2**63 - 1), None),
        (payload(amount=2**63), "out-of-range"),
        (payload(amount=-(2**63)), None),
        (payload(amount=-(2**63) - 1), "out-of-range"),
        (payload(amount=b"9" * 5000), "out-of-range"),
        (payload(score=2**63), "out-of-range"),
        (payload(score=b'"1"'), "wrong-type"),
        (payload(hist=[1, 2]), "wrong-type"),
        (payload(hist=[1, 2, 3, 4]), "wrong-type"),
        (payload(hist=[1, 2, "3"]), "wrong-type"),
        (payload(hist=[1, 2, 2**63]), "out-of-range"),
        (payload(ts=0), "absurd-time"),
        (payload(ts=-1), "absurd-time"),
        (payload(ts=1), None),
        (payload(ts=MAX_TIME_MS + 1), "absurd-time"),
        (payload(ts=b"9" * 5000), "absurd-time"),
        (payload(ts=NOW_MS + STREAM.max_ahead_ms), None),
        (payload(ts=NOW_MS + STREAM.max_ahead_ms + 1), "absurd-time"),
        (payload(ts=b"1.5"), "wrong-type"),
        (payload(other=[{"a": None}, 1e9]), None),
        (payload(other=b"1e999"), None),
    ],
)
def test_verdict_on_each_kind_of_payload(value, reason):
    """Each malformed payload is refused for the documented reason, each odd but valid one is accepted."""
    assert outcome(value) == reason


def test_the_last_second_of_the_year_9999_is_a_time():
    """The largest allowed event time is accepted when the append time is near it."""
    batch, rejects = Decoder(STREAM).decode(chunk([payload(ts=MAX_TIME_MS)], now_ms=MAX_TIME_MS))
    assert rejects == []
    assert batch.time_ms.tolist() == [MAX_TIME_MS]


def test_times_before_the_earliest_are_absurd():
    """A time below earliest_ms is refused, with the right number where it holds seconds; one at it is accepted."""
    earliest_ms = 100_000_000_000
    decoder = Decoder(replace(STREAM, earliest_ms=earliest_ms))
    seconds = NOW_MS // 1_000
    times = [earliest_ms, earliest_ms - 1, seconds, 5, NOW_MS, seconds + 600, seconds + 601]
    batch, rejects = decoder.decode(chunk([payload(ts=time) for time in times]))
    assert batch.time_ms.tolist() == [earliest_ms, NOW_MS]
    assert batch.offsets.tolist() == [100, 108]
    assert [(each.index, str(each.reason)) for each in rejects] == [(at, "absurd-time") for at in (1, 2, 3, 5, 6)]
    hints = [each.message.partition("; ")[2] for each in rejects]
    begin = "these look like seconds, send "
    assert hints == ["", f"{begin}{NOW_MS}", "", f"{begin}{NOW_MS + 600_000}", ""]


def test_over_long_payloads_are_refused_at_the_limit():
    """A payload of max_bytes is accepted and one byte more is refused, whatever it holds."""
    exact = payload()
    decoder = Decoder(replace(STREAM, max_bytes=len(exact)))
    assert outcome(exact, decoder) is None
    assert outcome(exact + b" ", decoder) == "too-long"
    assert outcome(b"\xff" * (len(exact) + 1), decoder) == "too-long"
    batch, rejects = decoder.decode(chunk([exact, exact + b" ", exact]))
    assert (len(batch), [str(reject.reason) for reject in rejects]) == (2, ["too-long"])


def nested(depth):
    """A record that is ``depth`` levels deep, its own object included."""
    return payload(other=b"[" * (depth - 1) + b"]" * (depth - 1))


def test_nesting_is_bounded_at_a_fixed_depth():
    """500 levels are accepted and 501 refused; brackets within strings are no levels; deeper ones never crash."""
    assert outcome(nested(MAX_DEPTH)) is None
    assert outcome(nested(MAX_DEPTH + 1)) == "bad-json"
    assert outcome(payload(other="[" * 5000 + '\\"{' * 100)) is None
    assert outcome(payload(other=[[]] * 5000)) is None
    assert outcome(payload(other=b'{"a":' * 5000 + b"1" + b"}" * 5000)) == "bad-json"
    assert outcome(b"[" * 60_000) == "bad-json"


def test_depth_check_is_linear_on_unfinished_strings():
    """Quotes and backslashes without end are judged in one pass over them."""
    assert outcome(b"[" * 600 + b'"\\"' * 20_000) == "bad-json"
    assert outcome(b"[" * 600 + b'"' + b"\\" * 60_001) == "bad-json"


def test_a_repeated_name_counts_as_its_last_value_but_each_must_have_the_type():
    """Two values for one name: the last is taken, as by json.loads, and a wrong one is not hidden by it."""
    twice = payload()[:-1] + b',"amount":9}'
    batch, _ = Decoder(STREAM).decode(chunk([twice]))
    assert batch.columns["amount"].tolist() == [9] == [json.loads(twice)["amount"]]
    assert outcome(payload()[:-1] + b',"amount":"x","amount":9}') == "wrong-type"
    assert outcome(payload()[:-1] + rb',"\u0061mount":"x"}') == "wrong-type"


def test_summed_fields_are_bounded_in_their_unit():
    """A bounded field is refused from 2**42 units on, in both directions, and an unbounded one is not."""
    decoder = Decoder(STREAM, bounded={"amount", "price", "hist", "score", "ratio"})
    limit = 2**42
    for name, inside, outside in [
        ("amount", limit - 1, limit),
        ("score", limit - 1, limit),
        ("hist", [0, 0, limit - 1], [0, 0, limit]),
        ("price", limit * 0.01 - 1, limit * 0.01),
        ("ratio", limit * 0.001 - 1, limit * 0.001),
    ]:
        negative = [-v for v in inside] if isinstance(inside, list) else -inside
        assert outcome(payload(**{name: inside}), decoder) is None
        assert outcome(payload(**{name: negative}), decoder) is None
        beyond = [-v for v in outside] if isinstance(outside, list) else -outside
        assert outcome(payload(**{name: outside}), decoder) == "out-of-range"
        assert outcome(payload(**{name: beyond}), decoder) == "out-of-range"
        assert outcome(payload(**{name: outside})) is None


def test_only_needed_fields_become_columns_but_all_are_checked():
    """A field nobody reads has no column, and a wrong value in it still refuses the record."""
    decoder = Decoder(STREAM, needed={"amount"})
    batch, _ = decoder.decode(chunk([payload()]))
    assert set(batch.columns) == {"amount", "ts", "id"}
    assert outcome(payload(hist=[1]), decoder) == "wrong-type"


def test_any_field_name_of_json_works():
    """Names that are no Python identifiers, keywords and non-ASCII ones are read like others."""
    names = ["user-id", "class", "größe", "", "f0", " "]
    fields = {name: Field(name=name, type="int") for name in names}
    stream = StreamSpec(name="s", topic="t", partitions=1, key=None, time="@ts", id=None, fields=fields)
    value = json.dumps({name: at for at, name in enumerate(names)} | {"@ts": 5}, ensure_ascii=False).encode()
    batch, _ = Decoder(stream).decode(chunk([value]))
    assert [batch.columns[name].tolist() for name in names] == [[at] for at in range(len(names))]


def test_undeclared_time_and_id_are_required():
    """The time and id fields of a stream are read as int and text also when its fields don't list them."""
    stream = StreamSpec(name="s", topic="t", partitions=1, key=None, time="ts", id="id", fields={})
    batch, _ = Decoder(stream).decode(chunk([b'{"ts":5,"id":"a"}']))
    assert batch.columns["id"] == ["a"]
    assert outcome(b'{"ts":5}', Decoder(stream)) == "missing-field"


@pytest.mark.parametrize(
    ("changes", "options", "found"),
    [
        ({}, {"needed": {"amuont"}}, "no field 'amuont' of stream s"),
        ({}, {"bounded": {"nope"}}, "no field 'nope' of stream s"),
        ({"time": "price"}, {}, "time field 'price' of stream s must be a required int"),
        ({"time": "score"}, {}, "time field 'score' of stream s must be a required int"),
        ({"fields": STREAM.fields | {'a"b': Field(name='a"b', type="int")}}, {}, "without quote"),
    ],
)
def test_a_decoder_that_cannot_be_built_says_why(changes, options, found):
    """An impossible stream or option is a ConfigError that names it."""
    with pytest.raises(ConfigError, match=found):
        Decoder(replace(STREAM, **changes), **options)


def test_a_reject_tells_class_and_sentence_but_no_payload():
    """A reject names the error's class and the field, and does not repeat what the payload held."""
    values = [payload(amount="secret"), b"secret", None, payload(id=b'"\xffsecret"'), b"s" * 70_000]
    _, rejects = Decoder(STREAM).decode(chunk(values))
    assert [reject.error for reject in rejects] == [
        "ValidationError",
        "DecodeError",
        "TypeError",
        "UnicodeDecodeError",
        "ValueError",
    ]
    assert rejects[0].message == "Expected `int`, got `str` - at `$.amount`"
    assert not any("secret" in reject.message for reject in rejects)


def test_bad_neighbours_leave_good_records_as_they_are():
    """Among 2,000 records with every third one malformed, the good ones decode as alone and in place."""
    bad = [b"{", b"{},{}", None, b'{"id":"', b"]", b"\xff", b"x" * 70_000, nested(600), payload(amount=2**70)]
    values = [bad[at // 3 % len(bad)] if at % 3 == 0 else payload(amount=at) for at in range(2000)]
    batch, rejects = Decoder(STREAM).decode(chunk(values))
    assert batch.columns["amount"].tolist() == [at for at in range(2000) if at % 3]
    assert [reject.index for reject in rejects] == list(range(0, 2000, 3))
    alone = [outcome(value) for value in bad]
    assert [str(reject.reason) for reject in rejects] == [alone[at % len(bad)] for at in range(len(rejects))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["\ud800", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.sampled_from([0, -1, 2**42, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1e308, 0.1, math.inf])
VALID = st.fixed_dictionaries(
    {
        "id": st.text(max_size=8),
        "ts": st.integers(1, NOW_MS),
        "amount": st.integers(-(2**63), 2**63 - 1),
        "price": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
        "ok": st.booleans() | st.integers(0, 1),
        "hist": st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3),
    },
    optional={
        "note": st.none() | st.text(max_size=4),
        "score": st.none() | st.integers(-(2**53), 2**53),
        "ratio": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "flag": st.none() | st.booleans() | st.integers(0, 1),
        "vec": st.none() | st.lists(st.integers(-100, 100), min_size=2, max_size=2),
        "extra": JSON,
    },
)
NAMES = st.sampled_from([*STREAM.fields, "extra"])


@st.composite
def records(draw):
    """Payloads from valid to noise: right objects, objects with a wrong field, damaged bytes, plain bytes, nulls."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.none() | st.binary(max_size=40))
    record = draw(VALID)
    if kind <= 3:
        record[draw(NAMES)] = draw(JSON | NUMBERS)
    if kind == 4:
        record.pop(draw(st.sampled_from(sorted(GOOD))))
    value = json.dumps(record, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    data = value.encode("utf-8", "surrogatepass")
    if kind == 5:
        at = draw(st.integers(0, len(data)))
        junk = draw(st.binary(max_size=3) | st.sampled_from([b",", b"}", b"},{", b'"', b"\n", b"\\", b"1"]))
        data = data[:at] + junk + data[at + draw(st.integers(0, 3)) :]
    return data


def expected(record):
    """The row of an accepted record, from the parsed JSON alone."""
    result = {}
    for field in FIELDS:
        value = record.get(field.name)
        if field.type == "str":
            result[field.name] = value or ""
        elif value is None:
            result[field.name] = [math.nan] * field.width if field.type == "ints" else math.nan
        elif field.type == "ints":
            result[field.name] = [float(v) for v in value] if field.optional else value
        elif field.type == "bool" and not field.optional:
            result[field.name] = bool(value)
        else:
            result[field.name] = float(value) if field.optional or field.type == "float" else value
    return result


@given(st.lists(records(), max_size=8))
def test_every_record_is_once_in_batch_or_rejects_and_equals_its_own_json(values):
    """Whatever comes, decode does not raise, loses or repeats nothing, and accepts what json.loads reads."""
    batch, rejects = Decoder(STREAM).decode(chunk(values))
    accepted = (batch.offsets - 100) // 2
    assert sorted([*accepted.tolist(), *(reject.index for reject in rejects)]) == list(range(len(values)))
    assert [reject.index for reject in rejects] == sorted(reject.index for reject in rejects)
    for at, index in enumerate(accepted.tolist()):
        assert repr(row(batch, at)) == repr(expected(json.loads(values[index])))


@given(VALID.filter(lambda record: "\\ud800" not in json.dumps(record) and "NaN" not in json.dumps(record)))
def test_valid_records_are_accepted(record):
    """A record with the declared types and any extra JSON is never refused."""
    if "Infinity" not in json.dumps(record):
        assert outcome(json.dumps(record).encode()) is None


@given(st.lists(records(), max_size=8), st.integers(1, 8))
def test_verdicts_do_not_depend_on_chunks_or_on_what_is_needed(values, size):
    """Cut into other chunks, or with other columns wanted, the same records are refused for the same reasons."""
    whole = chunk(values)
    _, rejects = Decoder(STREAM).decode(whole)
    _, fewer = Decoder(STREAM, needed={"amount"}).decode(whole)
    parts = [Decoder(STREAM).decode(chunk(values[at : at + size]))[1] for at in range(0, len(values), size)]
    cut = [(reject.index + at * size, reject.reason) for at, part in enumerate(parts) for reject in part]
    assert fewer == rejects
    assert cut == [(reject.index, reject.reason) for reject in rejects]


def test_reasons_are_kebab_case():
    """A reason reads the same in headers, counters and code."""
    assert {str(reason) for reason in Reason} == {reason.name.lower().replace("_", "-") for reason in Reason}


@pytest.mark.parametrize("gap", [b"\n", b"\r\n", b"\n\n", b" \n\t"])
@pytest.mark.parametrize("empty", [b"", b" ", b"\t", b"\r"])
def test_no_payload_stands_for_two(gap, empty):
    """Two objects in one payload are one bad record, also when an empty one beside it would make up the number."""
    two = payload(id="x") + gap + payload(id="y")
    for values in ([two, empty], [empty, two], [payload(id="a"), empty, two, payload(id="b")]):
        batch, rejects = Decoder(STREAM).decode(chunk(values))
        accepted = [at for at, value in enumerate(values) if value not in (two, empty)]
        assert batch.offsets.tolist() == [100 + 2 * at for at in accepted]
        assert batch.columns["id"] == ["a", "b"][: len(accepted)]
        assert {reject.reason for reject in rejects} == {Reason.BAD_JSON}


def test_line_feeds_within_a_payload_are_white_space():
    """A record that is laid out over several lines is accepted, its neighbours too."""
    pretty = json.dumps(GOOD, indent=2).encode()
    batch, rejects = Decoder(STREAM).decode(chunk([payload(id="a"), pretty, payload(id="b")]))
    assert rejects == []
    assert batch.columns["id"] == ["a", "r1", "b"]
