"""Addresses of the pages."""

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query, Request
from nicegui import APIRouter

from pipeline.web.auth import current_user
from pipeline.web.pages.alerts import alerts_page
from pipeline.web.pages.api import api_page
from pipeline.web.pages.incident import incident_page
from pipeline.web.pages.incidents import incidents_page
from pipeline.web.pages.key import key_page
from pipeline.web.pages.lag import lag_page
from pipeline.web.pages.letters import letters_page
from pipeline.web.pages.overview import overview_page
from pipeline.web.pages.rules import rules_page
from pipeline.web.pages.system import system_page
from pipeline.web.pages.table import Wanted, table_page
from pipeline.web.pages.tables import tables_page
from pipeline.web.parts.context import PageContext

LONGEST_S: Final = 30.0
"""A page comes whole; what takes longer than this is an error."""

Offset = Annotated[int, Query(ge=0, le=1 << 40)]


def build_pages(context: PageContext, app: FastAPI) -> APIRouter:
    """The pages, each over what it may ask and do."""
    router = APIRouter(dependencies=[Depends(current_user)])
    _add_watch_pages(router, context)
    _add_data_pages(router, context)

    @router.page("/lag", response_timeout=LONGEST_S)
    def lag() -> None:
        lag_page(context)

    @router.page("/system", response_timeout=LONGEST_S)
    def system() -> None:
        system_page(context)

    @router.page("/api", response_timeout=LONGEST_S)
    def api(request: Request) -> None:
        api_page(context.model, app, str(request.base_url))

    return router


def _add_watch_pages(router: APIRouter, context: PageContext) -> None:
    @router.page("/", response_timeout=LONGEST_S)
    async def overview() -> None:
        await overview_page(context)

    @router.page("/incidents", response_timeout=LONGEST_S)
    async def incidents() -> None:
        await incidents_page(context)

    @router.page("/incidents/{incident_id}", response_timeout=LONGEST_S)
    async def incident(incident_id: str) -> None:
        await incident_page(context, incident_id)

    @router.page("/alerts", response_timeout=LONGEST_S)
    async def alerts(rule: str = "") -> None:
        await alerts_page(context, rule=rule)

    @router.page("/alerts/{alert_id}", response_timeout=LONGEST_S)
    async def alert(alert_id: str) -> None:
        await alerts_page(context, alert_id)


def _add_data_pages(router: APIRouter, context: PageContext) -> None:
    @router.page("/tables", response_timeout=LONGEST_S)
    async def tables() -> None:
        await tables_page(context)

    @router.page("/tables/{name}", response_timeout=LONGEST_S)
    async def table(name: str, q: str = "", sort: str = "", offset: Offset = 0) -> None:
        await table_page(context, name, Wanted(text=q, sort=sort, offset=offset))

    @router.page("/tables/{name}/key", response_timeout=LONGEST_S)
    async def key(name: str, key: str) -> None:
        await key_page(context, name, key)

    @router.page("/rules", response_timeout=LONGEST_S)
    async def rules() -> None:
        await rules_page(context)

    @router.page("/dead-letters", response_timeout=LONGEST_S)
    async def letters() -> None:
        await letters_page(context)
