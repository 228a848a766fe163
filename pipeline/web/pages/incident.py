"""One incident: what it is in a sentence, how the values went, which records contributed, and what to do about it."""

from typing import Final
from urllib.parse import quote

from nicegui import ui

from agents.spec import SEVERITIES
from pipeline.access.roles import Role
from pipeline.incidents.model import Incident, Notice
from pipeline.readmodel.questions import ON_A_PAGE, IncidentPage, StoredAlert
from pipeline.web.blocks.actions import FraudButtons, IncidentActions, alert_label, attempt
from pipeline.web.blocks.evidence import courses, facts_list, records_table, values_table
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.blocks.snoozes import SnoozeList, covers
from pipeline.web.pages.incidents import STATES, state_text, title
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, button, table_head, when
from pipeline.web.parts.figure import Figure
from pipeline.web.parts.layout import TICK_S, frame, not_found

LENGTH: Final = 25
"""Alerts that are listed before somebody asks for more: each costs 2 ms to lay out."""

_ALERT_COLUMNS: Final = [("Detected", ""), ("Severity", ""), ("Why", "wide"), ("Was it fraud?", "")]


async def incident_page(context: PageContext, incident_id: str) -> None:
    """Build ``/incidents/{id}``; an id that is not known gives a 404."""
    found = await context.answers.incident(incident_id)
    if found is None:
        not_found(context.model, f"There is no incident {incident_id}. It may have been forgotten after its end.")
        return
    await _IncidentPage(context, found).start()


class _IncidentPage:
    def __init__(self, context: PageContext, page: IncidentPage) -> None:
        self._context = context
        self._id = page.incident.id
        self._known: tuple[str, ...] = ()
        self._length = LENGTH
        incident = page.incident
        with frame(context.model, title=title(incident), page="incidents"):
            with Tag("p", classes="sg-crumb"):
                Tag("a", "Incidents", attributes={"href": "/incidents"})
            self._head(incident)
            self._snoozes = SnoozeList(context, "Snoozed, so that nobody is told")
            with Tag("div", classes="sg-columns"):
                with Tag("div", classes="sg-stack"):
                    self._figure = Figure(
                        "Values over time",
                        "threshold dashed, alerts as dots",
                        "The alerts of this incident are not in the store any more.",
                    )
                    self._alerts()
                    with Tag("section", classes="sg-card sg-pad"):
                        self._records = Tag("div", classes="sg-evidence")
                with Tag("div", classes="sg-stack"):
                    with Tag("section", classes="sg-card sg-pad"):
                        Tag("h2", "Evidence of the newest alert")
                        self._evidence = Tag("div", classes="sg-evidence is-long")
                    self._story = _Story()

    async def start(self) -> None:
        """Fill the page, and keep it live."""
        await self._tick()
        ui.timer(2 * TICK_S, self._tick, immediate=False)

    def _head(self, incident: Incident) -> None:
        with Tag("div", classes="sg-head"):
            Tag("h1", title(incident))
            self._severity = Tag("span", "", "sg-pill")
            self._state = Tag("span", "", "sg-state")
        self._why = Tag("p", "", "sg-why")
        with Tag("p", classes="sg-small sg-muted sg-line"):
            self._count = Tag("span", "")
            Tag("span", "· opened")
            when(incident.opened_ms)
            Tag("span", "· last alert")
            self._last = when(None, ago=True)
        with Tag("div", classes="sg-do"):
            self._actions = IncidentActions(self._context, incident)
            with Tag("div", classes="sg-line"):
                Tag("span", "Was it fraud?", "sg-small sg-muted")
                self._fraud = FraudButtons("All alerts of this incident", self._label_all)

    def _alerts(self) -> None:
        with Tag("section", classes="sg-card"):
            with Tag("header"):
                Tag("h2", "Alerts")
                Tag("p", "newest first")
            with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
                table_head(_ALERT_COLUMNS, "Alerts of this incident")
                body = Tag("tbody")
            with Tag("div", classes="sg-pager"):
                self._all = button("")
        self._rows = LiveRows[StoredAlert](body, key=lambda alert: alert.document["id"], make=self._row)
        self._all.on("click", self._show_all)

    async def _show_all(self) -> None:
        self._length = ON_A_PAGE
        await self._tick()

    def _row(self, stored: StoredAlert) -> Made[StoredAlert]:
        alert = stored.document
        with Tag("tr") as row:
            with Tag("td"), Tag("a", attributes={"href": f"/alerts/{quote(alert['id'])}"}):
                when(stored.detected_ms)
            with Tag("td"):
                Tag("span", alert["severity"], f"sg-pill {alert['severity']}")
            Tag("td", alert["why"], "clip").set("title", alert["why"])
            with Tag("td"):
                fraud = alert_label(self._context, alert["id"], alert["id"])
        return Made(row, lambda now: fraud.show(now.fraud))

    async def _label_all(self, fraud: bool) -> None:
        changes, said = self._context.changes, "fraud" if fraud else "not fraud"
        done = f"All alerts labelled {said}"
        await attempt(Role.ANALYST, lambda by: changes.label_incident(self._id, fraud=fraud, by=by), done)

    async def _tick(self) -> None:
        page = await self._context.answers.incident(self._id)
        if page is None:
            return
        incident = page.incident
        self._severity.put(incident.severity)
        self._severity.mark_as(incident.severity, SEVERITIES)
        self._state.put(state_text(incident))
        self._state.mark_as(incident.state, STATES)
        self._why.put(incident.why)
        self._count.put(human.plural(incident.count, "alert"))
        self._last.set("ms", incident.last_alert_ms)
        self._actions.update(incident)
        self._snoozes.show([each for each in await self._context.answers.snoozes() if covers(each, incident)])
        said = {alert.fraud for alert in page.alerts}
        self._fraud.show(said.pop() if len(said) == 1 else None)
        self._story.show(incident, page.notices)
        self._rows.show(page.alerts[: self._length])
        self._all.put(f"Show the newest {len(page.alerts):,}")
        self._all.set_visibility(len(page.alerts) > self._length)
        ids = tuple(alert.document["id"] for alert in page.alerts)
        if ids != self._known:
            self._known = ids
            await self._show_evidence(page.alerts)

    async def _show_evidence(self, alerts: list[StoredAlert]) -> None:
        if not alerts:
            self._figure.show([])
            return
        newest = alerts[0]
        table, key = newest.document["table"], newest.document["key"]
        same = [alert for alert in alerts if (alert.document["table"], alert.document["key"]) == (table, key)]
        history = await self._context.answers.key_history(table, key) if table in self._context.model.specs else None
        self._figure.show(courses(self._context.model, same, history))
        self._evidence.clear()
        with self._evidence:
            values_table(newest.document)
            Tag("h3", "Condition")
            Tag("p", newest.document["condition"], "sg-cond")
            facts_list(newest)
        self._records.clear()
        with self._records:
            records_table(self._context.model, [alert.document for alert in alerts])


