"""Alerts and what people said of them, the same in every database."""

import pytest

from agents.events import Outgoing, Records
from pipeline.errors import UsageError
from pipeline.readmodel.questions import AlertsAsked, IncidentsAsked, LettersAsked
from pipeline.store.topics.feeds import feeds_of
from tests.pipeline.store import topics
from tests.pipeline.store.topics import CONFIG, NOW_MS, alert, alerts, incident, label, paged, state


def test_alerts_come_newest_first_each_once(on_store):
    """Whatever partition they stand in and however often they were sent; pages neither repeat nor hide one."""

    async def work(setting):
        pairs = [(alert(n), 1_000 - (n * 37) % 101) for n in range(23)]
        await setting.tell(alerts(pairs[:9], partition=0), alerts(pairs[9:], partition=1))
        await setting.tell(alerts(pairs[:3], partition=1), Outgoing("alerts", 0, Records(values=[b"no alert", None])))
        got = await paged(setting.answers.alerts, AlertsAsked(limit=5))
        assert sorted(each.document["id"] for each in got) == [each.id for each, _ in pairs]
        moments = [(each.detected_ms, each.number) for each in got]
        assert moments == sorted(moments, reverse=True)
        assert {each.document["id"]: each.detected_ms for each in got} == {each.id: at for each, at in pairs}
        assert setting.follower.unreadable == 2
        assert len(await paged(setting.answers.alerts, AlertsAsked(limit=23))) == 23

    on_store(work)


def test_a_page_stands_while_alerts_arrive(on_store):
    """What arrives between two pages neither repeats nor hides a row of the list that was begun."""

    async def work(setting):
        await setting.tell(alerts([(alert(n), n) for n in range(10)]))
        first = await setting.answers.alerts(AlertsAsked(limit=4))
        await setting.tell(alerts([(alert(n), n) for n in range(10, 20)]))
        second = await setting.answers.alerts(AlertsAsked(limit=6, cursor=first.next_cursor))
        assert [each.detected_ms for each in first.rows + second.rows] == [*range(9, -1, -1)]
        assert second.next_cursor is None

    on_store(work)


def test_alerts_are_chosen(on_store):
    """By rule, severity, key, text whatever its case, time and incident."""

    async def work(setting):
        rules = ("busy", "abroad")
        made = [
            alert(n, rule=rules[n % 2], severity=topics.SEVERITIES[n % 5], key="Straße" if n == 3 else None)
            for n in range(20)
        ]
        await setting.tell(alerts([(each, int(each.id, 16)) for each in made]))
        await setting.tell(state([("incident/a", incident(1, alerts=made[4:7]))]))

        async def numbers(**asked):
            return sorted(each.detected_ms for each in (await setting.answers.alerts(AlertsAsked(**asked))).rows)

        assert await numbers(rules=["abroad"]) == [*range(1, 20, 2)]
        assert await numbers(severities=["low", "high"]) == [1, 3, 6, 8, 11, 13, 16, 18]
        assert await numbers(key="Acct-2") == [2, 9, 16]
        assert await numbers(key="acct-2") == []
        assert await numbers(text="STRASSE") == [3]
        assert await numbers(text="acct-2", rules=["busy"]) == [2, 16]
        assert await numbers(text="%") == []
        assert await numbers(since_ms=17) == [17, 18, 19]
        assert await numbers(incident=incident(1).id) == [4, 5, 6]
        assert (await setting.answers.alert(made[5].id)).incident == incident(1).id
        assert (await setting.answers.alert(made[7].id)).incident is None
        assert await setting.answers.alert("nobody") is None
        assert await setting.answers.severities_since(15) == dict.fromkeys(topics.SEVERITIES, 1)

    on_store(work)


def test_the_newest_alerts_stay_and_numbers_only_grow(on_store):
    """Those that came first go first; a live feed goes on after a number, also behind what is gone."""

    async def work(setting):
        for start in range(0, 40, 10):
            await setting.tell(alerts([(alert(n), n) for n in range(start, start + 10)]))
        got = await paged(setting.answers.alerts, AlertsAsked(limit=7))
        assert [each.detected_ms for each in got] == [*range(39, 24, -1)]
        assert [each.number for each in got] == [*range(40, 25, -1)]
        assert [each.number for each in await setting.answers.alerts_after(0, limit=2)] == [26, 27]
        assert await setting.answers.alerts_after(40) == []

    on_store(work, [type(feed)("alerts", kept=15) for feed in feeds_of(CONFIG)[:1]])


def test_a_question_that_makes_no_sense_is_refused(on_store):
    """A cursor of another list, one that is none, and a limit that is too large."""

    async def work(setting):
        answers = setting.answers
        await setting.tell(alerts([(alert(n), n) for n in range(3)]))
        cursor = (await answers.alerts(AlertsAsked(limit=1))).next_cursor
        for asked in (LettersAsked(cursor=cursor), LettersAsked(cursor="§"), LettersAsked(cursor="")):
            with pytest.raises(UsageError, match="begin again without a cursor"):
                await answers.letters(asked)
        for limit in (0, 501):
            with pytest.raises(UsageError, match="limit must be between 1 and 500"):
                await answers.incidents(IncidentsAsked(limit=limit))

    on_store(work)


def test_rules_and_what_people_said_of_them(on_store):
    """Each rule of the configuration with its hours; labels count by record or alert, the newest of each."""

    async def work(setting):
        hour = 3_600_000
        detected = [NOW_MS, NOW_MS, NOW_MS - hour, NOW_MS - 23 * hour, NOW_MS - 24 * hour, NOW_MS - 5]
        await setting.tell(alerts([(alert(n), at) for n, at in enumerate(detected)]))
        await setting.tell(alerts([(alert(77, rule="gone"), NOW_MS)]))
        await setting.tell(label("r0", fraud=False), label("r1"), label("other", alert_id=alert(2).id, fraud=False))
        await setting.tell(
            label("r0", ts=1), label("r5"), Outgoing("app-labels", 0, Records(keys=[b"r5"], values=[None]))
        )
        facts = {each.name: each for each in await setting.answers.rules()}
        assert [*facts] == ["busy", "abroad", "fifth", "crowd", "jump"]
        assert facts["busy"].hourly == (1, *[0] * 21, 2, 2)
        assert facts["busy"].last_ms == NOW_MS
        assert (facts["busy"].confirmed, facts["busy"].dismissed) == (2, 1)
        assert facts["busy"].precision == pytest.approx(2 / 3)
        assert (facts["jump"].hourly, facts["jump"].last_ms, facts["jump"].precision) == ((0,) * 24, None, None)
        said = {each.document["id"]: each.fraud for each in (await setting.answers.alerts(AlertsAsked())).rows}
        assert [said[alert(n).id] for n in range(6)] == [True, True, False, None, None, None]

    on_store(work)
