"""Finding poison."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.events import TopicPartition
from pipeline.worker.units.suspects import Suspects

SOURCE = TopicPartition("t", 0)
ERROR = ValueError("no")


def drain(n, poison, chunk_size, commit_each):
    """Process ``n`` records of which some are poison, as units do; returns what was buried and the number of tries."""
    suspects, committed, position, parts, tries, buried = Suspects(), 0, 0, 0, 0, []
    while position < n:
        offsets = np.arange(position, min(position + chunk_size, n))
        while len(offsets):
            at = int(offsets[0])
            if suspects.poison(SOURCE, at):
                buried.append(at)
                taken = offsets[:1]
            else:
                taken = offsets[: suspects.take(SOURCE, offsets, 16)]
                tries += 1
                if poison & set(taken.tolist()):
                    suspects.failed(SOURCE, committed, ERROR, taken)
                    position = committed
                    break
            offsets, position, parts = offsets[len(taken) :], int(taken[-1]) + 1, parts + 1
            if suspects.isolating(SOURCE) or parts % commit_each == 0:
                committed = position
                suspects.passed(SOURCE, committed)
    return buried, tries


@given(
    st.integers(1, 200).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=5))),
    st.integers(1, 50),
    st.integers(1, 6),
)
def test_exactly_the_poison_is_buried(case, chunk_size, commit_each):
    """However records are cut and commits fall, each poison record is buried once, no other one is, and it ends."""
    n, poison = case
    buried, _ = drain(n, poison, chunk_size, commit_each)
    assert sorted(buried) == sorted(poison)
    assert len(set(buried)) == len(buried)


def test_a_poison_record_among_many_is_found_fast():
    """Three more tries as it is, then halving: a record among 16 takes 4 + 4 failures and few parts around them."""
    _, tries = drain(10_000, {5_003}, 1_000, 1)
    assert tries < 10_000 / 16 + 30


def test_patience_comes_before_cutting():
    """A chunk is tried again three times as it is, after longer and longer pauses, and only then in halves."""
    suspects, offsets = Suspects(), np.arange(10, 20)
    pauses = []
    for _ in range(3):
        suspects.failed(SOURCE, 10, ERROR, offsets)
        pauses.append(suspects.pause_ms(SOURCE))
        assert suspects.take(SOURCE, offsets, 100) == 10
    suspects.failed(SOURCE, 10, ERROR, offsets)
    assert pauses == sorted(set(pauses))
    assert suspects.take(SOURCE, offsets, 100) == 5
    assert suspects.pause_ms(SOURCE) == 0


def test_failures_elsewhere_do_not_add_up():
    """Progress between failures shows that the chunk was not to blame."""
    suspects = Suspects()
    for position in range(0, 100, 10):
        suspects.failed(SOURCE, position, ERROR, np.arange(position, position + 10))
        suspects.passed(SOURCE, position + 10)
    assert not suspects.isolating(SOURCE)


def test_failures_outside_of_records_only_pause():
    """A commit that fails again and again is tried with pauses up to a bound, and nothing is cut or buried."""
    suspects = Suspects()
    for _ in range(50):
        suspects.failed(SOURCE, 10, ERROR, None)
    assert suspects.pause_ms(SOURCE) == 5_000
    assert not suspects.isolating(SOURCE)
    assert suspects.poison(SOURCE, 10) is None