class _Story:
    """What happened to an incident and who was told, newest first."""

    def __init__(self) -> None:
        with Tag("section", classes="sg-card sg-pad"):
            Tag("h2", "What happened")
            listed = Tag("ol", classes="sg-story")
        self._rows = LiveRows[tuple[str, int, str]](listed, key=lambda entry: entry[0], make=_entry)

    def show(self, incident: Incident, notices: list[Notice]) -> None:
        entries = [(notice.id, notice.time_ms, _told(notice)) for notice in notices]
        if incident.acknowledged_ms is not None:
            note = f": {incident.note}" if incident.note and incident.is_live else ""
            who = incident.acknowledged_by or "somebody"
            entries.append(("acknowledged", incident.acknowledged_ms, f"Acknowledged by {who}{note}"))
        if incident.resolved_ms is not None:
            how = f"by {incident.resolved_by}" if incident.resolved_by else "by itself: no alert came any more"
            note = f": {incident.note}" if incident.note else ""
            entries.append(("resolved", incident.resolved_ms, f"Resolved {how}{note}"))
        if not any(notice.kind in {"opened", "reopened"} for notice in notices):
            entries.append(("opened", incident.opened_ms, "Opened with the first alert"))
        self._rows.show(sorted(entries, key=lambda entry: -entry[1]))


def _told(notice: Notice) -> str:
    """What happened without why, which stands above; that there is a notice means that people were told."""
    return f"{notice.summary.partition(': ')[0]}. People were told."


def _entry(entry: tuple[str, int, str]) -> Made[tuple[str, int, str]]:
    with Tag("li") as row:
        with Tag("span", classes="t"):
            when(entry[1])
        text = Tag("span", "", "w")
    return Made(row, lambda now: text.put(now[2]))
