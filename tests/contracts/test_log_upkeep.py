"""What every event log must do for those who look after it: mending and deleting topics, forgetting groups."""

import pytest

from pipeline.errors import LogError, TopicMismatchError
from pipeline.log import Difference, TopicSpec
from tests.contracts.logs import COMPACT, FOUR, T0, TOPIC, Member, out, over_log, read_all

MISSING = TopicSpec(name="missing", partitions=3)


@over_log(TOPIC, COMPACT)
async def test_topics_as_wanted_have_no_difference(log):
    """A topic as it was made is as wanted."""
    assert await log.differences([TOPIC, COMPACT]) == []


@over_log(TOPIC)
async def test_a_missing_topic_is_a_difference_and_mended(log):
    """A topic that there is not is named, and made by mending."""
    found = await log.differences([TOPIC, MISSING])
    assert found == [Difference("missing", "partitions", None, "3")]
    await log.mend(MISSING, found)
    assert (await log.topics())["missing"] == MISSING
    assert await log.differences([TOPIC, MISSING]) == []


@over_log(TOPIC)
async def test_partitions_are_added_and_nothing_is_lost(log):
    """A topic with too few partitions is given more; its records stay, and the new ones can be used at once."""
    await log.append([out([b"1"])])
    wanted = TopicSpec(name="t", partitions=3)
    found = await log.differences([wanted])
    assert found == [Difference("t", "partitions", "1", "3")]
    await log.mend(wanted, found)
    assert [info.end for info in (await log.partitions("t")).values()] == [1, 0, 0]
    await log.append([out([b"2"], partition=2)])
    assert [row[0] for row in await read_all(log, "t")] == [0, 2]


@over_log(FOUR)
async def test_partitions_are_never_removed(log):
    """Too many partitions can't be mended: the error says which setting is to be changed."""
    wanted = TopicSpec(name="four", partitions=2, retention_ms=1)
    found = await log.differences([wanted])
    with pytest.raises(TopicMismatchError, match="set partitions = 4 in the configuration"):
        await log.mend(wanted, found)
    assert (await log.topics())["four"] == FOUR


@over_log(TOPIC)
async def test_only_the_differences_named_are_mended(log):
    """Retention is set where it is named, and stays where it is not."""
    wanted = TopicSpec(name="t", partitions=1, retention_ms=None, retention_bytes=7)
    time, size = await log.differences([wanted])
    assert (time.setting, time.wanted, size.setting, size.found) == ("retention.ms", "-1", "retention.bytes", "-1")
    await log.mend(wanted, [size])
    assert await log.differences([wanted]) == [time]


@over_log(TOPIC)
async def test_a_worker_s_start_names_what_mends_too_few_partitions(log):
    """Asking for a topic that has fewer partitions names the command and the setting."""
    with pytest.raises(TopicMismatchError, match=r"partitions = 1 in the configuration.*`streamgauge topics mend`"):
        await log.create_topic(TopicSpec(name="t", partitions=2))


@over_log(TOPIC, COMPACT)
async def test_a_deleted_topic_is_gone_and_can_be_made_anew(log):
    """Deleting removes records and settings; a topic of the same name begins empty, with settings of its own."""
    for spec in (TOPIC, COMPACT):
        await log.append([out([b"old"], topic=spec.name, keys=[b"k"])])
        await log.delete_topic(spec.name)
        assert spec.name not in await log.topics()
        await log.create_topic(TopicSpec(name=spec.name, partitions=3))
        await log.append([out([b"new"], topic=spec.name, partition=2)])
        assert [(row[0], row[3]) for row in await read_all(log, spec.name)] == [(2, b"new")]


@over_log()
async def test_deleting_what_is_not_there_does_nothing(log):
    """A topic or group that there is not may be deleted."""
    await log.delete_topic("nothing")
    await log.delete_group("nobody")


@over_log(TOPIC)
async def test_a_forgotten_group_has_no_positions(log):
    """A group that was deleted is gone from the list, and begins without positions."""
    await log.commit_offsets("g", {T0: 0})
    assert await log.groups() == ["g"]
    await log.delete_group("g")
    assert await log.groups() == []
    assert await log.committed("g") == {}


@over_log(TOPIC)
async def test_a_group_with_members_is_not_forgotten(log):
    """Members are named, and keep their group; once they have left it can be deleted."""
    async with Member(log, "g", "one").staying({"t": 1}) as member:
        await member.owns(1)
        assert await log.members("g") == ["one"]
        with pytest.raises(LogError, match="has members"):
            await log.delete_group("g")
    assert await log.members("g") == []
    await log.delete_group("g")
