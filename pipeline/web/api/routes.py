"""The JSON API under ``/api``: the same read model as the pages, described by OpenAPI."""

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request

from pipeline.errors import UsageError
from pipeline.explanation import explanation
from pipeline.health import skew
from pipeline.readmodel.columns import ColumnInfo, columns_of
from pipeline.readmodel.query import TableQuery, parse_condition, parse_sort, run
from pipeline.readmodel.read_model import ReadModel, TopicState
from pipeline.readmodel.ring import AlertFilter, KeptAlert
from pipeline.views import TableView
from pipeline.web.api.schemas import (
    AlertOut,
    AlertsAsked,
    AlertsOut,
    ColumnOut,
    FreshnessOut,
    LagOut,
    LagsOut,
    PageAsked,
    PartitionOut,
    Problem,
    RowOut,
    RowsAsked,
    RowsOut,
    SkewOut,
    StatusOut,
    TableOut,
    TopicOut,
    WindowOut,
)
from pipeline.web.auth import current_user
from pipeline.web.glance import glance

_STATES: dict[str, Any] = {"": "ok", "is-wait": "waiting", "is-warn": "warning", "is-bad": "bad"}
_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such thing"},
    422: {"model": Problem, "description": "A parameter is wrong"},
}

TableName = Annotated[str, Path(description="Name of a table, as /api/tables lists them")]
AlertId = Annotated[str, Path(description="Id of an alert, 32 hexadecimal digits")]


def build_api(model: ReadModel) -> APIRouter:
    """The endpoints over a read model."""
    router = APIRouter(prefix="/api", responses=_ERRORS, dependencies=[Depends(current_user)])

    @router.get("/openapi.json", include_in_schema=False)
    async def read_openapi(request: Request) -> dict[str, Any]:
        described: dict[str, Any] = request.app.openapi()
        return described

    _add_tables(router, model)
    _add_alerts(router, model)
    _add_log(router, model)
    return router


def _add_tables(router: APIRouter, model: ReadModel) -> None:
    @router.get("/tables", tags=["tables"])
    async def list_tables() -> list[TableOut]:
        """Every windowed table, health tables included."""
        return [_table(model.view(name), model.columns(name)) for name in sorted(model.specs)]

    @router.get("/tables/{name}", tags=["tables"])
    async def read_table(name: TableName, asked: Annotated[RowsAsked, Query()]) -> RowsOut:
        """A page of a table's rows over all its partitions."""
        column, descending = parse_sort(asked.sort)
        query = TableQuery(
            words=tuple(asked.q.split()),
            where=tuple(parse_condition(text) for text in asked.where),
            partition=asked.partition,
            sort=column,
            descending=descending,
            offset=asked.offset,
            limit=asked.limit,
        )
        return _rows(_view(model, name), query)

    @router.get("/health/{table}", tags=["tables"])
    async def read_health(table: TableName, asked: Annotated[PageAsked, Query()]) -> RowsOut:
        """Open windows of a health table: `health_1s`, `health_10s` or `health_1m`."""
        names = [name for name in sorted(model.specs) if name.startswith("health_")]
        if table not in names:
            raise HTTPException(404, f"there is no health table '{table}'; there are: {', '.join(names) or 'none'}")
        return _rows(model.view(table), TableQuery(sort="key", offset=asked.offset, limit=asked.limit))


def _add_alerts(router: APIRouter, model: ReadModel) -> None:
    @router.get("/alerts", tags=["alerts"])
    async def list_alerts(asked: Annotated[AlertsAsked, Query()]) -> AlertsOut:
        """Alerts, newest first."""
        before = None
        if asked.cursor is not None:
            last = model.alerts.get(asked.cursor)
            if last is None:
                raise UsageError(f"cursor: alert '{asked.cursor}' is not kept any more; begin again without a cursor")
            before = last.number
        chosen = AlertFilter(frozenset(asked.rule), frozenset(asked.severity), asked.q)
        page = model.alerts.page(chosen, limit=asked.limit + 1, before=before)
        more = len(page) > asked.limit
        return AlertsOut(
            alerts=[_alert(kept) for kept in page[: asked.limit]],
            next_cursor=page[asked.limit - 1].alert.id if more else None,
        )

    @router.get("/alerts/{alert_id}", tags=["alerts"])
    async def read_alert(alert_id: AlertId) -> AlertOut:
        """One alert with its evidence."""
        kept = model.alerts.get(alert_id)
        if kept is None:
            raise HTTPException(404, f"there is no alert '{alert_id}' among the {len(model.alerts):,} newest")
        return _alert(kept)


