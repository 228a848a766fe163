"""Each dimension of growth can be measured and shown."""

from dataclasses import replace

import pytest

from tests.bench import growth
from tests.bench.growth import DIMENSIONS, Point

SMALL = Point(keys=500, records=1_000)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_point(dimension):
    found = growth.measure(replace(SMALL, **{dimension: DIMENSIONS[dimension][1][1]}))
    assert found["per_s"] > 0


def test_records_hold_every_key_and_have_their_size():
    chunks = list(growth.chunks(replace(SMALL, record_bytes=300, partitions=2)))
    keys = {value[8:20] for chunk in chunks for value in chunk.values}
    assert len(keys) == SMALL.keys
    assert {len(value) for chunk in chunks for value in chunk.values} <= {299, 300, 301}


def test_the_page(tmp_path):
    growth.write_page({"keys": [(1_000, {"per_s": 5, "bytes_per_key": 7})]}, tmp_path)
    assert "| 1,000 | 5 | 7 |" in (tmp_path / "growth.md").read_text()
    assert (tmp_path / "growth.png").stat().st_size > 1_000
