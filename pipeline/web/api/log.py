"""``/api/lag``, ``/api/topics`` and ``/api/status``: the log, and how far reading it is behind."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from pipeline.health import skew
from pipeline.readmodel.questions import Answers
from pipeline.readmodel.read_model import ReadModel, TopicState
from pipeline.web.api.cursors import page
from pipeline.web.api.masking import masked_url
from pipeline.web.glance import glance
from pipeline.web.schemas.common import ListAsked
from pipeline.web.schemas.log import LagOut, LagsOut, PartitionOut, SkewOut, StatusOut, TopicOut, TopicsOut

_STATES: Final[dict[str, Any]] = {"": "ok", "is-wait": "waiting", "is-warn": "warning", "is-bad": "bad"}


def add_log(router: APIRouter, model: ReadModel, answers: Answers) -> None:
    """The endpoints about the log."""

    @router.get("/lag", tags=["log"])
    async def read_lag(asked: Annotated[ListAsked, Query()]) -> LagsOut:
        """Lag of each partition that the application reads, and the skew between those of a topic."""
        rows = sorted(model.lag, key=lambda row: (row.topic, row.partition))
        shown, following = page(
            rows, lambda row: [row.topic, row.partition], of="lag", cursor=asked.cursor, limit=asked.limit
        )
        found = [{**dataclasses.asdict(row), "status": row.status.name} for row in shown]
        uneven = [each._asdict() for each in skew(model.lag) if each.partitions > 1]
        return LagsOut(
            rows=[LagOut(**{name: row[name] for name in LagOut.model_fields}) for row in found],
            next_cursor=following,
            skew=[SkewOut(**{name: each[name] for name in SkewOut.model_fields}) for each in uneven],
        )

    @router.get("/topics", tags=["log"])
    async def list_topics(asked: Annotated[ListAsked, Query()]) -> TopicsOut:
        """Topics of the log with the bounds of their partitions."""
        states = sorted(model.topics.values(), key=lambda state: state.spec.name)
        shown, following = page(
            states, lambda state: [state.spec.name], of="topics", cursor=asked.cursor, limit=asked.limit
        )
        return TopicsOut(topics=[_topic(state) for state in shown], next_cursor=following)

    @router.get("/status", tags=["log"])
    async def read_status() -> StatusOut:
        """Is all well, and how fresh is what this API says?"""
        return _status(model, await answers.alert_count(), await answers.open_incidents())


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


def _status(model: ReadModel, alerts: int, incidents: Mapping[str, int]) -> StatusOut:
    now = glance(model, incidents)
    return StatusOut(
        app=model.config.name,
        log=masked_url(model.config.log),
        state=_STATES[now.mood],
        sentence=now.sentence if now.command is None else f"{now.sentence}: {now.command}",
        refreshed_ms=model.refreshed_ms,
        age_ms=model.age_ms(),
        refresh_took_ms=model.took_ms,
        problem=model.problem,
        tables=len(model.specs),
        topics=len(model.topics),
        alerts_kept=alerts,
        unreadable=model.unreadable,
        workers=sorted(model.owners()),
    )
