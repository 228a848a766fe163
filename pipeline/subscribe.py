"""Alerts, and notices of incidents, for programs: ``async for alert in subscribe(...)``.

A subscriber with a name goes on where it stopped: its positions are those of a consumer group in the log, so that
`streamgauge lag` shows it too. It may get the last few again after a crash; repeats are dropped by their ids as far as
it can see back, so what must not happen twice has to remember ids itself.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import msgspec

from agents.events import Chunk, Headers, TopicPartition
from agents.language.expression import closest, listed
from agents.spec import SEVERITIES, Severity
from pipeline.alerts import decode_alert
from pipeline.config.model import AppConfig
from pipeline.errors import StateError, UsageError
from pipeline.incidents.records import decode_notice
from pipeline.log import Log
from pipeline.log.opening import open_log
from pipeline.plan import complete, notices_topic, topic_specs

_logger = logging.getLogger(__name__)
_WAIT_MS: Final = 1_000
_COMMIT_S: Final = 1.0
_REMEMBERED: Final = 10_000
_LOOK_BACK: Final = 1_000

Kind = Literal["alerts", "notices"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertFilter:
    """Which alerts; what is empty or ``None`` lets all through.

    Args:
        rules: Names of rules and series detectors.
        severity: The least severity.
        keys: Keys.
    """

    rules: Sequence[str] = ()
    severity: Severity | None = None
    keys: Sequence[str] = ()

    def check(self, config: AppConfig) -> None:
        """Refuse what can never match.

        Raises:
            UsageError: If there is no rule or detector of a name.
        """
        full = complete(config)
        known = [*full.rules, *full.detectors, *full.scores, *full.flows, *full.lists]
        for name in self.rules:
            if name not in known:
                raise UsageError(f"no rule or detector {name!r}; there are {listed(known, 30)}{closest(name, known)}")

    def passes(self, alert: Mapping[str, Any]) -> bool:
        """Whether a decoded alert or notice is wanted."""
        least = 0 if self.severity is None else SEVERITIES.index(self.severity)
        return (
            (not self.rules or alert["rule"] in self.rules)
            and (not self.keys or alert["key"] in self.keys)
            and SEVERITIES.index(alert["severity"]) >= least
        )


class Received(NamedTuple):
    """A record, and where it stands."""

    source: TopicPartition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(kw_only=True, slots=True)
class Subscription:
    """The records of a topic, from where a group stopped.

    Args:
        log: The event log.
        topic: The topic; must exist.
        group: Whose positions are kept; ``None`` keeps none.
        since: Where a group without positions begins: ``start``, ``end``, or a time, Unix ms.
        positions: Behind what was received.
        done: Behind what the receiver is done with.
    """

    log: Log
    topic: str
    group: str | None = None
    since: Literal["start", "end"] | int = "end"
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    done: dict[TopicPartition, int] = field(default_factory=dict)

    async def open(self) -> None:
        """Find the place. It is noted at once: what comes while the subscriber is away is not passed over."""
        bounds = await self.log.partitions(self.topic)
        known = await self.log.committed(self.group) if self.group else {}
        for number, info in bounds.items():
            source = TopicPartition(self.topic, number)
            if source in known:
                at = known[source].offset
                self.positions[source] = at if info.start <= at <= info.end else info.start  # cut, or made anew
            elif isinstance(self.since, int):
                self.positions[source] = await self.log.offset_at(source, self.since)
            else:
                self.positions[source] = info.start if self.since == "start" else info.end
        self.done = dict(self.positions)
        if self.group and self.positions.keys() - known.keys():
            await self.log.commit_offsets(self.group, self.done)

    async def before(self, count: int) -> AsyncGenerator[Received, None]:
        """Up to ``count`` records of each partition before its place."""
        bounds = await self.log.partitions(self.topic)
        for source, end in self.positions.items():
            at = max(bounds[source.partition].start, end - count)
            while at < end:
                at, records = await self._fetch({source: at})
                for record in records:
                    if record.offset < end:
                        yield record

    async def records(self, *, until_end: bool = False) -> AsyncGenerator[Received, None]:
        """Records as they come; whoever asks for the next one is done with the one before."""
        bounds = await self.log.partitions(self.topic)
        ends = {TopicPartition(self.topic, number): info.end for number, info in bounds.items()}
        committed = asyncio.get_running_loop().time()
        while wanted := {at: to for at, to in self.positions.items() if not until_end or to < ends[at]}:
            for chunk in await self.log.fetch(wanted, wait_ms=0 if until_end else _WAIT_MS):
                source = TopicPartition(chunk.topic, chunk.partition)
                for record in _received(chunk):
                    self.positions[source] = record.offset + 1
                    yield record
                    self.done[source] = record.offset + 1
                    now = asyncio.get_running_loop().time()
                    if now - committed >= _COMMIT_S:
                        await self.commit()
                        committed = now
                self.positions[source] = self.done[source] = chunk.next_offset

    async def commit(self) -> None:
        """Note what the receiver is done with."""
        if self.group:
            await self.log.commit_offsets(self.group, self.done)

    async def _fetch(self, wanted: dict[TopicPartition, int]) -> tuple[int, list[Received]]:
        (at,) = wanted.values()
        records: list[Received] = []
        for chunk in await self.log.fetch(wanted, wait_ms=_WAIT_MS):
            at = chunk.next_offset
            records += _received(chunk)
        return at, records


async def subscribe(
    config: AppConfig,
    *,
    name: str | None = None,
    of: Kind = "alerts",
    wanted: AlertFilter | None = None,
    since: Literal["start", "end"] | int = "end",
    until_end: bool = False,
) -> AsyncGenerator[dict[str, Any], None]:
    """Alerts as they are committed, each as a dictionary with the fields of its published schema.

    Args:
        config: The application.
        name: Of the subscriber, to go on where it stopped; one process at a time. ``None`` forgets the place.
        of: ``alerts``, or ``notices`` of incidents.
        wanted: Which of them.
        since: Where a new subscriber begins: ``start``, ``end``, or a time, Unix ms.
        until_end: Stop at the end as of now.

    Raises:
        UsageError: If a rule that is wanted does not exist, or notices are and there is no ``[incidents]``.
    """
    wanted = wanted or AlertFilter()
    wanted.check(config)
    log = open_log(config.log, kafka=config.kafka)
    try:
        topic = await ensure_source(log, config, of)
        group = None if name is None else f"{config.name}-{name}"
        subscription = Subscription(log=log, topic=topic, group=group, since=since)
        await subscription.open()
        seen: OrderedDict[str, None] = OrderedDict()
        if group is not None:
            async for record in subscription.before(_LOOK_BACK):
                _is_news(decode(record, of), seen)
        try:
            async with aclosing(subscription.records(until_end=until_end)) as records:
                async for record in records:
                    message = decode(record, of)
                    if message is not None and _is_news(message, seen) and wanted.passes(message):
                        yield message
        finally:
            await subscription.commit()
    finally:
        await log.close()


async def ensure_source(log: Log, config: AppConfig, of: Kind) -> str:
    """The topic of alerts or notices, made if it is missing: a subscriber may come before the first worker."""
    if of == "notices" and config.incidents is None:
        raise UsageError("there are no notices without [incidents] in the configuration")
    topic = config.alerts_topic if of == "alerts" else notices_topic(config.name)
    await log.create_topic(next(spec for spec in topic_specs(config) if spec.name == topic))
    return topic


def decode(record: Received, of: Kind) -> dict[str, Any] | None:
    """A record's payload as plain values; ``None`` if it is no alert or notice, as anybody can write to a topic."""
    try:
        if of == "alerts":
            return decode_alert(record.value)
        plain: dict[str, Any] = msgspec.to_builtins(decode_notice(record.value))
    except StateError as error:
        _logger.warning("%s at %d: %s", record.source, record.offset, error)
        return None
    else:
        return plain


def _received(chunk: Chunk) -> list[Received]:
    source = TopicPartition(chunk.topic, chunk.partition)
    headers = chunk.headers if chunk.headers is not None else [()] * len(chunk)
    rows = zip(chunk.offsets.tolist(), chunk.keys, chunk.values, headers, strict=True)
    return [Received(source, *row) for row in rows]


def _is_news(message: Mapping[str, Any] | None, seen: "OrderedDict[str, None]") -> bool:
    if message is None or message["id"] in seen:
        return False
    seen[message["id"]] = None
    if len(seen) > _REMEMBERED:
        seen.popitem(last=False)
    return True
