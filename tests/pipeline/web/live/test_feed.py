"""Live feeds: what a listener is told, where it goes on, and what many of them cost."""

import asyncio
import json
from contextlib import aclosing

import pytest

from pipeline.errors import LogError, UsageError
from pipeline.web.live.feed import KEPT, Feed, Ready
from pipeline.web.live.sources import IncidentSource, Wanted
from tests.pipeline.web.answers import alert, incident
from tests.pipeline.web.live.feeds import ALL, feed_of, first, ids, place


def test_a_listener_hears_what_arrives_after_it_came(answers):
    """Without a place a listener begins with now, and is told where that is."""
    answers.stored = [alert(1), alert(2)]

    async def work():
        ready, *items = await first(feed_of(answers), 3, then=lambda: answers.stored.extend([alert(3), alert(4)]))
        assert ready == Ready(place(2), gap=False)
        assert ids(items) == [place(3), place(4)]
        assert json.loads(items[0].data)["id"] == alert(3).document["id"]

    asyncio.run(work())


@pytest.mark.parametrize("kept", [3, 7_000])
def test_a_listener_goes_on_where_it_stopped(answers, kept):
    """Behind a known place every alert comes once and in order, also more than a feed keeps and a page holds."""
    answers.stored = [alert(number) for number in range(1, kept + 1)]

    async def work():
        ready, *items = await first(feed_of(answers), kept, after=place(1))
        assert ready == Ready(place(1), gap=False)
        assert ids(items) == [place(number) for number in range(2, kept + 1)]

    asyncio.run(work())


@pytest.mark.parametrize("after", [f"2-{7:032x}", place(9_999), "0-x"])
def test_an_unknown_place_is_a_gap(answers, after):
    """When a number stands for another alert or for none, the store is another one: the newest follow again."""
    answers.stored = [alert(number) for number in range(1, KEPT + 11)]

    async def work():
        ready, *items = await first(feed_of(answers), KEPT + 1, after=after)
        assert ready.gap
        assert ids(items) == [place(number) for number in range(11, KEPT + 11)]

    asyncio.run(work())


def test_what_is_no_place_is_refused(answers):
    """A place that no feed gives out is an error of the caller."""
    with pytest.raises(UsageError, match="no id of a live feed"):
        asyncio.run(first(feed_of(answers), 1, after="yesterday"))


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Wanted(rules=["a"]), [1, 2]),
        (Wanted(severities=["high"]), [1, 3]),
        (Wanted(key="k"), [2, 3]),
        (Wanted(rules=["a"], severities=["high"], key="j"), [1]),
    ],
)
def test_filters_choose(answers, wanted, numbers):
    """All conditions must hold; what is filtered out moves the place all the same."""
    answers.stored = [
        alert(1, rule="a", severity="high", key="j"),
        alert(2, rule="a", severity="low", key="k"),
        alert(3, rule="b", severity="high", key="k"),
    ]

    async def work():
        _, *items = await first(feed_of(answers), len(numbers) + 1, after="0-", wanted=wanted)
        assert ids(items) == [place(number) for number in numbers]

    asyncio.run(work())


def test_fifty_listeners_cost_the_questions_of_one(answers):
    """However many listen, the store is asked once a look, and the reader ends with the last listener."""

    async def work():
        feed = feed_of(answers)
        came = asyncio.Barrier(51)

        async def listen():
            async with aclosing(feed.follow(None, ALL)) as items:
                await anext(items)
                await came.wait()
                return (await anext(items)).id

        listeners = [asyncio.create_task(listen()) for _ in range(50)]
        await came.wait()
        before = answers.asked["alerts_after"]
        looks = 20
        while answers.asked["alerts_after"] < before + looks:  # noqa: ASYNC110 - the count is the event
            await asyncio.sleep(0)
        assert answers.asked["alerts"] == 1
        answers.stored.append(alert(1))
        assert set(await asyncio.gather(*listeners)) == {place(1)}
        assert feed.listeners == 0
        await asyncio.sleep(0)
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "live feed"]

    asyncio.run(work())


def test_a_listener_that_does_not_read_is_owed_places_not_items(answers):
    """One that stands still while thousands pass gets them all from the store; the feed keeps no more than it may."""

    async def work():
        feed = feed_of(answers)
        async with aclosing(feed.follow(None, ALL)) as slow:
            await anext(slow)
            total = 3 * KEPT
            answers.stored = [alert(number) for number in range(1, total + 1)]
            quick = await first(feed, total + 1, after="0-")
            assert len(feed._items) <= KEPT
            assert ids([await anext(slow) for _ in range(total)]) == ids(quick[1:])

    asyncio.run(work())


def test_a_sign_of_life_comes_when_nothing_else_does(answers):
    """A heartbeat says that the connection stands, also while all that comes is filtered out."""

    async def work():
        feed = feed_of(answers, heartbeat_s=0.001)
        assert (await first(feed, 3, wanted=Wanted(rules=["other"])))[1:] == [None, None]

    asyncio.run(work())


def test_a_store_that_fails_for_a_while_loses_nothing(answers, caplog):
    """Listeners stay while the store can't be read, and hear what they missed."""
    failing = 3
    real = answers.alerts_after

    async def alerts_after(number, limit):
        nonlocal failing
        if answers.stored and failing:
            failing -= 1
            raise LogError("the store can't be read")
        return await real(number, limit)

    answers.alerts_after = alerts_after

    async def work():
        _, item = await first(feed_of(answers), 2, then=lambda: answers.stored.append(alert(1)))
        assert (item.id, failing) == (place(1), 0)

    asyncio.run(work())
    assert "the live feed can't be read" in caplog.text


def test_the_end_of_the_server_lets_listeners_go(answers):
    """After ``end`` a feed says no more, and a new listener hears only where it stands."""

    async def work():
        feed = feed_of(answers)
        assert len(await first(feed, 99, then=feed.end)) == 1
        assert len(await first(feed, 99)) == 1

    asyncio.run(work())


def test_incidents_are_told_when_they_change(answers):
    """Of each incident the newest state comes, once for each change; what stays as it was is not told again."""
    answers.known = {"i1": incident("i1"), "i2": incident("i2")}

    async def work():
        feed = Feed(IncidentSource(answers), interval_s=0.001)

        def change():
            answers.known["i1"] = incident("i1", count=2)
            answers.known["i2"] = incident("i2", state="resolved")

        ready, *items = await first(feed, 3, then=change)
        told = [json.loads(item.data) for item in items]
        assert sorted((each["id"], each["state"], each["count"]) for each in told) == [
            ("i1", "open", 2),
            ("i2", "resolved", 1),
        ]
        again = (await first(feed, 2, after=items[0].id))[1]
        assert json.loads(again.data)["id"] == told[1]["id"]
        other = await first(Feed(IncidentSource(answers), interval_s=0.001), 3, after=ready.place)
        assert other[0].gap
        assert {json.loads(item.data)["id"] for item in other[1:]} == {"i1", "i2"}

    asyncio.run(work())
