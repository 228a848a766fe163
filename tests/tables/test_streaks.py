"""Streaks of labels against a loop over the records."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tables.keys import NEVER
from tables.segments import group_by
from tables.streaks import Streaks, running_streaks

FRESH = (0, NEVER, NEVER, NEVER)


def step(known, label, about):
    """What is known of a key after one more record."""
    length, start, fraud, genuine = known
    if label == "F":
        return (length + 1, start if length else about, about, genuine)
    return (0, NEVER, fraud, about) if label == "G" else known


def columns(rows):
    return Streaks(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


def running(slots, labels, known):
    """The streak at each record, moving ``known`` on as a table would."""
    groups = group_by(np.array(slots))
    base = columns([known.get(slot, FRESH) for slot in groups.keys.tolist()])
    fraud, genuine = np.array([[label == kind for label in labels] for kind in "FG"])
    found = running_streaks(groups, fraud, genuine, np.arange(len(slots)) * 10, base)
    return list(zip(*(getattr(found, name).tolist() for name in Streaks.__slots__), strict=True))


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("FG-")), min_size=1, max_size=60),
    known=st.dictionaries(
        st.integers(0, 3),
        st.tuples(st.integers(0, 2), st.integers(-50, -1)).map(
            lambda each: (each[0], each[1] if each[0] else NEVER, each[1], NEVER)
        ),
    ),
)
def test_streaks_are_what_a_loop_finds(rows, known):
    """Length, start and last times at each record, going on from what was known before."""
    slots, labels = zip(*rows, strict=True)
    expected, now = [], dict(known)
    for at, (slot, label) in enumerate(rows):
        now[slot] = step(now.get(slot, FRESH), label, at * 10)
        expected.append(now[slot])
    assert running(slots, labels, known) == expected
