"""A live list of alerts, newest first; a new alert adds one row, nothing else is sent."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nicegui import ui

from pipeline.readmodel.questions import AlertsAsked, StoredAlert
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, empty_state, when
from pipeline.web.parts.layout import command


def facts(document: dict[str, Any]) -> str:
    """The explanation without its beginning, which rule and key beside it say already.

    >>> facts({"rule": "large", "key": "a17", "why": 'large fired for "a17": n = 3 (limit 2).'})
    'n = 3 (limit 2).'
    """
    name = json.dumps(document["key"], ensure_ascii=False)
    return str(document["why"]).removeprefix(f"{document['rule']} fired for {name}: ")


class AlertFeed:
    """The newest alerts that pass a filter, at most ``limit`` of them.

    Args:
        context: Where the alerts come from.
        limit: Rows shown.
        on_select: Called with the id of the alert that was clicked; without it a click opens the alert's page.
    """

    def __init__(self, context: PageContext, *, limit: int, on_select: Callable[[str], Any] | None = None) -> None:
        self._answers = context.answers
        self._on_select = on_select
        self._links: dict[str, Tag] = {}
        self._shown: tuple[AlertsAsked, int, int] | None = None
        self._selected: str | None = None
        self.limit = limit
        self.has_more = False
        self.count = 0
        listed = Tag("ol", classes="sg-feed", attributes={"aria-label": "Alerts, newest first"})
        self._rows = LiveRows[StoredAlert](listed, key=lambda alert: alert.document["id"], make=self._make)
        with ui.element("div") as self._nothing:
            empty_state(
                "No alerts yet",
                "Alerts appear here as soon as a rule or a detector fires. Watch them in a terminal too:",
                command(context.model.config, "alerts --follow"),
            )
        with ui.element("div") as self._no_match:
            empty_state("No alert passes this filter", "Choose other rules or severities, or clear the search.")

    async def update(self, chosen: AlertsAsked) -> None:
        """Show what passes ``chosen`` now; costs one short question when nothing changed."""
        newest = (await self._answers.alerts(AlertsAsked(limit=1))).rows
        state = (chosen, newest[0].number if newest else 0, self.limit)
        if state == self._shown:
            return
        self._shown = state
        found = await self._answers.alerts(replace(chosen, limit=self.limit))
        if state != self._shown:
            return  # meanwhile something else was asked for, whose answer is on its way
        self._rows.show(found.rows)
        self._links = {alert.document["id"]: self._links[alert.document["id"]] for alert in found.rows}
        self.has_more, self.count = found.next_cursor is not None, len(found.rows)
        self._nothing.set_visibility(not newest)
        self._no_match.set_visibility(bool(newest) and not found.rows)

    def select(self, alert_id: str | None) -> None:
        """Mark one alert as the one that is shown beside the list."""
        for marked in (self._selected, alert_id):
            link = self._links.get(marked) if marked is not None else None
            if link is not None:
                link.set("aria-current", "true" if marked == alert_id else None)
        self._selected = alert_id

    def _make(self, stored: StoredAlert) -> Made[StoredAlert]:
        alert = stored.document
        with Tag("li") as row, Tag("a", classes="sg-alert", attributes={"href": f"/alerts/{alert['id']}"}) as link:
            with Tag("span", classes="h"):
                Tag("span", alert["severity"], f"sg-pill {alert['severity']}")
                Tag("b", alert["rule"])
                Tag("span", alert["key"], "k")
            with Tag("span", classes="t"):
                when(stored.detected_ms, ago=True)
            Tag("span", facts(alert), "w")
        self._links[alert["id"]] = link
        if alert["id"] == self._selected:
            link.set("aria-current", "true")
        if self._on_select is not None:
            select = self._on_select
            # With a modifier the browser opens the link in a tab of its own, as people expect of a link.
            link.on(
                "click",
                lambda alert_id=alert["id"]: select(alert_id),
                js_handler="(e) => { if (e.metaKey || e.ctrlKey || e.shiftKey || innerWidth <= 900) return; "
                "e.preventDefault(); emit(); }",
            )
        return Made(row, lambda _: None)
