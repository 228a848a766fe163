"""``/api/incidents`` and ``/api/snoozes``: what goes on, and about what nobody is told."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Path, Query

from pipeline.incidents.model import Incident, Notice, Snoozed
from pipeline.readmodel.questions import Answers, IncidentPage
from pipeline.readmodel.questions import IncidentsAsked as Question
from pipeline.web.api.alerts import alert_out
from pipeline.web.api.cursors import page
from pipeline.web.schemas.common import ListAsked
from pipeline.web.schemas.incidents import (
    IncidentOut,
    IncidentPageOut,
    IncidentsAsked,
    IncidentsOut,
    NoticeOut,
    SnoozeOut,
    SnoozesOut,
)

IncidentId = Annotated[
    str, Path(description="Id of an incident; its first digits will do where they are enough", max_length=200)
]


def add_incidents(router: APIRouter, answers: Answers) -> None:
    """The endpoints that read incidents and snoozes."""

    @router.get("/incidents", tags=["incidents"])
    async def list_incidents(asked: Annotated[IncidentsAsked, Query()]) -> IncidentsOut:
        """Live incidents, worst first, or resolved ones, newest first."""
        found = await answers.incidents(
            Question(
                state=asked.state,
                rules=asked.rule,
                severities=asked.severity,
                key=asked.key,
                text=asked.q,
                cursor=asked.cursor,
                limit=asked.limit,
            )
        )
        return IncidentsOut(incidents=[incident_out(each) for each in found.rows], next_cursor=found.next_cursor)

    @router.get("/incidents/{incident_id}", tags=["incidents"])
    async def read_incident(incident_id: IncidentId) -> IncidentPageOut:
        """One incident with its alerts and what people were told."""
        found = await incident_or_404(answers, incident_id)
        return IncidentPageOut(
            incident=incident_out(found.incident),
            alerts=[alert_out(alert) for alert in found.alerts],
            notices=[_notice_out(notice) for notice in found.notices],
        )

    @router.get("/snoozes", tags=["incidents"])
    async def list_snoozes(asked: Annotated[ListAsked, Query()]) -> SnoozesOut:
        """Snoozes in force, the one that ends first coming first."""
        found = sorted(await answers.snoozes(), key=_order)
        shown, following = page(found, _order, of="snoozes", cursor=asked.cursor, limit=asked.limit)
        snoozes = [SnoozeOut(**_plain(snooze)) for snooze in shown]
        return SnoozesOut(snoozes=snoozes, next_cursor=following)


async def incident_or_404(answers: Answers, incident_id: str) -> IncidentPage:
    """The incident.

    Raises:
        HTTPException: If there is none.
    """
    found = await answers.incident(incident_id)
    if found is None:
        raise HTTPException(404, f"there is no incident '{incident_id}'; /api/incidents lists those there are")
    return found


def incident_out(incident: Incident) -> IncidentOut:
    """An incident as the API says it."""
    return IncidentOut(**_plain(incident))


def _notice_out(notice: Notice) -> NoticeOut:
    names = ("id", "kind", "time_ms", "severity", "summary")
    return NoticeOut(**{name: getattr(notice, name) for name in names})


def _order(snooze: Snoozed) -> list[int | str]:
    return [snooze.until_ms, snooze.id]


def _plain(value: Incident | Snoozed) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    plain.pop("kind")
    return plain
