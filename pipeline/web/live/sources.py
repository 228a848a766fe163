"""What a feed is made of: alerts as they arrive in the store, incidents as they change."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from agents.spec import Severity
from pipeline.errors import UsageError
from pipeline.incidents.model import Incident
from pipeline.readmodel.questions import MAX_LIMIT, AlertsAsked, Answers, IncidentsAsked, StoredAlert
from pipeline.web.api.alerts import alert_out
from pipeline.web.api.incidents import incident_out

Subject = Literal["alerts", "incidents"]
_PLACE: Final = re.compile(r"(\d{1,18})-(.{0,200})")
_ENDED_KEPT: Final = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """Something new.

    Args:
        number: Its place in the feed, only grows.
        id: The place as listeners give it back; also says whether it is the same feed still.
        event: ``alert`` or ``incident``.
        rule: For filters.
        severity: For filters.
        key: For filters.
        data: JSON, as the API says it; encoded once for all listeners.
    """

    number: int
    id: str
    event: str
    rule: str
    severity: str
    key: str
    data: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which items; what is empty or ``None`` lets all through.

    Args:
        rules: Any of these.
        severities: Any of these.
        key: Exactly this key.
    """

    rules: Sequence[str] = ()
    severities: Sequence[Severity] = ()
    key: str | None = None

    def passes(self, item: Item) -> bool:
        """Whether an item is wanted."""
        return (
            (not self.rules or item.rule in self.rules)
            and (not self.severities or item.severity in self.severities)
            and (self.key is None or item.key == self.key)
        )


class Source(Protocol):
    """What a feed reads, once for all listeners."""

    async def newest(self) -> tuple[int, str]:
        """Number and id of the newest item; 0 and an id for it while there is none."""

    async def after(self, number: int, limit: int) -> list[Item]:
        """Items after a number, oldest first."""

    async def find(self, place: str) -> int | None:
        """The number that an id stands for; ``None`` if it is of another feed or not kept any more.

        Raises:
            UsageError: If it is no id at all.
        """


class AlertSource:
    """Alerts in the order in which they arrived in the store.

    An id is the number of an alert and the alert's own id. A store that was made anew numbers alerts differently: then
    the alert of that number has another id, and the place is not known any more.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def newest(self) -> tuple[int, str]:
        """The alert that arrived last: numbers follow arrival, pages the time of detection."""
        found = (await self._answers.alerts(AlertsAsked(limit=1))).rows
        number = found[0].number if found else 0
        newest = found[0] if found else None
        while more := await self._answers.alerts_after(number, MAX_LIMIT):
            newest, number = more[-1], more[-1].number
        return number, _alert_place(newest)

    async def after(self, number: int, limit: int) -> list[Item]:
        """Alerts that arrived later."""
        return [_alert_item(alert) for alert in await self._answers.alerts_after(number, limit)]

    async def find(self, place: str) -> int | None:
        """Where an alert stands."""
        number, name = parse_place(place)
        if number == 0:
            return 0 if not name else None
        found = await self._answers.alerts_after(number - 1, 1)
        is_same = bool(found) and found[0].number == number and found[0].document["id"] == name
        return number if is_same else None


class IncidentSource:
    """Incidents as they change: of each one the newest state, numbered by when this process saw it.

    Numbers begin anew with each process, so an id names the process too.

    Cost: a page of the store for each 500 live incidents, and one of resolved ones, whenever it is read.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._states: dict[str, tuple[Incident, Item]] = {}

    async def newest(self) -> tuple[int, str]:
        """The change that was seen last."""
        await self._look()
        return self._number, f"{self._number}-{self._epoch}"

    async def after(self, number: int, limit: int) -> list[Item]:
        """Incidents that changed later, each as it is now."""
        if number >= self._number:
            await self._look()
        return [item for _, item in self._states.values() if item.number > number][:limit]

    async def find(self, place: str) -> int | None:
        """Where a change stands."""
        number, epoch = parse_place(place)
        return number if epoch == self._epoch and number <= self._number else None

    async def _look(self) -> None:
        cursor = None
        while True:
            live = await self._answers.incidents(IncidentsAsked(state="live", cursor=cursor, limit=MAX_LIMIT))
            self._take(live.rows)
            cursor = live.next_cursor
            if cursor is None:
                break
        self._take((await self._answers.incidents(IncidentsAsked(state="resolved", limit=MAX_LIMIT))).rows)
        ended = [name for name, (incident, _) in self._states.items() if not incident.is_live]
        for name in ended[:-_ENDED_KEPT]:
            del self._states[name]

    def _take(self, incidents: Sequence[Incident]) -> None:
        for incident in sorted(incidents, key=lambda each: (each.last_alert_ms, each.id)):
            known = self._states.get(incident.id)
            if known is None or known[0] != incident:
                self._number += 1
                self._states.pop(incident.id, None)  # the newest change stands last
                self._states[incident.id] = incident, self._item(incident)

    def _item(self, incident: Incident) -> Item:
        return Item(
            number=self._number,
            id=f"{self._number}-{self._epoch}",
            event="incident",
            rule=incident.rule,
            severity=incident.severity,
            key=incident.key,
            data=incident_out(incident).model_dump_json(),
        )


def _alert_place(stored: StoredAlert | None) -> str:
    return "0-" if stored is None else f"{stored.number}-{stored.document['id']}"


def _alert_item(stored: StoredAlert) -> Item:
    return Item(
        number=stored.number,
        id=_alert_place(stored),
        event="alert",
        rule=stored.document["rule"],
        severity=stored.document["severity"],
        key=stored.document["key"],
        data=alert_out(stored).model_dump_json(),
    )


def parse_place(place: str) -> tuple[int, str]:
    """The number in an id, and what tells feeds apart.

    Raises:
        UsageError: If it is no id.

    >>> parse_place("17-5f2b1c0d")
    (17, '5f2b1c0d')
    """
    match = _PLACE.fullmatch(place)
    if match is None:
        raise UsageError(f"{place!r} is no id of a live feed; begin without one, or with the last `id` that you got")
    return int(match[1]), match[2]
