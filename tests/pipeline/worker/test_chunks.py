"""Cutting and gathering."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Chunk, Outgoing, Records
from pipeline.worker.units import chunks
from tables.slices import Payloads


def chunk(offsets, next_offset):
    return Chunk(
        topic="t",
        partition=1,
        offsets=np.array(offsets, np.int64),
        timestamps_ms=np.array(offsets, np.int64) * 10,
        keys=[b"k%d" % offset for offset in offsets],
        values=[b"v%d" % offset for offset in offsets],
        headers=[(("h", b"%d" % offset),) for offset in offsets],
        next_offset=next_offset,
    )


@given(st.sets(st.integers(0, 50), min_size=1), st.integers(0, 5), st.integers(0, 60))
def test_head_and_tail_are_the_chunk(offsets, gap, count):
    """The parts hold every record once, in order, and each ends where the next one begins."""
    whole = chunk(sorted(offsets), max(offsets) + 1 + gap)
    head, tail = chunks.head(whole, count), chunks.tail(whole, count)
    for name in ("keys", "values", "headers"):
        assert [*getattr(head, name), *getattr(tail, name)] == getattr(whole, name)
    for name in ("offsets", "timestamps_ms"):
        assert np.concatenate((getattr(head, name), getattr(tail, name))).tolist() == getattr(whole, name).tolist()
    assert head.next_offset == (tail.offsets[0] if len(tail) else whole.next_offset)
    assert tail.next_offset == whole.next_offset


@given(
    st.lists(st.tuples(st.none() | st.binary(max_size=4), st.none() | st.binary(max_size=4)), min_size=1),
    st.binary(min_size=1, max_size=9),
    st.booleans(),
)
def test_what_is_detached_is_the_same_without_the_rest(pairs, around, with_keys):
    """Whole answers can't be kept for the sake of one partition: what is before and after it goes."""
    flat = [item for pair in pairs for item in pair]
    sizes = np.array([-1 if item is None else len(item) for item in flat])
    held = np.maximum(sizes, 0)
    starts = np.cumsum(held) - held + len(around)
    own = b"".join(item or b"" for item in flat)
    data = around + own + around
    keys, values = (Payloads(data, starts[at::2], sizes[at::2]) for at in range(2))
    whole = replace(
        chunk(range(len(pairs)), len(pairs)), keys=keys if with_keys else [None] * len(pairs), values=values
    )
    found = chunks.detached(whole)
    assert (list(found.keys), list(found.values)) == (list(whole.keys), list(whole.values))
    assert len(found.values.data) <= len(own)
    assert not with_keys or found.keys.data is found.values.data
    assert chunks.detached(found).values.data is found.values.data


records = st.builds(
    lambda values, keyed, stamped, headed: Records(
        values=values,
        keys=values if keyed else None,
        timestamps_ms=[len(value) for value in values] if stamped else None,
        headers=[[("h", value)] for value in values] if headed else None,
    ),
    st.lists(st.binary(max_size=3), max_size=4),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def flat(outgoing):
    """Records by topic, partition and whether they have a stamp, in order."""
    found = {}
    for topic, partition, part in outgoing:
        n = len(part)
        rows = zip(
            part.values,
            part.keys or [None] * n,
            [None] * n if part.timestamps_ms is None else part.timestamps_ms,
            [tuple(headers) for headers in part.headers or [()] * n],
            strict=True,
        )
        found.setdefault((topic, partition, part.timestamps_ms is None), []).extend(rows)
    return {where: rows for where, rows in found.items() if rows}


@given(st.lists(st.builds(Outgoing, st.sampled_from("ab"), st.sampled_from([None, 0, 1]), records)))
def test_merging_keeps_every_record_and_the_order(outgoing):
    """Merged records are the same ones in the same order within each topic and partition, in one entry each."""
    merged = chunks.merged(outgoing)
    assert flat(merged) == flat(outgoing)
    assert len(merged) == len(flat(outgoing))
