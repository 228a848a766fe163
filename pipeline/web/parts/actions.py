"""Buttons that do something: acknowledge, resolve, snooze, label. What a role may not do is not offered."""

from collections.abc import Awaitable, Callable
from typing import Final

from nicegui import ui

from pipeline.errors import StreamgaugeError
from pipeline.incidents.model import Incident
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.dialog import Field, Filled, FormDialog
from pipeline.web.parts.elements import Tag, button

MINUTE_MS: Final = 60_000
LENGTHS: Final = (("30", "30 minutes"), ("60", "1 hour"), ("240", "4 hours"), ("1440", "1 day"), ("10080", "1 week"))
_NOTE: Final = Field(name="note", label="Note", hint="Optional: what you found, what you do")


def user_name() -> str:
    """Who looks at this page."""
    return str(getattr(getattr(ui.context.client.request.state, "user", None), "name", ""))


def may_act() -> bool:
    """Whether who looks at this page may change anything."""
    return True


async def attempt(work: Awaitable[object], done: str) -> None:
    """Do something, and say that it was done, or why not."""
    try:
        await work
    except StreamgaugeError as error:
        say(str(error)[:1].upper() + str(error)[1:], bad=True)
    else:
        say(done)


def say(sentence: str, *, bad: bool = False) -> None:
    """Tell the viewer something in the corner for a few seconds; screen readers say it too."""
    ui.notify(
        sentence,
        position="bottom-right",
        classes="sg-toast is-bad" if bad else "sg-toast",
        timeout=8_000 if bad else 4_000,
    )


class IncidentActions:
    """What can be done about an incident: acknowledge it, resolve it, snooze its rule or key."""

    def __init__(self, context: PageContext, incident: Incident) -> None:
        self._context = context
        self._incident = incident
        self._by = user_name()
        if not may_act():
            Tag("p", "Your role may look, but not acknowledge or resolve.", "sg-small sg-muted")
            return
        with Tag("div", classes="sg-actions"):
            self._acknowledge = button("Acknowledge", "is-primary")
            self._resolve = button("Resolve")
            self._snooze = button("Snooze …")
        self._dialogs()
        self.update(incident)

    def update(self, incident: Incident) -> None:
        """Offer what is still to be done."""
        if may_act():
            self._acknowledge.set("disabled", incident.state in {"acknowledged", "resolved"} or None)
            self._resolve.set("disabled", not incident.is_live or None)

    def _dialogs(self) -> None:
        acknowledge = FormDialog(
            "Acknowledge",
            "You take care of it. People are told again only if it gets worse.",
            [_NOTE],
            "Acknowledge",
            self._acknowledged,
        )
        acknowledge.opened_by(self._acknowledge)
        resolve = FormDialog(
            "Resolve", "It is over. It opens again if it fires soon.", [_NOTE], "Resolve", self._resolved
        )
        resolve.opened_by(self._resolve)
        rule, key = self._incident.rule, self._incident.key
        scopes = (("both", f"{rule} at {key}"), ("rule", f"{rule}, all keys"), ("key", f"{key}, all rules"))
        snooze = FormDialog(
            "Snooze",
            "Alerts are still recorded, and nobody is told until the end.",
            [
                Field(name="scope", label="What", choices=scopes),
                Field(name="minutes", label="For", choices=LENGTHS),
                Field(name="reason", label="Why", required=True, hint="On holiday, known test, …"),
            ],
            "Snooze",
            self._snoozed,
        )
        snooze.opened_by(self._snooze)

    async def _acknowledged(self, filled: Filled) -> None:
        work = self._context.changes.acknowledge(self._incident.id, by=self._by, note=filled.get("note", ""))
        await attempt(work, "Acknowledged; a worker writes it down")

    async def _resolved(self, filled: Filled) -> None:
        work = self._context.changes.resolve(self._incident.id, by=self._by, note=filled.get("note", ""))
        await attempt(work, "Resolved; a worker writes it down")

    async def _snoozed(self, filled: Filled) -> None:
        minutes, scope = int(filled.get("minutes", "60")), filled.get("scope", "both")
        work = self._context.changes.snooze(
            rule=None if scope == "key" else self._incident.rule,
            key=None if scope == "rule" else self._incident.key,
            until_ms=self._context.model.clock_ms() + minutes * MINUTE_MS,
            reason=filled.get("reason", "") or "no reason given",
            by=self._by,
        )
        await attempt(work, f"Snoozed for {human.duration(minutes * MINUTE_MS)}")


class FraudButtons:
    """Fraud or not: what a person says of the record that fired. Said again, the newest word counts.

    Args:
        name: For screen readers, what the buttons are about.
        label: Says it.
    """

    def __init__(self, name: str, label: Callable[[bool], Awaitable[None]]) -> None:
        self._buttons: dict[bool, Tag] = {}
        with Tag("span", classes="sg-seg", attributes={"role": "group", "aria-label": f"Was it fraud? {name}"}):
            for fraud, text in ((True, "Fraud"), (False, "Not fraud")):
                self._buttons[fraud] = button(text, "is-small", {"aria-pressed": "false"})
                self._buttons[fraud].on("click", lambda fraud=fraud: label(fraud))
                self._buttons[fraud].set_visibility(may_act())
        self._said = Tag("span", "", "sg-small sg-muted")

    def show(self, fraud: bool | None) -> None:
        """Mark what was said."""
        for value, each in self._buttons.items():
            each.set("aria-pressed", "true" if fraud is value else "false")
        if not may_act():
            self._said.put("not labelled" if fraud is None else "fraud" if fraud else "not fraud")


def alert_label(context: PageContext, alert_id: str, name: str) -> FraudButtons:
    """Fraud or not, for one alert."""
    by = user_name()

    async def label(fraud: bool) -> None:
        said = "fraud" if fraud else "not fraud"
        await attempt(context.changes.label(alert_id, fraud=fraud, by=by), f"Labelled {said}")

    return FraudButtons(name, label)
