"""Alerts: the live list, and the evidence of one of them beside it."""

from dataclasses import replace
from typing import Final
from urllib.parse import quote

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from agents.spec import SEVERITIES, Severity
from pipeline.plan import complete
from pipeline.readmodel.questions import MAX_LIMIT, AlertsAsked, StoredAlert
from pipeline.web.blocks.actions import FraudButtons, alert_label
from pipeline.web.blocks.alert_list import AlertFeed
from pipeline.web.blocks.evidence import facts_list, records_table, values_table
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, button, empty_state
from pipeline.web.parts.layout import TICK_S, frame, head, not_found

LENGTH: Final = 25


async def alerts_page(context: PageContext, alert_id: str | None = None, rule: str = "") -> None:
    """Build ``/alerts`` and ``/alerts/{id}``; an id that is not known gives a 404 that says where to look."""
    chosen = None if alert_id is None else await context.answers.alert(alert_id)
    if alert_id is not None and chosen is None:
        not_found(context.model, f"There is no alert {alert_id} in the store; it may be older than what is kept.")
        return
    await _AlertsPage(context, chosen, rule).start(chosen)


class _AlertsPage:
    def __init__(self, context: PageContext, chosen: StoredAlert | None, rule: str) -> None:
        self._context = context
        config = complete(context.model.config)
        self._rules = [*config.rules, *config.detectors, *config.scores]
        self._asked = AlertsAsked(rules=(rule,) if rule in self._rules else ())
        self._shown: str | None = None
        self._fraud: FraudButtons | None = None
        with frame(context.model, title=chosen.document["rule"] if chosen else "Alerts", page="alerts"):
            head("Alerts", "Newest first, as they are detected")
            with Tag("div", classes="sg-split") as self._split:
                with Tag("section", classes="sg-card"):
                    self._controls()
                    with Tag("div", classes="sg-tall"):
                        self._feed = AlertFeed(context, limit=LENGTH, on_select=self._select)
                    with Tag("div", classes="sg-pager"):
                        self._count = Tag("span", "", "sg-small sg-muted sg-num")
                        Tag("span", classes="sg-spacer")
                        self._more = button(f"Show {LENGTH} more")
                        self._more.on("click", self._lengthen)
                self._detail = Tag(
                    "section",
                    classes="sg-card sg-detail",
                    attributes={"aria-live": "polite", "aria-label": "Evidence", "tabindex": 0},
                )

    async def start(self, chosen: StoredAlert | None) -> None:
        """Fill the page, and keep it live."""
        await self._tick()
        self._show(chosen)
        ui.timer(TICK_S, self._tick, immediate=False)

    def _controls(self) -> None:
        with Tag("div", classes="sg-bar"):
            search = ui.input(placeholder="Search key, rule or explanation", on_change=self._search)
            search.props('outlined dense clearable debounce=250 aria-label="Search alerts"').classes("sg-grow")
            rules = ui.select(
                self._rules, value=list(self._asked.rules), multiple=True, label="Rules", on_change=self._choose_rules
            )
            rules.props("outlined dense options-dense clearable").style("min-width: 150px")
            with Tag("div", classes="sg-seg", attributes={"role": "group", "aria-label": "Severities"}):
                for severity in reversed(SEVERITIES):
                    self._severity_button(severity)

    def _severity_button(self, severity: Severity) -> None:
        each = button(severity, attributes={"aria-pressed": "false"})

        async def toggle() -> None:
            chosen = set(self._asked.severities) ^ {severity}
            each.set("aria-pressed", "true" if severity in chosen else "false")
            self._asked = replace(self._asked, severities=tuple(sorted(chosen)))
            await self._tick()

        each.on("click", toggle)

    async def _search(self, event: ValueChangeEventArguments[str | None]) -> None:
        self._asked = replace(self._asked, text=(event.value or "").strip())
        await self._tick()

    async def _choose_rules(self, event: ValueChangeEventArguments[list[str] | None]) -> None:
        self._asked = replace(self._asked, rules=tuple(event.value or ()))
        await self._tick()

    async def _tick(self) -> None:
        await self._feed.update(self._asked)
        shown = self._feed.count
        self._count.put(f"The newest {shown:,}" if self._feed.has_more else human.plural(shown, "alert"))
        self._more.set_visibility(self._feed.has_more and self._feed.limit < MAX_LIMIT)
        if self._shown is not None and self._fraud is not None:
            stored = await self._context.answers.alert(self._shown)
            if stored is not None and stored.document["id"] == self._shown:
                self._fraud.show(stored.fraud)

    async def _lengthen(self) -> None:
        self._feed.limit = min(self._feed.limit + LENGTH, MAX_LIMIT)
        await self._tick()

    async def _select(self, alert_id: str) -> None:
        stored = await self._context.answers.alert(alert_id)
        if stored is not None:
            ui.navigate.history.push(f"/alerts/{quote(alert_id)}")
            self._show(stored)

    def _show(self, stored: StoredAlert | None) -> None:
        self._shown = stored.document["id"] if stored else None
        self._feed.select(self._shown)
        self._split.mark_as("has-detail" if stored else "", ("has-detail",))
        self._detail.clear()
        with self._detail:
            if stored is None:
                empty_state("No alert chosen", "Choose one from the list to see why it fired.")
            else:
                self._fraud = self._evidence(stored)
                self._fraud.show(stored.fraud)

    def _evidence(self, stored: StoredAlert) -> FraudButtons:
        """Everything that made one alert fire."""
        alert, model = stored.document, self._context.model
        Tag("a", "← All alerts", "sg-back", {"href": "/alerts"})
        with Tag("div", classes="sg-head"):
            Tag("h2", f"{alert['rule']} · {alert['key']}")
            Tag("span", alert["severity"], f"sg-pill {alert['severity']}")
        Tag("p", alert["why"], "sg-why")
        with Tag("div", classes="sg-line sg-ask"):
            Tag("span", "Was it fraud?", "sg-small sg-muted")
            fraud = alert_label(self._context, alert["id"], alert["rule"])
            if stored.incident is not None:
                Tag("a", "Open its incident", "sg-small", {"href": f"/incidents/{stored.incident}"})
        values_table(alert)
        Tag("h3", "Condition")
        Tag("p", alert["condition"], "sg-cond")
        facts_list(stored)
        records_table(model, [alert])
        return fraud
