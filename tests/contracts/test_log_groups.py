"""What every event log must do for groups: commits, fences, shares, positions."""

import pytest

from agents.events import TopicPartition
from pipeline.errors import (
    FencedError,
)
from pipeline.log import Fence
from tests.contracts.logs import FOUR, T0, TOPIC, Member, out, over_log, read_all


@over_log(TOPIC, FOUR)
async def test_a_commit_moves_all_together(log):
    """A commit appends everything and moves the position."""
    async with Member(log, "g", "me").staying({"t": 1}) as member:
        (fence,) = await member.owns(1)
        assert fence.source == T0
        await log.claim(fence)
        await log.commit(fence, 5, [out([b"1"]), out([b"2"], topic="four", partition=3)])
        member.membership.note({T0: 5})
    committed = await log.committed("g")
    assert {source: position.offset for source, position in committed.items()} == {T0: 5}
    assert committed[T0].committed_ms > 0
    assert [row[3] for row in await read_all(log, "t") + await read_all(log, "four")] == [b"1", b"2"]


@over_log(TOPIC)
async def test_a_fenced_commit_leaves_nothing(log):
    """After a take-over the former owner's commit fails as a whole; the new owner's works."""
    async with Member(log, "g", "old").staying({"t": 1}) as member:
        (old,) = await member.owns(1)
        await log.claim(old)
        await log.commit(old, 1, [out([b"1"])])
    async with Member(log, "g", "new").staying({"t": 1}) as member:
        (new,) = await member.owns(1)
        await log.claim(new)
        for void in (old, Fence("g", T0, "new", old.epoch - 1), Fence("other", T0, "new", new.epoch)):
            with pytest.raises(FencedError):
                await log.commit(void, 9, [out([b"void"])])
        await log.commit(new, 2, [out([b"2"])])
    assert [row[3] for row in await read_all(log, "t")] == [b"1", b"2"]


@over_log(TOPIC, FOUR)
async def test_members_share_and_keep(log):
    """Two members end with shares that differ by at most one, disjoint, and keep them from then on."""
    topics = {"t": 1, "four": 4}
    async with Member(log, "g", "a").staying(topics) as a:
        before = set(await a.owns(5))
        async with Member(log, "g", "b").staying(topics) as b:
            await a.told(lambda: len(a.fences) < 5)
            await b.told(lambda: len(a.fences) + len(b.fences) == 5)
            assert {len(a.fences), len(b.fences)} == {2, 3}
            assert set(a.fences) < before
            sources = [fence.source for fence in (*a.fences, *b.fences)]
            assert len(set(sources)) == 5
            leases = {(lease.source, lease.member) for lease in await log.leases("g")}
            assert leases == {(fence.source, fence.member) for fence in (*a.fences, *b.fences)}


@over_log(TOPIC, FOUR)
async def test_groups_do_not_see_each_other(log):
    """Positions and leases belong to a group, and every group is listed."""
    await log.commit_offsets("plain", {T0: 3, TopicPartition("four", 1): 4})
    await log.commit_offsets("plain", {T0: 7})
    for group in ("g", "h"):
        async with Member(log, group, "me").staying({"four": 4}) as member:
            fence, *_ = await member.owns(4)
            await log.claim(fence)
            await log.commit(fence, 1, [])
            member.membership.note({fence.source: 1})
    positions = {source: position.offset for source, position in (await log.committed("plain")).items()}
    assert positions == {T0: 7, TopicPartition("four", 1): 4}
    assert {position.offset for position in (await log.committed("g")).values()} == {1}
    assert await log.leases("plain") == []
    assert sorted(await log.groups()) == ["g", "h", "plain"]
