"""Groups stay safe through any sequence of joins, leaves, deaths and pauses, and settle soon."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.events import TopicPartition
from pipeline.errors import FencedError, UnknownTopicError, UsageError
from pipeline.local.reading import Reader
from pipeline.local.schema import prepare
from pipeline.local.store import Store
from pipeline.local.writers import WriterQueue
from pipeline.log.api import TopicSpec

TTL_MS = 10
TOPICS = {"a": 4, "b": 3, "c": 1}


class Group:
    """A store whose clock stands still unless told."""

    def __init__(self, folder):
        path = Path(folder) / "log.db"
        queue = WriterQueue(path)
        prepare(path, queue)
        self.now_ms = 1_000
        self.store = Store(path, queue, sync="normal", clock=lambda: self.now_ms)
        self.reader = Reader(path)
        for name, partitions in TOPICS.items():
            self.store.create_topic(TopicSpec(name=name, partitions=partitions))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.store.close()

    def renew(self, member, topics=tuple(TOPICS)):
        return self.store.renew("g", member, topics, TTL_MS)

    def owns(self, fence):
        try:
            self.store.commit(fence, 0, [])
        except FencedError:
            return False
        return True


@pytest.fixture
def group(tmp_path):
    with Group(tmp_path) as made:
        yield made


MEMBER = st.sampled_from("uvwx")
ACTION = st.tuples(st.sampled_from(["renew", "renew", "renew", "leave", "tick"]), MEMBER, st.integers(1, TTL_MS))


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTION, max_size=40), st.sets(MEMBER, min_size=1))
def test_any_history_is_safe_and_settles(actions, survivors):
    """An epoch never has two owners, the newest epoch alone may write, and three rounds share everything fairly."""
    with tempfile.TemporaryDirectory() as folder, Group(folder) as group:
        owner_of_epoch = {}
        newest = {}

        def renewed(member):
            fences = group.renew(member)
            for fence in fences:
                assert owner_of_epoch.setdefault((fence.source, fence.epoch), member) == member
                assert fence.epoch >= newest.get(fence.source, fence).epoch
                newest[fence.source] = fence
            return fences

        for action, member, amount in actions:
            if action == "renew":
                renewed(member)
            elif action == "leave":
                group.store.leave("g", member)
            else:
                group.now_ms += amount
        current = {lease.source: (lease.member, lease.epoch) for lease in group.reader.leases("g")}
        for source, fence in newest.items():
            assert group.owns(fence) == (current.get(source) == (fence.member, fence.epoch))

        group.now_ms += TTL_MS
        for _ in range(3):
            owned = {member: renewed(member) for member in sorted(survivors)}
        sources = [fence.source for fences in owned.values() for fence in fences]
        everything = [TopicPartition(topic, p) for topic, count in TOPICS.items() for p in range(count)]
        assert sorted(sources) == everything
        for topic in TOPICS:
            counts = [sum(fence.source.topic == topic for fence in fences) for fences in owned.values()]
            assert max(counts) - min(counts) <= 1
        totals = [len(fences) for fences in owned.values()]
        assert max(totals) - min(totals) <= 1
        assert owned == {member: renewed(member) for member in sorted(survivors)}


def test_a_second_member_gets_its_share_in_two_calls(group):
    """Nothing is taken from a live member: it gives up by its own call, and only then is it handed over."""
    assert len(group.renew("x")) == 8
    assert group.renew("y") == []
    kept = group.renew("x")
    assert len(kept) == 4
    taken = group.renew("y")
    assert len(taken) == 4
    assert {fence.epoch for fence in kept} == {1}
    assert {fence.epoch for fence in taken} == {2}


def test_late_is_still_the_owner_until_somebody_else_takes_over(group):
    """An expired lease keeps its epoch while nobody wants it, and is void once another member took it."""
    fences = group.renew("x")
    group.now_ms += 100 * TTL_MS
    assert all(group.owns(fence) for fence in fences)
    assert group.renew("x") == fences
    group.now_ms += TTL_MS
    group.renew("y")
    assert not any(group.owns(fence) for fence in fences)


def test_a_lease_lasts_its_ttl_and_no_longer(group):
    """A silent member is replaced when its ttl is over, not a millisecond earlier."""
    group.renew("x", ["c"])
    group.now_ms += TTL_MS - 1
    assert group.renew("y", ["c"]) == []
    group.now_ms += 1
    assert [fence.epoch for fence in group.renew("y", ["c"])] == [2]


def test_what_was_left_is_free_at_once(group):
    """A member that leaves frees its partitions, and its fences are void even before another takes over."""
    fences = group.renew("x")
    group.store.leave("g", "x")
    assert not any(group.owns(fence) for fence in fences)
    assert group.reader.leases("g") == []
    assert [fence.epoch for fence in group.renew("y")] == [2] * 8


def test_an_unsubscribed_topic_is_given_up(group):
    """A member that drops a topic from its list gives its partitions up."""
    group.renew("x")
    assert {fence.source.topic for fence in group.renew("x", ["b"])} == {"b"}
    assert {lease.source.topic for lease in group.reader.leases("g")} == {"b"}


def test_members_with_other_topics_do_not_hinder(group):
    """Members of one group may consume different topics."""
    assert len(group.renew("x", ["a"])) == 4
    assert {fence.source.topic for fence in group.renew("y", ["b", "c"])} == {"b", "c"}
    assert len(group.renew("x", ["a"])) == 4


def test_wrong_calls_are_refused(group):
    """An unknown topic, an empty name and a ttl of nothing are errors, and change nothing."""
    with pytest.raises(UnknownTopicError, match="'nope'"):
        group.renew("x", ["a", "nope"])
    with pytest.raises(UsageError, match="name"):
        group.renew("")
    with pytest.raises(UsageError, match="ttl_ms"):
        group.store.renew("g", "x", ["a"], 0)
    assert group.reader.leases("g") == []
