"""Alerts, incidents, labels and refused records, the same in every database."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from agents.events import Outgoing, Records
from pipeline.codec.faults import Reason, Reject
from pipeline.errors import UsageError
from pipeline.log.opening import open_log
from pipeline.readmodel.questions import AlertsAsked, IncidentsAsked, LettersAsked
from pipeline.store.answers import StoredAnswers
from pipeline.store.follower import Follower
from pipeline.store.topics.feeds import feeds_of
from tests.pipeline.store import topics
from tests.pipeline.store.topics import CONFIG, alert, alerts, incident, label, notice, snooze, state

NOW_MS = 100 * 3_600_000


class Setting:
    """A log, a store that follows it, and what the store says."""

    def __init__(self, log, database, feeds=None):
        self.log = log
        self._thread = ThreadPoolExecutor(1)
        self.follower = Follower(log, database, feeds or feeds_of(CONFIG), self._thread)
        self.answers = StoredAnswers(database, CONFIG, {}, clock_ms=lambda: NOW_MS)

    async def tell(self, *outgoing):
        """Append, and let the store follow."""
        await self.log.append(outgoing)
        while await self.follower.refresh():
            pass

    def close(self):
        self._thread.shutdown()


@pytest.fixture
def on_store(database, tmp_path):
    """Runs ``work(setting)`` over an empty log and store."""

    def run(work, feeds=None):
        async def opened():
            log = open_log(f"local://{tmp_path}/log.db")
            setting = Setting(log, database, feeds)
            try:
                await topics.create(log)
                return await work(setting)
            finally:
                setting.close()
                await log.close()

        return asyncio.run(opened())

    return run


async def paged(ask, asked, **changes):
    """All rows of a list, page by page."""
    rows, cursor = [], None
    while True:
        page = await ask(type(asked)(**({name: getattr(asked, name) for name in asked.__slots__} | {"cursor": cursor})))
        assert len(page.rows) <= asked.limit
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return rows
        assert len(page.rows) == asked.limit


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


def test_incidents_live_worst_first_and_resolved_newest_first(on_store):
    """Only the newest version of each counts; a resolved one stays when the next one of its group begins."""

    async def work(setting):
        made = [incident(n, opened_ms=n, severity=topics.SEVERITIES[n % 3], key=f"K{n}") for n in range(9)]
        await setting.tell(state([(f"incident/{n}", each) for n, each in enumerate(made)]))
        await setting.tell(
            state(
                [("incident/4", incident(4, opened_ms=4, resolved_ms=50)), ("incident/5", incident(5, resolved_ms=60))]
            )
        )
        await setting.tell(
            state([("incident/4", incident(44, opened_ms=70, severity="critical"))]),
        )
        live = await paged(setting.answers.incidents, IncidentsAsked(limit=2))
        expected = sorted(
            [each for each in made if each.opened_ms not in (4, 5)] + [incident(44, opened_ms=70, severity="critical")],
            key=lambda each: (topics.SEVERITIES.index(each.severity), each.opened_ms),
            reverse=True,
        )
        assert live == expected
        ended = await paged(setting.answers.incidents, IncidentsAsked(state="resolved", limit=1))
        assert [each.id for each in ended] == [incident(5).id, incident(4).id]
        assert await setting.answers.open_incidents() == {"critical": 1, "info": 3, "low": 2, "medium": 2}
        found = await setting.answers.incidents(IncidentsAsked(text="k3", severities=["info"]))
        assert [each.id for each in found.rows] == [incident(3).id]
        assert (await setting.answers.incidents(IncidentsAsked(key="K3"))).rows == found.rows
        await setting.tell(state([("incident/3", None), ("incident/5", None), ("incident/8", incident(88))]))
        assert await setting.answers.incident(incident(8).id) is None, "its end was not read, but another one began"
        assert await setting.answers.incident(incident(3).id) is None
        assert (await setting.answers.incident(incident(5).id)).incident.resolved_ms == 60

    on_store(work)


def test_the_page_of_an_incident(on_store):
    """Its alerts and notices, newest first, found by the first digits of its id where they are enough."""

    async def work(setting):
        made = [alert(n) for n in range(6)]
        first, second = incident(0xA << 124, alerts=made[:3]), incident((0xA << 124) + 1)
        again = incident(0xA << 124, alerts=made[2:5])
        await setting.tell(
            state([("incident/a", first), ("incident/b", second), ("incident/a", again)]),
            notice(first, time_ms=1),
            notice(again, "updated", time_ms=2),
            notice(second, time_ms=3),
            alerts([(each, int(each.id, 16)) for each in made]),
        )
        page = await setting.answers.incident(first.id)
        assert page.incident == again
        assert [each.detected_ms for each in page.alerts] == [4, 3, 2, 1, 0]
        assert [(each.kind, each.time_ms) for each in page.notices] == [("updated", 2), ("opened", 1)]
        with pytest.raises(UsageError, match="more digits"):
            await setting.answers.incident("a0")
        assert (await setting.answers.incident(second.id)).incident == second
        assert await setting.answers.incident("b") is None
        assert await setting.answers.incident("") is None

    on_store(work)


def test_an_incident_that_only_its_last_notice_knows(on_store):
    """What compaction took from the state topic is shown as it ended; one that may go on is not made up."""

    async def work(setting):
        await setting.tell(
            notice(incident(1, resolved_ms=9), "resolved"),
            notice(incident(2)),
            notice(incident(3, resolved_ms=8), "resolved"),
        )
        await setting.tell(state([("incident/x", incident(3, resolved_ms=8, key="newer"))]))
        ended = (await setting.answers.incidents(IncidentsAsked(state="resolved"))).rows
        assert [(each.id, each.key) for each in ended] == [(incident(1).id, "Acct-1"), (incident(3).id, "newer")]
        assert await setting.answers.open_incidents() == {}

    on_store(work)


def test_snoozes_in_force(on_store):
    """Those that are not over and were not taken back, the one that ends first coming first."""

    async def work(setting):
        made = {"a": NOW_MS + 5, "b": NOW_MS + 1, "c": NOW_MS, "d": NOW_MS + 2}
        await setting.tell(state([(f"snooze/{name}", snooze(name, until_ms)) for name, until_ms in made.items()]))
        await setting.tell(state([("snooze/d", None)]))
        assert [each.id for each in await setting.answers.snoozes()] == ["b", "a"]

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


def test_letters(on_store):
    """Refused records, newest first, chosen by topic, reason and text, with payloads of any bytes."""

    async def work(setting):
        payloads = [b"{", b'{"id": "Caf\xc3\xa9"}', b"\xff\x00\xfe", None, b"x" * 5_000]
        reasons = [Reason.BAD_JSON, Reason.MISSING_FIELD, Reason.INVALID_UTF8, Reason.NULL, Reason.TOO_LONG]
        rejects = [Reject(n, n, reason, "Error", f"problem {n}") for n, reason in enumerate(reasons)]
        await setting.tell(topics.letters([*zip(payloads, rejects, strict=True)], partition=1))
        got = await paged(setting.answers.letters, LettersAsked(limit=2))
        assert {each.offset: (each.reason, each.message) for each in got} == {
            n: (reason, f"problem {n}") for n, reason in enumerate(reasons)
        }
        by_offset = {each.offset: each for each in got}
        assert by_offset[1].payload == '{"id": "Café"}'
        assert by_offset[2].payload == "\ufffd\ufffd\ufffd"
        assert (by_offset[3].payload, by_offset[3].key) == ("", None)
        assert by_offset[4].payload == "x" * 4_096
        assert by_offset[4].origin == "payments/1@4"
        asked = LettersAsked(topics=["payments.dead-letter"], reasons=["null", "missing-field"], text="CAFÉ")
        assert [each.offset for each in (await setting.answers.letters(asked)).rows] == [1]
        assert (await setting.answers.letters(LettersAsked(topics=["other"]))).rows == []
        counts = await setting.answers.letter_counts()
        assert counts == {("payments.dead-letter", str(reason)): 1 for reason in reasons}

    on_store(work)
