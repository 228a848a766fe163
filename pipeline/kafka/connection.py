"""Clients of one cluster, and what their errors mean.

The client library reports each failed attempt at once and at error level. Here a failure is an exception with a full
sentence, and that nobody answers is said once, as is the end of it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar

from aiokafka import errors
from aiokafka.client import AIOKafkaClient

from pipeline.errors import (
    FencedError,
    LogAccessError,
    LogError,
    LogUnavailableError,
    OffsetOutOfRangeError,
    StreamgaugeError,
    UnknownTopicError,
)
from pipeline.kafka.consuming.reading import read_large_responses
from pipeline.kafka.refusal import cause, refusal
from pipeline.kafka.settings import KafkaSettings
from pipeline.log.names import unknown_topic

_logger = logging.getLogger(__name__)
if logging.getLogger("aiokafka").level == logging.NOTSET:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

read_large_responses()

T = TypeVar("T")
_RETRY_S: Final = 0.1
_PATIENCE_S: Final = 2.0
_FENCED = (errors.ProducerFenced, errors.InvalidProducerEpoch, errors.InvalidProducerIdMapping)
_PASSING: Final = (
    errors.ConcurrentTransactions,
    errors.CoordinatorLoadInProgressError,
    errors.CoordinatorNotAvailableError,
    errors.GroupCoordinatorNotAvailableError,
    errors.GroupLoadInProgressError,
    errors.NotCoordinatorError,
    errors.NotCoordinatorForGroupError,
    errors.NotEnoughReplicasError,
    errors.NotEnoughReplicasAfterAppendError,
)
_CLOSED: Final = (ConnectionError, errors.KafkaConnectionError)


class Connections:
    """Makes clients, and translates what goes wrong with them.

    Args:
        servers: ``HOST:PORT,…``.
        settings: How to connect.
    """

    def __init__(self, servers: str, settings: KafkaSettings) -> None:
        self.servers = servers
        self.settings = settings
        self._seen: set[str] = set()
        self._options: dict[str, Any] | None = None
        self._away_since: float | None = None
        self._answered_at = 0.0

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of every client of the library."""
        if self._options is None:
            self._options = {"bootstrap_servers": self.servers, **self.settings.client_options()}
        return self._options

    async def start(self, client: Any) -> None:
        """Start any client of the library: it has ``bootstrap`` or ``start``.

        Raises:
            LogUnavailableError: If no broker answers.
            LogAccessError: If the brokers refuse the credentials.
        """
        begin = client.bootstrap if isinstance(client, AIOKafkaClient) else client.start
        end = client.close if hasattr(client, "close") else client.stop
        try:
            async with asyncio.timeout(self.settings.request_timeout_ms / 1000):
                await begin()
        except (errors.KafkaError, OSError, TimeoutError) as error:
            with contextlib.suppress(errors.KafkaError, OSError):
                await end()
            found = await cause(self.options, self.settings) or error
            raise (found if isinstance(found, StreamgaugeError) else self.meaning(found, "connecting")) from error
        self.answered()

    async def client(self) -> AIOKafkaClient:
        """A client for requests of our own.

        Raises:
            LogUnavailableError: If no broker answers.
            LogAccessError: If the brokers refuse the credentials.
        """
        client = AIOKafkaClient(**self.options, metadata_max_age_ms=30_000)
        await self.start(client)
        return client

    def expect(self, topic: str) -> None:
        """Note that a topic exists: should a broker not know it for a moment, it is waited for."""
        self._seen.add(topic)

    def forget(self, topic: str) -> None:
        """Note that a topic was deleted."""
        self._seen.discard(topic)

    async def known_topic(self, client: AIOKafkaClient, topic: str, *, partition: int | None = None) -> set[int]:
        """The partitions of a topic; one that was made a moment ago is waited for, a ``partition`` asked for again.

        So is for long one that was there before: a broker that has just been started answers before it knows all of
        its topics.

        Raises:
            UnknownTopicError: If there is no such topic.
            LogUnavailableError: If no broker tells.
        """
        patience_s = self.settings.request_timeout_ms / 1000 if topic in self._seen else _PATIENCE_S
        deadline, asking = time.monotonic() + patience_s, True
        with self.translated(f"looking for topic {topic!r}"):
            is_told = await client.add_topic(topic)
            while True:
                partitions: set[int] | None = client.cluster.partitions_for_topic(topic)
                if partitions and (partition is None or partition in partitions or not asking):
                    self.expect(topic)
                    return partitions
                if topic in client.cluster.unauthorized_topics:
                    raise errors.TopicAuthorizationFailedError(topic)
                if time.monotonic() > deadline:
                    if not is_told:
                        raise errors.NodeNotReadyError("it does not tell its topics")
                    known = (await client.fetch_all_metadata()).topics()
                    raise unknown_topic(topic, (name for name in known if name[:2] != "__"))
                await asyncio.sleep(0 if asking else _RETRY_S)
                is_told, asking = await client.force_metadata_update(), False

    async def patiently(self, work: Callable[[], Awaitable[T]], doing: str) -> T:
        """What ``work`` gives, tried again while a broker says that it can't just now.

        Raises:
            LogError: If it fails, or can't be done in time.
        """
        deadline = time.monotonic() + self.settings.request_timeout_ms / 1000
        with self.translated(doing):
            while True:
                try:
                    result = await work()
                except errors.BrokerResponseError as error:
                    if not passes(error) or time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(_RETRY_S)
                else:
                    self.answered()
                    return result

    @contextlib.contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Errors of the library as ours."""
        began = time.monotonic()
        try:
            yield
        except StreamgaugeError:
            raise
        except (errors.KafkaError, OSError, TimeoutError) as error:
            raise self.meaning(error, doing, began=began) from error
        except (AssertionError, AttributeError, KeyError) as error:  # what the library does when metadata is missing
            if self._away_since is None:
                raise
            raise self.meaning(error, doing) from error

    def meaning(self, error: Exception, doing: str, *, began: float | None = None) -> StreamgaugeError:
        """What ``error`` means, as one of ours; ``began`` tells when the work did that it ended."""
        said = str(error) or type(error).__name__
        if isinstance(error, _FENCED):
            return FencedError(f"another worker owns the partition now ({type(error).__name__})")
        refused = refusal(error, self.settings)
        if refused is not None:
            return LogAccessError(f"{doing}: the brokers at {self.servers} {refused}")
        if isinstance(error, errors.UnknownTopicOrPartitionError) and self._away_since is None:
            return UnknownTopicError(f"{doing}: there is no such topic or partition at {self.servers}")
        if isinstance(error, errors.OffsetOutOfRangeError):
            return OffsetOutOfRangeError(f"{doing}: {said}")
        if isinstance(error, errors.UnknownError):
            said = "for a reason that the client does not know; a compacted topic takes no record without a key"
        if _is_transient(error):
            said += self._doubt(error)
            if began is None or began >= self._answered_at:  # else others were answered meanwhile
                self._failed(said)
            return LogUnavailableError(f"no broker at {self.servers} could be reached while {doing}: {said}")
        return LogError(f"{doing} at {self.servers} failed: {said}")

    def _doubt(self, error: Exception) -> str:
        """Brokers close what they don't understand: until one has answered, that may be our mistake."""
        closed = isinstance(error, _CLOSED) and not isinstance(error, ConnectionRefusedError)
        if self._answered_at or not closed:
            return ""
        return f"; if they run, [kafka] security_protocol may be another one than {self.settings.security_protocol}"

    def _failed(self, said: str) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            _logger.warning("no broker at %s answers (%s); waiting for them", self.servers, said)

    def answered(self) -> None:
        """Note that the brokers answer."""
        self._answered_at = time.monotonic()
        if self._away_since is not None:
            away_s, self._away_since = time.monotonic() - self._away_since, None
            _logger.warning("the brokers at %s answer again, after %.1f s", self.servers, away_s)


def passes(error: errors.KafkaError) -> bool:
    """Whether a broker only has to finish something: an election, a topic of its own, a group, a transaction."""
    return error.retriable or isinstance(error, _PASSING)


def _is_transient(error: Exception) -> bool:
    """Whether time may help."""
    if isinstance(error, errors.KafkaError):
        return error.retriable or isinstance(error, errors.KafkaConnectionError | errors.KafkaTimeoutError)
    return True
