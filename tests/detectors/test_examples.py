"""The ring of examples: what is kept, in which order, and which blocks change."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.examples import BLOCK, Examples


def filled(most, sizes):
    """A ring that took examples in, so many at a time; the n-th holds n in its feature, and is of label 10 n."""
    ring, n = Examples(most, 1), 0
    for size in sizes:
        numbers = np.arange(n, n + size)
        ring.add(numbers[:, None].astype(np.float32), 10 * numbers)
        n += size
    return ring


@given(st.integers(1, 9), st.lists(st.integers(0, 25), max_size=6))
def test_the_newest_are_kept_oldest_first(most, sizes):
    """Whatever comes in at once, the rows are the last ones, in their order."""
    ring, n = filled(most, sizes), sum(sizes)
    kept = list(range(max(0, n - most), n))
    assert ring.rows()[:, 0].tolist() == kept
    assert ring.oldest == (10 * kept[0] if len(kept) == most else 0)
    assert ring.since(10 * (n - 2)) == len([each for each in kept if each >= n - 2])


@given(st.integers(1, 5), st.lists(st.integers(0, 2_000), min_size=1, max_size=5))
def test_changed_blocks_hold_all_that_came(blocks, sizes):
    """A copy that takes over the changed blocks after each step equals the ring."""
    ring, copy, seen = Examples(blocks * BLOCK - 7, 1), np.full(blocks * BLOCK, -1), 0
    for size in sizes:
        numbers = np.arange(ring.added, ring.added + size)
        ring.add(np.zeros((size, 1), np.float32), numbers)
        for block in ring.changed(seen):
            part = ring.block(block)["number"]
            copy[block * BLOCK : block * BLOCK + len(part)] = part
        assert size > 0 or ring.changed(seen) == []
        seen = ring.added
    assert copy[: len(ring)].tolist() == ring.state()["number"].tolist()


def test_a_few_examples_change_a_block_or_two():
    """What is written at a commit goes with what came in, not with what is held."""
    ring = filled(50 * BLOCK, [50 * BLOCK + 100])
    assert ring.changed(ring.added - 10) == [0]
    assert ring.changed(ring.added) == []
