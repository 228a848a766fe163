"""The JSON API under ``/api``: the same read side as the pages, described by OpenAPI."""

from typing import Any, Final

from fastapi import APIRouter, Depends, Request

from pipeline.readmodel.questions import Answers
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.api.alerts import add_alerts
from pipeline.web.api.changes import add_changes
from pipeline.web.api.conditional import NOT_MODIFIED, ConditionalRoute, names_answer
from pipeline.web.api.export import add_export
from pipeline.web.api.incidents import add_incidents
from pipeline.web.api.letters import add_letters
from pipeline.web.api.live import Feeds, add_streams
from pipeline.web.api.log import add_log
from pipeline.web.api.rules import add_rules
from pipeline.web.api.system import add_system
from pipeline.web.api.tables import add_tables
from pipeline.web.auth import current_user
from pipeline.web.changes import Changes
from pipeline.web.problems import described

_READING: Final = described(404, 422, 503) | NOT_MODIFIED


def build_api(model: ReadModel, answers: Answers, changes: Changes, feeds: Feeds) -> APIRouter:
    """Every endpoint.

    Args:
        model: What the log says now.
        answers: The store.
        changes: Writes what people ask for.
        feeds: What is new.
    """
    api = APIRouter(prefix="/api")
    add_streams(api, feeds)  # before /alerts/{alert_id}, which would take their paths
    add_export(api, model, answers)
    add_changes(api, changes, model.clock_ms)
    reading = APIRouter(
        responses=_READING, dependencies=[Depends(current_user), Depends(names_answer)], route_class=ConditionalRoute
    )

    @reading.get("/openapi.json", include_in_schema=False)
    async def read_openapi(request: Request) -> dict[str, Any]:
        schema: dict[str, Any] = request.app.openapi()
        return schema

    add_tables(reading, model, answers)
    add_alerts(reading, answers)
    add_incidents(reading, answers)
    add_rules(reading, model, answers)
    add_letters(reading, answers)
    add_log(reading, model, answers)
    add_system(reading, model)
    api.include_router(reading)
    return api
