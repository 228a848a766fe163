"""Subscribers get every alert that they want, go on where they stopped, and get none twice."""

import asyncio
from contextlib import aclosing

import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.alerts import encode_alert
from pipeline.errors import UsageError
from pipeline.incidents import IncidentSettings
from pipeline.log.opening import open_log
from pipeline.subscribe import AlertFilter, subscribe
from tests.pipeline.worker.tally import APP, TallyShard, append, run_until_idle
from tests.pipeline.worker.tally import config as tally_config

SHARD = TallyShard(TopicPartition("events", 0))


@pytest.fixture
def config(tmp_path):
    return tally_config(log=f"local://{tmp_path / 'events.db'}", incidents=IncidentSettings())


def alert(n, key="a"):
    SHARD.counts[key] = n
    return encode_alert(SHARD._alert(key, n), detected_ms=1 << 50, app=APP)


async def raise_alerts(config, alerts):
    log = open_log(config.log)
    keys, values, headers = zip(*alerts, strict=True)
    await log.append([Outgoing("alerts", None, Records(keys=keys, values=values, headers=headers))])
    await log.close()


async def take(config, count=None, **options):
    """Counts in the alerts that a subscriber gets: up to the end, or the first so many of them."""
    taken = []
    async with aclosing(subscribe(config, until_end=count is None, **options)) as alerts:
        async for got in alerts:
            taken.append(got["values"]["count"])
            if len(taken) == count:
                break
    return taken


def test_a_named_subscriber_goes_on_where_it_stopped(config):
    """The alert that it was at when it stopped comes again, for it did not say that it was done; no other does."""

    async def work():
        assert await take(config, name="pager") == []  # new: from now on
        await raise_alerts(config, [alert(n) for n in range(1, 6)])
        assert await take(config, 2, name="pager") == [1, 2]
        assert await take(config, name="pager") == [2, 3, 4, 5]
        assert await take(config, name="pager") == []
        await raise_alerts(config, [alert(6)])
        assert await take(config, name="pager") == [6]

    asyncio.run(work())


def test_subscribers_do_not_share_their_places(config):
    """Each name has its own place; one without a name has none."""

    async def work():
        await take(config, name="one")
        await raise_alerts(config, [alert(1), alert(2)])
        assert await take(config, name="one") == [1, 2]
        assert await take(config, name="two", since="start") == [1, 2]
        assert await take(config) == []
        assert await take(config, since="start") == await take(config, since=0) == [1, 2]

    asyncio.run(work())


def test_repeats_are_dropped_by_id_after_a_restart_too(config):
    """An alert that was appended twice is given once, whatever happened between."""

    async def work():
        await take(config, name="pager")
        await raise_alerts(config, [alert(1), alert(2), alert(1)])
        assert await take(config, name="pager") == [1, 2]
        await raise_alerts(config, [alert(2), alert(3), alert(1)])
        assert await take(config, name="pager") == [3]

    asyncio.run(work())


def test_what_comes_is_given_at_once(config):
    """A subscriber that waits gets what is raised meanwhile, in the order of each key."""

    async def work():
        await take(config, name="pager")
        waiting = asyncio.create_task(take(config, 6, name="pager"))
        for n in range(3):
            await raise_alerts(config, [alert(n), alert(10 + n, key="b")])
        taken = await asyncio.wait_for(waiting, 10)
        assert sorted(taken) == [0, 1, 2, 10, 11, 12]
        assert [n for n in taken if n < 10] == [0, 1, 2]

    asyncio.run(work())


def test_a_filter_passes_what_is_wanted_and_the_rest_is_done_with(config):
    """Keys and severity choose; what was passed over does not come again."""

    async def work():
        await take(config, name="pager")
        await raise_alerts(config, [alert(1), alert(2, key="b")])
        assert await take(config, name="pager", wanted=AlertFilter(keys=("b",))) == [2]
        assert await take(config, name="pager", wanted=AlertFilter(severity="critical")) == []
        assert await take(config, name="pager") == []

    asyncio.run(work())


def test_a_rule_that_there_is_not_is_refused(config):
    """A filter that can never match is a mistake."""
    with pytest.raises(UsageError, match="no rule or detector 'offten'"):
        asyncio.run(take(config, wanted=AlertFilter(rules=("offten",))))


def test_notices_of_incidents_can_be_subscribed_to(config):
    """One notice for the ten alerts that one key raised."""

    async def work():
        log = open_log(config.log)
        await append_topics(log, config)
        await append(log, ["a"] * 100)
        await run_until_idle(log, config)
        await log.close()
        notices = [notice async for notice in subscribe(config, of="notices", since="start", until_end=True)]
        assert [(notice["kind"], notice["key"]) for notice in notices] == [("opened", "a")]

    asyncio.run(work())


async def append_topics(log, config):
    await run_until_idle(log, config)


def test_garbage_on_the_topic_is_passed_over(config, caplog):
    """What is no alert is said, and the next alert is given."""

    async def work():
        await take(config, name="pager")
        await raise_alerts(config, [(b"a", b"{}", []), alert(1)])
        assert await take(config, name="pager") == [1]

    asyncio.run(work())
    assert "alert can't be read" in caplog.text
