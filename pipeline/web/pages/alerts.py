"""Alerts: the live list, and the evidence of one of them beside it."""

from typing import Final
from urllib.parse import quote

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from agents.events import RecordRef
from agents.spec import SEVERITIES
from pipeline.readmodel.read_model import ReadModel
from pipeline.readmodel.ring import AlertFilter, KeptAlert
from pipeline.web.parts import human
from pipeline.web.parts.alert_list import AlertFeed
from pipeline.web.parts.elements import Tag, empty_state, table_head, when
from pipeline.web.parts.layout import TICK_S, command, frame, head, not_found

LENGTH: Final = 50


def alerts_page(model: ReadModel, alert_id: str | None = None) -> None:
    """Build ``/alerts`` and ``/alerts/{id}``; an id that is not kept gives a 404 that says where to look."""
    chosen = None if alert_id is None else model.alerts.get(alert_id)
    if alert_id is not None and chosen is None:
        kept = f"The {human.number(len(model.alerts))} newest alerts are kept here"
        not_found(model, f"There is no alert {alert_id}. {kept}; the alerts topic holds older ones.")
        return
    _AlertsPage(model, chosen)


class _AlertsPage:
    def __init__(self, model: ReadModel, chosen: KeptAlert | None) -> None:
        self._model = model
        self._rules: frozenset[str] = frozenset()
        self._severities: set[str] = set()
        self._text = ""
        with frame(model, title=chosen.alert.rule if chosen else "Alerts", page="alerts"):
            head("Alerts", "Newest first, as they are detected")
            with Tag("div", classes="sg-split") as self._split:
                with Tag("section", classes="sg-card"):
                    self._controls()
                    self._feed = AlertFeed(model, limit=LENGTH, on_select=self._select)
                    with Tag("div", classes="sg-pager"):
                        self._count = Tag("span", "", "sg-small sg-muted sg-num")
                        Tag("span", classes="sg-spacer")
                        self._more = Tag("button", f"Show {LENGTH} more", "sg-btn", {"type": "button"})
                        self._more.on("click", self._lengthen)
                self._detail = Tag(
                    "section", classes="sg-card sg-detail", attributes={"aria-live": "polite", "aria-label": "Evidence"}
                )
        self._tick()
        self._show(chosen)
        ui.timer(TICK_S, self._tick)

    def _controls(self) -> None:
        with Tag("div", classes="sg-bar"):
            search = ui.input(placeholder="Search key, rule or explanation", on_change=self._search)
            search.props('outlined dense clearable debounce=250 aria-label="Search alerts"').classes("sg-grow")
            self._rule_select = ui.select([], multiple=True, label="Rules", on_change=self._choose_rules)
            self._rule_select.props("outlined dense options-dense clearable").style("min-width: 150px")
            with Tag("div", classes="sg-seg", attributes={"role": "group", "aria-label": "Severities"}):
                for severity in reversed(SEVERITIES):
                    self._severity_button(severity)

    def _severity_button(self, severity: str) -> None:
        button = Tag("button", severity, "sg-btn", {"type": "button", "aria-pressed": "false"})

        def toggle() -> None:
            self._severities ^= {severity}
            button.set("aria-pressed", "true" if severity in self._severities else "false")
            self._tick()

        button.on("click", toggle)

    def _search(self, event: ValueChangeEventArguments[str | None]) -> None:
        self._text = (event.value or "").strip()
        self._tick()

    def _choose_rules(self, event: ValueChangeEventArguments[list[str] | None]) -> None:
        self._rules = frozenset(event.value or ())
        self._tick()

    def _tick(self) -> None:
        alerts = self._model.alerts
        rules = list(alerts.rules())
        if set(rules) != set(self._rule_select.options):
            self._rule_select.set_options(sorted(rules))
        chosen = AlertFilter(self._rules, frozenset(self._severities), self._text)
        self._feed.update(chosen)
        matching = sum(1 for _ in alerts.newest_first(chosen))
        limit = self._feed.limit
        self._count.put(
            f"The newest {limit:,} of {matching:,}" if matching > limit else human.plural(matching, "alert")
        )
        self._more.set_visibility(matching > limit)

    def _lengthen(self) -> None:
        self._feed.lengthen(LENGTH)
        self._tick()

    def _select(self, alert_id: str) -> None:
        kept = self._model.alerts.get(alert_id)
        if kept is not None:
            ui.navigate.history.push(f"/alerts/{quote(alert_id)}")
            self._show(kept)

    def _show(self, kept: KeptAlert | None) -> None:
        self._feed.select(kept.alert.id if kept else None)
        self._split.mark_as("has-detail" if kept else "", ("has-detail",))
        self._detail.clear()
        with self._detail:
            if kept is None:
                empty_state("No alert chosen", "Choose one from the list to see why it fired.")
            else:
                evidence(self._model, kept)


