"""What changes something: acknowledge, resolve, snooze, label. Each is a record of the log that a worker acts on."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Path, Request

from pipeline.access.audit import Actor
from pipeline.access.roles import Role
from pipeline.web.access import Access
from pipeline.web.api.alerts import AlertId
from pipeline.web.api.incidents import IncidentId
from pipeline.web.auth import requires
from pipeline.web.changes import Changes
from pipeline.web.problems import described
from pipeline.web.schemas.changes import AcceptedOut, LabelIn, LabelOut, NoteIn, SnoozeIn

OwnId = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="An id of your own for the change: a repeat with the same one does nothing more",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
    ),
]
SnoozeId = Annotated[str, Path(description="Id of a snooze, as /api/snoozes lists them", max_length=1_000)]
NoteBody = Annotated[NoteIn | None, Body()]
_HANDLES = Depends(requires(Role.ANALYST))
_SILENCES = Depends(requires(Role.OPERATOR))


def add_changes(api: APIRouter, changes: Changes, clock_ms: Callable[[], int]) -> None:
    """The endpoints that change something.

    Args:
        api: Where they are added.
        changes: Writes them.
        clock_ms: Wall clock, Unix ms.
    """
    router = APIRouter(tags=["changes"], responses=described(400, 403, 404, 409, 422, 503))

    @router.post("/incidents/{incident_id}/acknowledge", status_code=202, dependencies=[_HANDLES])
    async def acknowledge_incident(
        request: Request, incident_id: IncidentId, note: NoteBody = None, own_id: OwnId = None
    ) -> AcceptedOut:
        """Somebody takes care of an incident: notices follow only if it gets worse."""
        text = note.note if note else ""
        sent = await changes.acknowledge(incident_id, by=_asker(request), note=text, own_id=own_id)
        return AcceptedOut(id=sent.id, kind="acknowledge", of=sent.of)

    @router.post("/incidents/{incident_id}/resolve", status_code=202, dependencies=[_HANDLES])
    async def resolve_incident(
        request: Request, incident_id: IncidentId, note: NoteBody = None, own_id: OwnId = None
    ) -> AcceptedOut:
        """An incident is over; it opens again if its rule fires soon."""
        text = note.note if note else ""
        sent = await changes.resolve(incident_id, by=_asker(request), note=text, own_id=own_id)
        return AcceptedOut(id=sent.id, kind="resolve", of=sent.of)

    @router.post("/alerts/{alert_id}/label", status_code=202, dependencies=[_HANDLES])
    async def label_alert(request: Request, alert_id: AlertId, label: LabelIn, own_id: OwnId = None) -> LabelOut:
        """Say whether the record that fired was fraud; the newest word counts, and scores learn from it."""
        sent = await changes.label(alert_id, fraud=label.fraud, by=_asker(request), own_id=own_id)
        topics, note = sent.labelled.topics, sent.labelled.note
        return LabelOut(id=sent.id, record=sent.record, topics=list(topics), note=note)

    @router.post("/snoozes", status_code=202, dependencies=[_SILENCES])
    async def add_snooze(request: Request, snooze: SnoozeIn, own_id: OwnId = None) -> AcceptedOut:
        """Tell nobody about a rule, a key, or a rule at a key for a while; alerts are recorded all the same."""
        until_ms = snooze.until_ms or clock_ms() + snooze.for_ms
        scope = {"rule": snooze.rule or None, "key": snooze.key or None}
        sent = await changes.snooze(**scope, until_ms=until_ms, reason=snooze.reason, by=_asker(request), own_id=own_id)
        return AcceptedOut(id=sent.id, kind="snooze", of=sent.of)

    @router.delete("/snoozes/{snooze_id:path}", status_code=202, dependencies=[_SILENCES])
    async def end_snooze(request: Request, snooze_id: SnoozeId, own_id: OwnId = None) -> AcceptedOut:
        """End a snooze early."""
        sent = await changes.unsnooze(snooze_id, by=_asker(request), own_id=own_id)
        return AcceptedOut(id=sent.id, kind="unsnooze", of=sent.of)

    api.include_router(router)


def _asker(request: Request) -> Actor:
    """Whoever asks; what is changed is noted with the change."""
    access: Access = request.app.state.access
    return access.acting(request)
