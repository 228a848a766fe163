"""What people change through the web: commands and labels in the log, each noted; pages and endpoints do it alike."""

import contextlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pipeline.access.audit import Actor, AuditLog
from pipeline.config.model import AppConfig
from pipeline.errors import UsageError
from pipeline.incidents.events import Acknowledge, Command, Resolve, Snooze, Unsnooze
from pipeline.incidents.sending import incident_settings, new_id, send_commands
from pipeline.labels import Label, Labelled, send_label
from pipeline.log import Log
from pipeline.readmodel.questions import Answers
from pipeline.subscribe import AlertFilter

REMEMBERED: Final = 10_000


class NothingSuchError(UsageError):
    """There is no incident, snooze or alert of that id."""


class NotNowError(UsageError):
    """It can't be done as things stand."""


class Sent(NamedTuple):
    """A command on its way to a worker: its own id, and that of what it is about."""

    id: str
    of: str


class LabelSent(NamedTuple):
    """A label that was written: its own id, the record's, and what became of it."""

    id: str
    record: str
    labelled: Labelled


class Changes:
    """Writes what people ask for, and who asked into the audit log: before, that it was asked, and then how it ended.

    Every method takes ``own_id``, the id of the change: who asks twice with the same one is answered twice and changes
    once. A worker remembers ids of commands, as ``remember`` in ``[incidents]`` says; this process remembers the
    newest 10,000 with their answers.

    Args:
        config: The application.
        log: Its log.
        answers: The store, to find what is meant.
        audit: Where each change is noted.
        clock_ms: Wall clock, Unix ms.

    Raises, all methods:
        NothingSuchError: If there is no such incident, snooze or alert.
        NotNowError: If the application has no incidents, the incident is over, or the id was used for another change.
        AccessError: If it can't be noted; then nothing is changed.
        LogError: If the log can't be written.
    """

    def __init__(
        self, config: AppConfig, log: Log, answers: Answers, audit: AuditLog, *, clock_ms: Callable[[], int]
    ) -> None:
        self._config = config
        self._log = log
        self._answers = answers
        self._audit = audit
        self._clock_ms = clock_ms
        self._done: OrderedDict[str, tuple[tuple[object, ...], Sent | LabelSent]] = OrderedDict()

    async def acknowledge(self, incident: str, *, by: Actor, note: str = "", own_id: str | None = None) -> Sent:
        """Somebody takes care of an incident, given by its id or its first digits."""
        return await self._handle(Acknowledge, incident, by, note, own_id)

    async def resolve(self, incident: str, *, by: Actor, note: str = "", own_id: str | None = None) -> Sent:
        """An incident is over."""
        return await self._handle(Resolve, incident, by, note, own_id)

    async def snooze(
        self, *, rule: str | None, key: str | None, until_ms: int, reason: str, by: Actor, own_id: str | None = None
    ) -> Sent:
        """Tell nobody about a rule, a key, or a rule at a key until a moment, Unix ms.

        Raises:
            UsageError: If there is no such rule, neither is given, or the moment is over.
        """
        self._need_incidents()
        if rule is None and key is None:
            raise UsageError("a snooze needs a rule, a key or both")
        AlertFilter(rules=(rule,) if rule else ()).check(self._config)
        what = (Snooze, rule, key, reason, by.who)
        known = self._known(own_id, what)
        if known is not None:
            return Sent(*known[:2])
        if until_ms <= self._clock_ms():
            raise UsageError(f"until_ms: {until_ms} is over; a snooze ends in the future")
        own = own_id or new_id()
        command = Snooze(id=own, rule=rule, key=key, until_ms=until_ms, reason=reason, by=by.who)
        async with self._noted(by, "snooze.add", own, own, rule=rule, key=key, until_ms=until_ms, reason=reason):
            return await self._send(command, Sent(own, own), what)

    async def unsnooze(self, snooze: str, *, by: Actor, own_id: str | None = None) -> Sent:
        """End a snooze early."""
        self._need_incidents()
        what = (Unsnooze, snooze, by.who)
        known = self._known(own_id, what)
        if known is not None:
            return Sent(*known[:2])
        if snooze not in {each.id for each in await self._answers.snoozes()}:
            raise NothingSuchError(f"there is no snooze '{snooze}' in force")
        own = own_id or new_id()
        async with self._noted(by, "snooze.end", snooze, own):
            return await self._send(Unsnooze(id=own, snooze=snooze, by=by.who), Sent(own, snooze), what)

    async def label(self, alert: str, *, fraud: bool, by: Actor, own_id: str | None = None) -> LabelSent:
        """Say whether the record that fired was fraud; the newest word counts."""
        what = ("label", alert, fraud, by.who)
        known = self._known(own_id, what)
        if isinstance(known, LabelSent):
            return known
        stored = await self._answers.alert(alert)
        if stored is None:
            raise NothingSuchError(f"there is no alert '{alert}'")
        label = Label(alert=stored.document, fraud=fraud, by=by.who, time_ms=self._clock_ms())
        own = own_id or new_id()
        async with self._noted(by, "alert.label", alert, own, fraud=fraud, record=label.record):
            sent = LabelSent(own, label.record, await send_label(self._config, self._log, label))
            self._remember(what, sent)
            return sent

    async def label_incident(self, incident: str, *, fraud: bool, by: Actor) -> int:
        """Say the same of the records that fired all alerts of an incident; of how many."""
        found = await self._answers.incident(incident)
        if found is None:
            raise NothingSuchError(f"there is no incident '{incident}'")
        alerts = [alert.document for alert in found.alerts]
        of, ids = found.incident.id, [alert["id"] for alert in alerts]
        async with self._noted(by, "incident.label", of, new_id(), fraud=fraud, alerts=ids):
            for alert in alerts:
                label = Label(alert=alert, fraud=fraud, by=by.who, time_ms=self._clock_ms())
                await send_label(self._config, self._log, label)
        return len(alerts)

    async def _handle(
        self, kind: type[Acknowledge | Resolve], incident: str, by: Actor, note: str, own_id: str | None
    ) -> Sent:
        self._need_incidents()
        what = (kind, incident, by.who, note)
        known = self._known(own_id, what)
        if known is not None:
            return Sent(*known[:2])
        found = await self._answers.incident(incident)
        if found is None:
            raise NothingSuchError(f"there is no incident '{incident}'")
        if not found.incident.is_live:
            raise NotNowError(f"incident {found.incident.id} is resolved already")
        own = own_id or new_id()
        command = kind(id=own, incident=found.incident.id, by=by.who, note=note)
        async with self._noted(by, f"incident.{kind.__name__.lower()}", found.incident.id, own, note=note):
            return await self._send(command, Sent(own, found.incident.id), what)

    def _noted(
        self, by: Actor, action: str, subject: str, own: str, **details: Any
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Into the audit log; ``change`` there is the id of the command in the log, if it is one."""
        return self._audit.around(by, action, subject, change=own, **details)

    async def _send(self, command: Command, sent: Sent, what: tuple[object, ...]) -> Sent:
        await send_commands(self._config, self._log, [command])
        self._remember(what, sent)
        return sent

    def _need_incidents(self) -> None:
        try:
            incident_settings(self._config)
        except UsageError as error:
            raise NotNowError(str(error)) from error

    def _known(self, own_id: str | None, what: tuple[object, ...]) -> Sent | LabelSent | None:
        if own_id is None or own_id not in self._done:
            return None
        done, sent = self._done[own_id]
        if done != what:
            raise NotNowError(f"the id '{own_id}' was given to another change before; take a new one")
        return sent

    def _remember(self, what: tuple[object, ...], sent: Sent | LabelSent) -> None:
        self._done[sent.id] = (what, sent)
        if len(self._done) > REMEMBERED:
            self._done.popitem(last=False)