def evidence(model: ReadModel, kept: KeptAlert) -> None:
    """Everything that made one alert fire."""
    alert = kept.alert
    Tag("a", "← All alerts", "sg-back", {"href": "/alerts"})
    with Tag("div", classes="sg-head"):
        Tag("h2", f"{alert.rule} · {alert.key}")
        Tag("span", alert.severity, f"sg-pill {alert.severity}")
    Tag("p", kept.why, "sg-why")
    _values(model, kept)
    Tag("h3", "Condition")
    Tag("p", alert.condition, "sg-cond")
    Tag("h3", "When and where")
    with Tag("dl", classes="sg-facts"):
        _moment("Event time", alert.event_time_ms)
        _moment(
            "Detected",
            kept.detected_ms,
            f"{human.duration(kept.detected_ms - alert.appended_ms)} after the record was appended",
        )
        Tag("dt", "Window")
        with Tag("dd"):
            when(alert.window_start_ms)
            Tag("span", " to ")
            when(alert.window_end_ms)
            Tag("span", f" · {human.duration(alert.window_end_ms - alert.window_start_ms)}, end excluded", "sg-muted")
        _fact("Stream", alert.stream)
        if alert.table is not None:
            Tag("dt", "Table")
            with Tag("dd"):
                Tag("a", alert.table, attributes={"href": f"/tables/{quote(alert.table)}?q={quote(alert.key)}"})
        _fact("Rule version", alert.version)
        if alert.trace:
            _fact("Trace", alert.trace)
        _fact("Alert id", alert.id)
    _records(model, alert.records or (alert.source,), alert.source)


def _values(model: ReadModel, kept: KeptAlert) -> None:
    alert = kept.alert
    kinds = {column.name: column.kind for column in model.columns(alert.table)} if alert.table in model.specs else {}
    names = [*alert.thresholds, *(name for name in alert.values if name not in alert.thresholds)]
    Tag("h3", "Values beside their thresholds")
    with Tag("table", classes="sg-table"):
        table_head([("Measure", ""), ("Value", "r"), ("Threshold", "r")], "Values and thresholds")
        with Tag("tbody"):
            for name in names:
                with Tag("tr"):
                    Tag("td", name)
                    _value(alert.values.get(name), is_time=kinds.get(name) == "time")
                    Tag("td", _text(alert.thresholds.get(name)), "r")


def _value(value: float | str | bool | None, *, is_time: bool) -> None:
    if is_time and isinstance(value, int | float):
        with Tag("td", classes="r strong"):
            when(value)
    else:
        Tag("td", _text(value), "r strong")


def _text(value: float | str | bool | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else human.number(value)


def _moment(title: str, ms: int, note: str = "") -> None:
    Tag("dt", title)
    with Tag("dd"):
        when(ms)
        if note:
            Tag("span", f" · {note}", "sg-muted")


def _fact(title: str, text: str) -> None:
    Tag("dt", title)
    Tag("dd", text)


def _records(model: ReadModel, records: tuple[RecordRef, ...], source: RecordRef) -> None:
    Tag("h3", f"Contributing records ({len(records)})")
    with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
        table_head(
            [("Record", ""), ("Topic", ""), ("Partition", "r"), ("Offset", "r")], "Contributing records, newest first"
        )
        with Tag("tbody"):
            for ref in reversed(records):
                with Tag("tr"):
                    Tag("td", (ref.id or human.NOTHING) + (" · fired" if ref == source else ""))
                    Tag("td", ref.topic)
                    Tag("td", f"{ref.partition}", "r")
                    Tag("td", f"{ref.offset:,}", "r")
    Tag("h3", "Read the record that fired")
    words = f"consume {source.topic} --from {source.offset}"
    Tag("code", command(model.config, words), "sg-cmd")
