"""What a decoder makes of accepted records: columns of the declared types, in place."""

import json
from dataclasses import replace

import numpy as np
import pytest

from agents.spec import Field, StreamSpec
from pipeline.codec import Decoder
from pipeline.errors import ConfigError
from tests.pipeline.codec.records import FIELDS, NOW_MS, STREAM, chunk, outcome, payload

KINDS = {"str": list, "int": np.int64, "float": np.float64, "bool": np.bool_, "ints": np.int64}


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
