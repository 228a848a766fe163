"""Incidents and snoozes, the same in every database."""

import pytest

from pipeline.errors import UsageError
from pipeline.readmodel.questions import IncidentsAsked
from tests.pipeline.store import topics
from tests.pipeline.store.topics import NOW_MS, alert, alerts, incident, notice, paged, snooze, state


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
