"""Shares are fair whatever the group looks like."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.sharing import shares

NAMES = "abcdef"
PARTITIONS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9), min_size=1)
HELD = st.dictionaries(st.tuples(st.sampled_from(NAMES), st.sampled_from("uvwxyz")), st.integers(0, 9))


@given(PARTITIONS, st.sets(st.sampled_from("uvwxyz"), min_size=1), HELD)
def test_equal_members_get_equal_shares(partitions, members, held):
    """With equal subscriptions all is shared out, and members differ by at most one in each topic and in total."""
    allowed = shares(partitions, dict.fromkeys(members, tuple(partitions)), held)
    for topic, count in partitions.items():
        of_topic = [allowed[topic, member] for member in members]
        assert sum(of_topic) == count
        assert max(of_topic) - min(of_topic) <= 1
    totals = [sum(allowed[topic, member] for topic in partitions) for member in members]
    assert max(totals) - min(totals) <= 1


@given(PARTITIONS, st.dictionaries(st.sampled_from("uvwxyz"), st.sets(st.sampled_from(NAMES)), min_size=1), HELD)
def test_only_subscribers_share(partitions, subscriptions, held):
    """A topic is shared by its subscribers alone, by all of them, as a whole."""
    allowed = shares(partitions, subscriptions, held)
    for topic, count in partitions.items():
        subscribers = {member for member, topics in subscriptions.items() if topic in topics}
        assert {member for name, member in allowed if name == topic} == subscribers
        assert sum(share for (name, _), share in allowed.items() if name == topic) == (count if subscribers else 0)


def test_who_holds_more_keeps_more():
    """What is left over goes to those who hold it already."""
    held = {("t", "x"): 1, ("t", "y"): 2, ("t", "z"): 1}
    allowed = shares({"t": 4}, dict.fromkeys("xyz", ("t",)), held)
    assert allowed == {("t", "x"): 1, ("t", "y"): 2, ("t", "z"): 1}