def _add_log(router: APIRouter, model: ReadModel) -> None:
    @router.get("/lag", tags=["log"])
    async def read_lag() -> LagsOut:
        """Lag of each partition that the application reads, and the skew between those of a topic."""
        return _lags(model)

    @router.get("/topics", tags=["log"])
    async def list_topics() -> list[TopicOut]:
        """Topics of the log with the bounds of their partitions."""
        return [_topic(state) for state in model.topics.values()]

    @router.get("/status", tags=["log"])
    async def read_status() -> StatusOut:
        """Is all well, and how fresh is what this API says?"""
        return _status(model)


def _lags(model: ReadModel) -> LagsOut:
    names = LagOut.model_fields
    rows = [{**dataclasses.asdict(row), "status": row.status.name} for row in model.lag]
    uneven = [each._asdict() for each in skew(model.lag) if each.partitions > 1]
    return LagsOut(
        rows=[LagOut(**{name: row[name] for name in names}) for row in rows],
        skew=[SkewOut(**{name: each[name] for name in SkewOut.model_fields}) for each in uneven],
    )


def _topic(state: TopicState) -> TopicOut:
    return TopicOut(
        name=state.spec.name,
        cleanup=state.spec.cleanup,
        retention_ms=state.spec.retention_ms,
        partitions=[
            PartitionOut(partition=partition, start=info.start, end=info.end, size_bytes=info.size_bytes)
            for partition, info in sorted(state.partitions.items())
        ],
    )


def _status(model: ReadModel) -> StatusOut:
    now = glance(model)
    return StatusOut(
        app=model.config.name,
        log=model.config.log,
        state=_STATES[now.mood],
        sentence=now.sentence if now.command is None else f"{now.sentence}: {now.command}",
        refreshed_ms=model.refreshed_ms,
        age_ms=model.age_ms(),
        refresh_took_ms=model.took_ms,
        problem=model.problem,
        tables=len(model.specs),
        topics=len(model.topics),
        alerts_kept=len(model.alerts),
        unreadable=model.unreadable,
        workers=sorted(model.owners()),
    )


def _view(model: ReadModel, name: str) -> TableView:
    if name not in model.specs:
        raise HTTPException(404, f"there is no table '{name}'; there are: {', '.join(sorted(model.specs)) or 'none'}")
    return model.view(name)


def _table(view: TableView, columns: list[ColumnInfo]) -> TableOut:
    spec = view.spec
    return TableOut(
        name=spec.name,
        stream=spec.stream,
        by=spec.by,
        window=WindowOut(**dataclasses.asdict(spec.window)),
        keys=len(view.keys),
        columns=[ColumnOut(name=info.name, kind=info.kind, meaning=info.meaning) for info in columns],
        freshness=_freshness(view),
    )


def _rows(view: TableView, query: TableQuery) -> RowsOut:
    page = run(view, query)
    names = [info.name for info in columns_of(view.spec)]
    after = query.offset + len(page.rows)
    return RowsOut(
        table=view.spec.name,
        total=page.total,
        matching=page.matching,
        offset=query.offset,
        limit=query.limit,
        next_offset=after if after < page.matching else None,
        rows=[
            RowOut(
                key=row.key,
                partition=row.partition,
                window_start_ms=row.window_start_ms,
                window_end_ms=row.window_end_ms,
                values=dict(zip(names, row.values, strict=True)),
            )
            for row in page.rows
        ],
        freshness=_freshness(view),
    )


def _freshness(view: TableView) -> list[FreshnessOut]:
    return [
        FreshnessOut(
            partition=part.partition,
            applied=part.applied,
            end=part.end,
            behind=max(part.end - part.applied, 0),
            watermark_ms=part.watermark_ms,
            committed_ms=part.committed_ms,
        )
        for part in view.freshness
    ]


def _alert(kept: KeptAlert) -> AlertOut:
    fields = {name: getattr(kept.alert, name) for name in AlertOut.model_fields if hasattr(kept.alert, name)}
    fields["source"] = kept.alert.source._asdict()
    fields["records"] = [record._asdict() for record in kept.alert.records]
    full = explanation(kept.alert)
    return AlertOut(**fields, detected_ms=kept.detected_ms, why=kept.why, explanation=full)
