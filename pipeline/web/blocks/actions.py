"""Buttons that do something: acknowledge, resolve, snooze, label. What a role may not do is not offered."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from nicegui import ui

from pipeline.access.audit import Actor
from pipeline.access.roles import Role
from pipeline.errors import StreamgaugeError
from pipeline.incidents.model import Incident
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.dialog import Field, Filled, FormDialog
from pipeline.web.parts.elements import Tag, button
from pipeline.web.parts.permitted import doing, may

MINUTE_MS: Final = 60_000
LENGTHS: Final = (("30", "30 minutes"), ("60", "1 hour"), ("240", "4 hours"), ("1440", "1 day"), ("10080", "1 week"))
_NOTE: Final = Field(name="note", label="Note", hint="Optional: what you found, what you do")


async def attempt(role: Role, work: Callable[[Actor], Awaitable[object]], done: str) -> None:
    """Do something, and say that it was done, or why not.

    Args:
        role: What it needs, asked again when it is done.
        work: Does it, given who asks for it.
        done: What to say then.
    """
    try:
        await work(doing(role))
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
        with Tag("div", classes="sg-actions"):
            self._acknowledge = button("Acknowledge", "is-primary")
            self._resolve = button("Resolve")
            self._snooze = button("Snooze …")
        self._handles, self._silences = may(Role.ANALYST), may(Role.OPERATOR)
        for each, allowed in (
            (self._acknowledge, self._handles),
            (self._resolve, self._handles),
            (self._snooze, self._silences),
        ):
            each.set("disabled", not allowed or None)
            each.set("title", None if allowed else "Your role may not do this")
        self._dialogs()
        self.update(incident)

    def update(self, incident: Incident) -> None:
        """Offer what is still to be done."""
        is_new = incident.state in {"open", "updated"}
        self._acknowledge.set("disabled", not (self._handles and is_new) or None)
        self._resolve.set("disabled", not (self._handles and incident.is_live) or None)

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
        changes, incident, note = self._context.changes, self._incident.id, filled.get("note", "")
        done = "Acknowledged; a worker writes it down"
        await attempt(Role.ANALYST, lambda by: changes.acknowledge(incident, by=by, note=note), done)

    async def _resolved(self, filled: Filled) -> None:
        changes, incident, note = self._context.changes, self._incident.id, filled.get("note", "")
        done = "Resolved; a worker writes it down"
        await attempt(Role.ANALYST, lambda by: changes.resolve(incident, by=by, note=note), done)

    async def _snoozed(self, filled: Filled) -> None:
        lasts_ms, scope = int(filled.get("minutes", "60")) * MINUTE_MS, filled.get("scope", "both")

        given: dict[str, Any] = {
            "rule": None if scope == "key" else self._incident.rule,
            "key": None if scope == "rule" else self._incident.key,
            "until_ms": self._context.model.clock_ms() + lasts_ms,
            "reason": filled.get("reason", "") or "no reason given",
        }
        done = f"Snoozed for {human.duration(lasts_ms)}"
        await attempt(Role.OPERATOR, lambda by: self._context.changes.snooze(**given, by=by), done)


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
                self._buttons[fraud].set_visibility(may(Role.ANALYST))
        self._said = Tag("span", "", "sg-small sg-muted")

    def show(self, fraud: bool | None) -> None:
        """Mark what was said."""
        for value, each in self._buttons.items():
            each.set("aria-pressed", "true" if fraud is value else "false")
        if not may(Role.ANALYST):
            self._said.put("not labelled" if fraud is None else "fraud" if fraud else "not fraud")


def alert_label(context: PageContext, alert_id: str, name: str) -> FraudButtons:
    """Fraud or not, for one alert."""

    async def label(fraud: bool) -> None:
        said = "fraud" if fraud else "not fraud"
        await attempt(Role.ANALYST, lambda by: context.changes.label(alert_id, fraud=fraud, by=by), f"Labelled {said}")

    return FraudButtons(name, label)
