"""Incidents as plain Faust agents: alerts become events of the topic of commands, and a desk takes that topic in.

Alerts of all partitions, commands of people and ticks meet in one partition, which puts them in one order. An alert
may be forwarded twice, after a crash; the desk drops repeats by the alert's id.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from agents.events import Outgoing, Records
from pipeline.alerts import read_alert
from pipeline.config.model import AppConfig
from pipeline.errors import LogUnavailableError, StateError
from pipeline.incidents import Event, IncidentSettings, Tick
from pipeline.incidents.events import encode_event, raised
from pipeline.plan import commands_topic
from pipeline.worker.desk import Desk
from pipeline.worker.transport import LogApp

_logger = logging.getLogger(__name__)
_AWAY_S: Final = 0.5


def add_incidents(
    app: LogApp, config: AppConfig, settings: IncidentSettings, now_ms: Callable[[], int]
) -> Callable[[], Awaitable[None]]:
    """Add the agents to ``app``.

    Returns:
        What is to be done each second: see whether something ends by itself.
    """
    inbox = commands_topic(config.name)
    desk = Desk(
        app.log_,
        config.name,
        settings,
        fence=lambda: app.fences.get(desk.source),
        now_ms=now_ms,
        on_lost=app.membership.wake_up,
    )

    async def forward_alerts(stream: Any) -> None:
        async for event in stream.events():
            try:
                alert = read_alert(event.value)
            except StateError as error:  # anybody can write to a topic
                _logger.warning(
                    "%s/%d at %d: %s", config.alerts_topic, event.message.partition, event.message.offset, error
                )
                continue
            await _append(app, inbox, raised(alert), alert.alert.id.encode())

    async def take_in(stream: Any) -> None:
        async for event in stream.events():
            await desk.take_in(event.message.offset)

    async def look_at_incidents() -> None:
        if await desk.is_due():
            await _append(app, inbox, Tick(), None)

    app.agent(app.topic(config.alerts_topic, value_type=bytes), name="alert-forwarding")(forward_alerts)
    app.agent(app.topic(inbox, value_type=bytes), name="incidents")(take_in)
    return look_at_incidents


async def _append(app: LogApp, topic: str, event: Event, key: bytes | None) -> None:
    outgoing = Outgoing(topic, 0, Records(keys=[key], values=[encode_event(event)]))
    while True:
        try:
            await app.log_.append([outgoing])
        except LogUnavailableError:  # the log has said so itself
            await asyncio.sleep(_AWAY_S)
        else:
            return
