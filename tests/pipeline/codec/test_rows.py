"""The decoder of a stream's rows."""

import pytest

from agents.spec import Field, StreamSpec
from pipeline.codec.rows import limits_of, row_decoder

FIELDS = [Field(name="ts", type="int"), Field(name="value", type="float", optional=True), Field(name="who", type="str")]


@pytest.mark.parametrize("fields", [FIELDS, FIELDS[::-1]])
def test_optional_fields_may_stand_anywhere(fields):
    """A required field may be declared after an optional one, and both mean what they say."""
    named = {field.name: field for field in fields}
    stream = StreamSpec(name="s", topic="s", partitions=1, key=None, time="ts", id=None, fields=named)
    row = row_decoder(named, limits_of(stream, named, ())).decode(b'{"who": "ann", "ts": 5}')
    at = {name: f"f{number}" for number, name in enumerate(named)}
    assert [getattr(row, at[name]) for name in ("ts", "value", "who")] == [5, None, "ann"]
