"""Whatever comes: each record once, as its own JSON says, however the chunks are cut."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from pipeline.codec import Decoder
from tests.pipeline.codec.records import FIELDS, GOOD, NOW_MS, STREAM, chunk, outcome


def row(batch, at):
    return {
        name: column[at] if isinstance(column, list) else column[at].tolist() for name, column in batch.columns.items()
    }


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
