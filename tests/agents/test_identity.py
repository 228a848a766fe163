"""Ids of alerts."""

from hypothesis import given
from hypothesis import strategies as st

from agents.events import RecordRef
from agents.identity import alert_id

TEXT = st.text(st.characters(), max_size=5)
PARTS = st.tuples(TEXT, TEXT, TEXT, TEXT, st.integers(0, 99), st.integers(0, 2**62))


def make(parts):
    rule, version, key, topic, partition, offset = parts
    return alert_id(rule, version, key, RecordRef(topic, partition, offset, None))


@given(PARTS, PARTS)
def test_equal_exactly_when_all_parts_are(left, right):
    """Two alerts share an id only if rule, version, key and position are the same."""
    assert (make(left) == make(right)) == (left == right)


def test_text_does_not_run_together():
    """Moving a letter from one part to the next makes another id."""
    assert make(("ab", "c", "k", "t", 1, 2)) != make(("a", "bc", "k", "t", 1, 2))
    assert make(("a", "b", "k", "t", 1, 12)) != make(("a", "b", "k", "t", 11, 2))


def test_shape():
    """An id is 32 hexadecimal digits, also for text that UTF-8 can't encode."""
    assert len(bytes.fromhex(make(("rule", "v", "\ud800", "t", 0, 0)))) == 16


def test_own_id_is_no_part_and_the_window_is():
    """The record's own id changes nothing; two windows closed by one record make two ids."""
    plain = alert_id("r", "v", "k", RecordRef("t", 0, 5, None))
    assert plain == alert_id("r", "v", "k", RecordRef("t", 0, 5, "own"))
    windows = {alert_id("r", "v", "k", RecordRef("t", 0, 5, None), window_start_ms=start) for start in (0, 1_000)}
    assert len(windows | {plain}) == 3
