"""The process that delivers: for each destination a subscriber of its own, so that a dead one holds up nobody else.

A destination's position moves behind a message when it was delivered or stands in the dead-letter topic. What is under
way when the process dies is delivered again, with the same id.

::

    alerts or notices ─▶ subscription ─▶ routes ─▶ courier ─▶ destination
       (a place for each destination)                 │ gives up
                                                      ▼
                        redrive ◀─ <app>-delivery.dead-letter
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final, Literal, cast

import httpx

from agents.events import Outgoing, Records
from pipeline.config.model import AppConfig
from pipeline.deadletter import PREFIX
from pipeline.delivery.courier import Courier, Failure, sender_of
from pipeline.delivery.messages import Message, message_of
from pipeline.delivery.routing import is_routed
from pipeline.delivery.settings import DeliverySettings, Destination
from pipeline.errors import LogUnavailableError, UsageError
from pipeline.log import Log
from pipeline.plan import delivery_dead_letters, topic_specs
from pipeline.subscribe import Kind, Received, Subscription, ensure_source

_logger = logging.getLogger(__name__)
_AWAY_S: Final = 0.5
_DESTINATION, _OF = f"{PREFIX}destination", f"{PREFIX}of"


class Service:
    """Delivers to some destinations.

    Args:
        config: The application.
        log: Its event log.
        names: Of destinations; all if empty.
        since: Where a destination begins that nothing was delivered to yet: ``start``, ``end``, or a time, Unix ms.

    Raises:
        UsageError: If there is no destination of a name, or none at all.
    """

    def __init__(
        self,
        config: AppConfig,
        log: Log,
        names: Sequence[str] = (),
        *,
        since: Literal["start", "end"] | int = "end",
    ) -> None:
        if config.deliver is None or not config.deliver.destinations:
            raise UsageError("nothing is to be delivered: the configuration has no [deliver.destinations.NAME]")
        self._config = config
        self._log = log
        self._since = since
        self._settings: DeliverySettings = config.deliver
        known = self._settings.destinations
        for name in names:
            if name not in known:
                raise UsageError(f"no destination {name!r}; there are {', '.join(known)}")
        self._destinations = [known[name] for name in names or known]

    async def run(self, *, until_end: bool = False, redrive: bool = False) -> int:
        """Deliver, until cancelled or up to the end as of now.

        Args:
            until_end: Stop at the end as of now.
            redrive: Deliver what is in the dead letters instead; implies ``until_end``.

        Returns:
            How many messages were given up.
        """
        topic = await ensure_source(self._log, self._config, self._settings.of)
        letters = delivery_dead_letters(self._config.name)
        await self._log.create_topic(next(spec for spec in topic_specs(self._config) if spec.name == letters))
        async with httpx.AsyncClient(timeout=None, follow_redirects=False) as client:  # noqa: S113 - couriers bound it
            work = [
                asyncio.ensure_future(
                    self._redrive(destination, client, letters)
                    if redrive
                    else self._serve(destination, client, topic, until_end=until_end)
                )
                for destination in self._destinations
            ]
            try:
                return sum(await asyncio.gather(*work))
            finally:
                for task in work:
                    task.cancel()
                await asyncio.wait(work)

    async def _serve(self, destination: Destination, client: httpx.AsyncClient, topic: str, *, until_end: bool) -> int:
        group = f"{self._config.name}-deliver-{destination.name}"
        subscription = Subscription(log=self._log, topic=topic, group=group, since=self._since)
        return await self._work(destination, client, subscription, until_end=until_end)

    async def _redrive(self, destination: Destination, client: httpx.AsyncClient, letters: str) -> int:
        group = f"{self._config.name}-redrive-{destination.name}"
        subscription = Subscription(log=self._log, topic=letters, group=group, since="start")
        return await self._work(destination, client, subscription, until_end=True)

    async def _work(
        self, destination: Destination, client: httpx.AsyncClient, subscription: Subscription, *, until_end: bool
    ) -> int:
        courier = Courier(destination, sender_of(destination, client))
        given_up = 0
        while True:
            try:
                await subscription.open()
                async with aclosing(subscription.records(until_end=until_end)) as records:
                    async for record in records:
                        message = self._message(record, destination)
                        if message is None:
                            continue
                        failure = await courier.deliver(message)
                        if failure is not None:
                            given_up += 1
                            await self._bury(message, destination, failure)
                        subscription.done[record.source] = record.offset + 1
                        await subscription.commit()
                await subscription.commit()
            except LogUnavailableError:  # the log has said so itself
                await asyncio.sleep(_AWAY_S)
            else:
                return given_up

    def _message(self, record: Received, destination: Destination) -> Message | None:
        """What is to be delivered of a record: what a route leads here, or a dead letter of this destination."""
        own = dict(record.headers)
        if _DESTINATION in own:
            if own[_DESTINATION].decode() != destination.name:
                return None
            return message_of(record, cast("Kind", own[_OF].decode()))
        message = message_of(record, self._settings.of)
        is_ours = message is not None and is_routed(message, destination.name, self._settings.routes)
        return message if is_ours else None

    async def _bury(self, message: Message, destination: Destination, failure: Failure) -> None:
        _logger.warning(
            "%s: %s was given up after %d attempts: %s", destination.name, message.id, failure.attempts, failure.reason
        )
        record = message.record
        kept = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
        why: dict[str, str | int] = {
            _DESTINATION: destination.name,
            _OF: self._of(record),
            f"{PREFIX}reason": failure.reason,
            f"{PREFIX}attempts": failure.attempts,
            f"{PREFIX}failed-ms": time.time_ns() // 1_000_000,
        }
        headers = [*kept, *((name, str(value).encode()) for name, value in why.items())]
        records = Records(keys=[record.key], values=[record.value], headers=[headers])
        await self._log.append([Outgoing(delivery_dead_letters(self._config.name), 0, records)])

    def _of(self, record: Received) -> Literal["alerts", "notices"]:
        found = dict(record.headers).get(_OF)
        return self._settings.of if found is None else cast("Kind", found.decode())
