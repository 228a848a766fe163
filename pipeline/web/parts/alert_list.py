"""A live list of alerts, newest first; a new alert adds one row, nothing else is sent."""

import json
from collections.abc import Callable

from nicegui import ui

from pipeline.readmodel.read_model import ReadModel
from pipeline.readmodel.ring import AlertFilter, KeptAlert
from pipeline.web.parts.elements import Tag, empty_state, when
from pipeline.web.parts.layout import command


def _facts(kept: KeptAlert) -> str:
    """The explanation without its beginning, which rule and key beside it say already."""
    name = json.dumps(kept.alert.key, ensure_ascii=False)
    return kept.why.removeprefix(f"{kept.alert.rule} fired for {name}: ")


class AlertFeed:
    """The newest alerts that pass a filter, at most ``limit`` of them.

    Args:
        model: Where the alerts come from.
        limit: Rows shown.
        on_select: Called with the id of the alert that was clicked; without it a click opens the alert's page.
    """

    def __init__(self, model: ReadModel, *, limit: int, on_select: Callable[[str], None] | None = None) -> None:
        self._model = model
        self._limit = limit
        self._on_select = on_select
        self._rows: dict[str, Tag] = {}
        self._links: dict[str, Tag] = {}
        self._filter: AlertFilter | None = None
        self._newest = -1
        self._selected: str | None = None
        self._list = Tag("ol", classes="sg-feed", attributes={"aria-label": "Alerts, newest first"})
        with ui.element("div") as self._nothing:
            empty_state(
                "No alerts yet",
                "Alerts appear here as soon as a rule or a detector fires. Watch them in a terminal too:",
                command(model.config, "alerts --follow"),
            )
        with ui.element("div") as self._no_match:
            empty_state("No alert passes this filter", "Choose other rules or severities, or clear the search.")

    def update(self, chosen: AlertFilter) -> None:
        """Show what passes ``chosen`` now; costs nothing when nothing changed."""
        if self._newest == self._model.alerts.newest and chosen == self._filter:
            return
        self._newest, self._filter = self._model.alerts.newest, chosen
        wanted = self._model.alerts.page(chosen, limit=self._limit)
        keep = {kept.alert.id for kept in wanted}
        for alert_id in [alert_id for alert_id in self._rows if alert_id not in keep]:
            self._rows.pop(alert_id).delete()
            self._links.pop(alert_id)
        for place, kept in enumerate(wanted):
            if kept.alert.id not in self._rows:
                self._insert(kept, place)
        self._nothing.set_visibility(len(self._model.alerts) == 0)
        self._no_match.set_visibility(not wanted and len(self._model.alerts) > 0)

    def lengthen(self, rows: int) -> None:
        """Show more rows from the next update on."""
        self._limit += rows
        self._filter = None

    @property
    def limit(self) -> int:
        """Rows shown at most."""
        return self._limit

    def select(self, alert_id: str | None) -> None:
        """Mark one alert as the one that is shown beside the list."""
        for marked in (self._selected, alert_id):
            link = self._links.get(marked) if marked is not None else None
            if link is not None:
                link.set("aria-current", "true" if marked == alert_id else None)
        self._selected = alert_id

    def _insert(self, kept: KeptAlert, place: int) -> None:
        alert = kept.alert
        with (
            self._list,
            Tag("li") as row,
            Tag("a", classes="sg-alert", attributes={"href": f"/alerts/{alert.id}"}) as link,
        ):
            with Tag("span", classes="h"):
                Tag("span", alert.severity, f"sg-pill {alert.severity}")
                Tag("b", alert.rule)
                Tag("span", alert.key, "k")
            with Tag("span", classes="t"):
                when(kept.detected_ms, ago=True)
            Tag("span", _facts(kept), "w")
        if row.parent_slot is not None and place != len(row.parent_slot.children) - 1:
            row.move(target_index=place)
        self._rows[alert.id] = row
        self._links[alert.id] = link
        if alert.id == self._selected:
            link.set("aria-current", "true")
        if self._on_select is not None:
            select = self._on_select
            # With a modifier the browser opens the link in a tab of its own, as people expect of a link.
            link.on(
                "click",
                lambda alert_id=alert.id: select(alert_id),
                js_handler="(e) => { if (e.metaKey || e.ctrlKey || e.shiftKey || innerWidth <= 900) return; "
                "e.preventDefault(); emit(); }",
            )
