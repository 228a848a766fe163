"""Incidents: what goes on, worst first; what is over, newest first; and the snoozes in force."""

from dataclasses import replace
from typing import Final

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from agents.spec import SEVERITIES, Severity
from pipeline.incidents.model import Incident
from pipeline.readmodel.questions import IncidentsAsked
from pipeline.web.blocks.alert_list import facts
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.blocks.snoozes import SnoozeList
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, button, empty_state, table_head, when
from pipeline.web.parts.layout import TICK_S, command, frame, head

LENGTH: Final = 25
MOST: Final = 500
STATES: Final = ("open", "updated", "acknowledged", "resolved")
_COLUMNS: Final = [
    ("Severity", ""),
    ("State", ""),
    ("Incident", ""),
    ("Why", "wide"),
    ("Alerts", "r"),
    ("Opened", "r"),
    ("Last alert", "r"),
]


async def incidents_page(context: PageContext) -> None:
    """Build ``/incidents``."""
    model = context.model
    if model.config.incidents is None:
        with frame(model, title="Incidents", page="incidents"):
            head("Incidents")
            with Tag("div", classes="sg-card"):
                empty_state(
                    "Alerts are not grouped into incidents",
                    "Add a section [incidents] to the configuration, restart the worker, and check it with",
                    command(model.config, "check"),
                )
        return
    await _IncidentsPage(context).start()


class _IncidentsPage:
    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._asked = IncidentsAsked(limit=LENGTH)
        self._turn = 0
        with frame(context.model, title="Incidents", page="incidents"):
            head("Incidents", "Alerts that belong together, worst first")
            with Tag("section", classes="sg-card"):
                self._controls()
                self._listed = Tag("div", classes="sg-scroll sg-tall")
                with self._listed, Tag("table", classes="sg-table sg-stacking sg-incidents"):
                    table_head(_COLUMNS, "Incidents")
                    body = Tag("tbody")
                self._rows = LiveRows[Incident](body, key=lambda incident: incident.id, make=_row)
                with ui.element("div") as self._nothing:
                    self._advice()
                with Tag("div", classes="sg-pager"):
                    self._count = Tag("span", "", "sg-small sg-muted sg-num")
                    Tag("span", classes="sg-spacer")
                    self._more = button(f"Show {LENGTH} more")
                    self._more.on("click", lambda: self._ask(limit=min(self._asked.limit + LENGTH, MOST)))
            self._snoozes = SnoozeList(context, "Snoozed")

    async def start(self) -> None:
        """Fill the page, and keep it live."""
        await self._tick()
        ui.timer(TICK_S, self._tick, immediate=False)

    def _controls(self) -> None:
        with Tag("div", classes="sg-bar"):
            with Tag("div", classes="sg-seg", attributes={"role": "group", "aria-label": "Live or resolved"}):
                self._live = button("Live", attributes={"aria-pressed": "true"})
                self._resolved = button("Resolved", attributes={"aria-pressed": "false"})
            self._live.on("click", lambda: self._ask(state="live"))
            self._resolved.on("click", lambda: self._ask(state="resolved"))
            search = ui.input(placeholder="Search key, rule or explanation", on_change=self._search)
            search.props('outlined dense clearable debounce=250 aria-label="Search incidents"').classes("sg-grow")
            with Tag("div", classes="sg-seg", attributes={"role": "group", "aria-label": "Severities"}):
                for severity in reversed(SEVERITIES):
                    self._severity(severity)

    def _severity(self, severity: Severity) -> None:
        each = button(severity, attributes={"aria-pressed": "false"})

        async def toggle() -> None:
            chosen = set(self._asked.severities) ^ {severity}
            each.set("aria-pressed", "true" if severity in chosen else "false")
            await self._ask(severities=tuple(sorted(chosen)))

        each.on("click", toggle)

    async def _search(self, event: ValueChangeEventArguments[str | None]) -> None:
        await self._ask(text=(event.value or "").strip())

    async def _ask(self, **changes: object) -> None:
        self._asked = replace(self._asked, **changes)  # type: ignore[arg-type]  # each by its own name
        for state, each in (("live", self._live), ("resolved", self._resolved)):
            each.set("aria-pressed", "true" if self._asked.state == state else "false")
        await self._tick()

    def _advice(self) -> None:
        self._title = Tag("strong", "")
        self._text = Tag("p", "")
        self._nothing.classes("sg-empty sg-tall")

    async def _tick(self) -> None:
        asked = self._asked
        found = await self._context.answers.incidents(asked)
        if asked is not self._asked:
            return
        self._rows.show(found.rows)
        self._listed.set_visibility(bool(found.rows))
        self._nothing.set_visibility(not found.rows)
        filtered = bool(asked.severities or asked.text)
        if filtered:
            self._title.put("No incident passes this filter")
            self._text.put("Choose other severities, or clear the search.")
        else:
            self._title.put("Nothing goes on" if asked.state == "live" else "Nothing was resolved of late")
            self._text.put("An incident opens with the first alert of its group, and appears here by itself.")
        more = found.next_cursor is not None
        self._count.put(f"The first {len(found.rows):,}" if more else human.plural(len(found.rows), "incident"))
        self._more.set_visibility(more and asked.limit < MOST)
        self._snoozes.show(await self._context.answers.snoozes())


def _row(incident: Incident) -> Made[Incident]:
    with Tag("tr") as row:
        with Tag("td"):
            severity = Tag("span", "", "sg-pill")
        with Tag("td"):
            state = Tag("span", "", "sg-state")
        with Tag("td", classes="strong"):
            link = Tag("a", "", attributes={"href": f"/incidents/{incident.id}"})
        why = Tag("td", "", "clip")
        count = Tag("td", "", "r")
        with Tag("td", classes="r"):
            opened = when(None, ago=True)
        with Tag("td", classes="r"):
            last = when(None, ago=True)

    def update(now: Incident) -> None:
        severity.put(now.severity)
        severity.mark_as(now.severity, SEVERITIES)
        state.put(state_text(now))
        state.mark_as(now.state, STATES)
        link.put(title(now))
        why.put(facts({"rule": now.rule, "key": now.key, "why": now.why}))
        why.set("title", now.why)
        count.put(human.number(now.count))
        opened.set("ms", now.opened_ms)
        last.set("ms", now.last_alert_ms)

    return Made(row, update)


def title(incident: Incident) -> str:
    """What an incident is about: what its alerts have in common."""
    return " · ".join(str(value) for value in incident.group.values() if value is not None) or incident.rule


def state_text(incident: Incident) -> str:
    """The state in words, with who brought it about."""
    who = incident.acknowledged_by if incident.is_live else incident.resolved_by
    by_itself = " by itself" if incident.state == "resolved" and not who else ""
    said = f"{incident.state} by {who}" if who and incident.state in {"acknowledged", "resolved"} else incident.state
    return f"{said}{by_itself}" + (", quiet" if incident.muted_until_ms is not None and incident.is_live else "")
