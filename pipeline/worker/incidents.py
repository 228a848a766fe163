"""Incidents as plain Faust agents: alerts become events of the topic of commands, and a desk takes that topic in.

Alerts of all partitions, commands of people and ticks meet in one partition, which puts them in one order. An alert
may be forwarded twice, after a crash; the desk drops repeats by the alert's id.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from agents.events import Chunk, Outgoing, Records, TopicPartition
from pipeline.alerts import read_alert
from pipeline.config.model import AppConfig
from pipeline.errors import LogUnavailableError, OffsetOutOfRangeError, StateError
from pipeline.incidents import IncidentSettings, Tick
from pipeline.incidents.events import encode_event, raised
from pipeline.log import Log
from pipeline.plan import commands_topic
from pipeline.worker.desk import Desk
from pipeline.worker.frame.transport import LogApp

_logger = logging.getLogger(__name__)
_AWAY_S: Final = 0.5
_FETCH_BYTES: Final = 1 << 16
_WAIT_MS: Final = 1_000


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

    forwarding = Forwarding(app.log_, config.alerts_topic, inbox)

    async def forward_alerts(stream: Any) -> None:
        async for event in stream.events():
            await forwarding.take_in(event.message.partition, event.message.offset)

    async def take_in(stream: Any) -> None:
        async for event in stream.events():
            await desk.take_in(event.message.offset)

    async def look_at_incidents() -> None:
        if await desk.is_due():
            await _append_tick(app, inbox)

    app.agent(app.topic(config.alerts_topic, value_type=bytes), name="alert-forwarding")(forward_alerts)
    app.agent(app.topic(inbox, value_type=bytes), name="incidents")(take_in)
    return look_at_incidents


class Forwarding:
    """Makes events of alerts, those that stand in one chunk together: in a flood each costs little.

    Args:
        log: The event log.
        alerts: Topic of the alerts.
        inbox: Topic of the events.
    """

    def __init__(self, log: Log, alerts: str, inbox: str) -> None:
        self._log = log
        self._alerts = alerts
        self._inbox = inbox
        self._done: dict[int, int] = {}

    async def take_in(self, partition: int, offset: int) -> None:
        """Forward the alert at ``offset`` and those behind it, unless that was done."""
        source = TopicPartition(self._alerts, partition)
        while self._done.get(partition, 0) <= offset:
            try:
                for chunk in await self._log.fetch({source: offset}, max_bytes=_FETCH_BYTES, wait_ms=_WAIT_MS):
                    await self._forward(chunk)
                    self._done[partition] = chunk.next_offset
            except OffsetOutOfRangeError:  # retention was faster
                self._done[partition] = offset + 1
            except LogUnavailableError:  # the log has said so itself
                await asyncio.sleep(_AWAY_S)

    async def _forward(self, chunk: Chunk) -> None:
        found = []
        for at, value in enumerate(chunk.values):
            try:
                found.append(read_alert(value))
            except StateError as error:  # anybody can write to a topic
                _logger.warning("%s/%d at %d: %s", self._alerts, chunk.partition, chunk.offsets[at], error)
        if found:
            keys = [each.alert.id.encode() for each in found]
            records = Records(keys=keys, values=[encode_event(raised(each)) for each in found])
            await self._log.append([Outgoing(self._inbox, 0, records)])


async def _append_tick(app: LogApp, inbox: str) -> None:
    await app.log_.append([Outgoing(inbox, 0, Records(values=[encode_event(Tick())]))])
