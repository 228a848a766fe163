"""What series detectors have learned is stored in blocks: those that changed, each small enough for a broker."""

from dataclasses import replace

import numpy as np
import pytest

from agents.series.samples import SampleRefs
from agents.spec import DetectorSpec
from pipeline.shard_series import ShardSeries
from tables.slab import Slab, SlabError, encode_slab

SPEC = DetectorSpec(
    name="odd", kind="robust_z", stream="s", by="account", value="amount", threshold=8.0, severity="high"
)
BROKER_BYTES = 900_000


def feed(series, names, rng, at=0):
    n = len(names)
    refs = SampleRefs(
        stream="s",
        topic="t",
        partition=np.zeros(n, np.int64),
        offsets=np.arange(at, at + n),
        appended_ms=np.zeros(n, np.int64),
        window_start_ms=np.zeros(n, np.int64),
        window_end_ms=np.zeros(n, np.int64),
    )
    values = rng.integers(100, 10_000, n).astype(np.float64)
    return series["odd"].take(names, np.arange(at, at + n), values, refs)[0]


def flat(series):
    state = series["odd"].state().items()
    return {name: part if isinstance(part, list) else (part.dtype, part.shape, part.tobytes()) for name, part in state}


def stored_after(parts, rng):
    """A shard's slabs after stretches of samples, each committed."""
    series, slabs, written = ShardSeries([SPEC]), {}, []
    for names in parts:
        feed(series, names, rng)
        written.append(series.dirty(1))
        slabs |= written[-1]
    return series, slabs, written


def test_a_commit_writes_the_blocks_that_changed_and_no_large_record():
    rng = np.random.default_rng(1)
    everybody = [f"a{number}" for number in range(5_000)]
    series, slabs, (first, second, third) = stored_after([everybody, ["a7"], []], rng)
    assert max(map(len, first.values())) < BROKER_BYTES
    assert len(first) > 5
    assert len(second) == 2  # the head and one block
    assert third == {}
    again = ShardSeries([SPEC])
    assert again.restore(slabs) == set()
    assert flat(again) == flat(series)


@pytest.mark.parametrize("seed", range(5))
def test_restarts_at_any_commit_change_nothing(seed):
    rng = np.random.default_rng(seed)
    parts = [[f"a{number}" for number in rng.integers(0, 3_000, rng.integers(0, 2_000))] for _ in range(8)]
    whole, values = ShardSeries([SPEC]), np.random.default_rng(9)
    expected = [feed(whole, names, values) for names in parts]
    series, slabs, values = ShardSeries([SPEC]), {}, np.random.default_rng(9)
    found = []
    for names in parts:
        found.append(feed(series, names, values))
        slabs |= series.dirty(1)
        series = ShardSeries([SPEC])
        series.restore(slabs)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert flat(series) == flat(whole)


def test_a_state_of_one_piece_is_taken_over_and_stored_in_blocks():
    rng = np.random.default_rng(2)
    series, slabs, _ = stored_after([[f"a{number}" for number in range(2_000)]], rng)
    head = min(slabs, key=len)
    state = series["odd"].view()
    arrays = {name: part for name, part in state.items() if isinstance(part, np.ndarray)}
    lists = {name: part for name, part in state.items() if not isinstance(part, np.ndarray)}
    former = {head: encode_slab(Slab(applied=1, arrays=arrays, extra=lists))}
    again = ShardSeries([SPEC])
    again.restore(former)
    assert flat(again) == flat(series)
    assert again.dirty(1) == slabs


def test_a_missing_block_is_said_and_former_definitions_are_named():
    rng = np.random.default_rng(3)
    _, slabs, _ = stored_after([[f"a{number}" for number in range(2_000)]], rng)
    broken = dict(slabs)
    del broken[max(slabs, key=len)]
    with pytest.raises(SlabError, match="of its 2000 series"):
        ShardSeries([SPEC]).restore(broken)
    changed = ShardSeries([replace(SPEC, threshold=9.0)])
    assert changed.restore(slabs) == set(slabs)
