"""``/api/alerts``: what fired, with the evidence."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query

from pipeline.readmodel.questions import AlertsAsked as Question
from pipeline.readmodel.questions import Answers, StoredAlert
from pipeline.web.schemas.alerts import AlertOut, AlertsAsked, AlertsOut

AlertId = Annotated[str, Path(description="Id of an alert, 32 hexadecimal digits", max_length=200)]


def add_alerts(router: APIRouter, answers: Answers) -> None:
    """The endpoints that read alerts."""

    @router.get("/alerts", tags=["alerts"])
    async def list_alerts(asked: Annotated[AlertsAsked, Query()]) -> AlertsOut:
        """Alerts, newest first."""
        found = await answers.alerts(
            Question(
                rules=asked.rule,
                severities=asked.severity,
                key=asked.key,
                text=asked.q,
                incident=asked.incident,
                since_ms=asked.since_ms,
                cursor=asked.cursor,
                limit=asked.limit,
            )
        )
        return AlertsOut(alerts=[alert_out(alert) for alert in found.rows], next_cursor=found.next_cursor)

    @router.get("/alerts/{alert_id}", tags=["alerts"])
    async def read_alert(alert_id: AlertId) -> AlertOut:
        """One alert with its evidence."""
        return alert_out(await alert_or_404(answers, alert_id))


async def alert_or_404(answers: Answers, alert_id: str) -> StoredAlert:
    """The alert.

    Raises:
        HTTPException: If there is none.
    """
    found = await answers.alert(alert_id)
    if found is None:
        raise HTTPException(404, f"there is no alert '{alert_id}'; /api/alerts lists those that are kept")
    return found


def alert_out(stored: StoredAlert) -> AlertOut:
    """An alert as the API says it."""
    return AlertOut(**stored.document, incident=stored.incident, fraud=stored.fraud)
