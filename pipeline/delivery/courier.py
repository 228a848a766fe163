"""Bringing one message to one destination: attempts, waits, circuit, rate."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import httpx
from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from pipeline.delivery.files import FileSender
from pipeline.delivery.http import SlackSender, WebhookSender
from pipeline.delivery.mail import EmailSender
from pipeline.delivery.messages import Message
from pipeline.delivery.settings import Destination, Email, File, Slack
from pipeline.errors import DeliveryError

_logger = logging.getLogger(__name__)
_MINUTE_S = 60.0
_LONGEST_ASKED_S = 3_600.0


class Sender(Protocol):
    """Makes one attempt."""

    async def send(self, message: Message) -> None:
        """Deliver, or raise ``DeliveryError``."""


class Failure(NamedTuple):
    """Why a message was given up, after how many attempts."""

    attempts: int
    reason: str


class Breaker:
    """A circuit breaker: who fails again and again is left alone for a while, then tried once.

    The libraries for it read the clock themselves and raise while the circuit is open; here whoever delivers waits,
    and the log holds what comes meanwhile.

    Args:
        failures: So many in a row open the circuit.
        pause_s: How long it stays open; then one attempt is made, whose failure opens it again.

    >>> breaker = Breaker(failures=2, pause_s=30)
    >>> breaker.failed(100.0), breaker.wait_s(100.0)
    (None, 0.0)
    >>> breaker.failed(101.0), breaker.wait_s(101.0), breaker.wait_s(131.0)
    (None, 30.0, 0.0)
    """

    def __init__(self, *, failures: int, pause_s: float) -> None:
        self._failures = failures
        self._pause_s = pause_s
        self._in_a_row = 0
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the last attempt left the circuit open."""
        return self._in_a_row >= self._failures

    def wait_s(self, now: float) -> float:
        """How long to wait before an attempt."""
        return max(0.0, self._open_until - now) if self.is_open else 0.0

    def failed(self, now: float) -> None:
        """Note an attempt that failed."""
        self._in_a_row += 1
        if self.is_open:
            self._open_until = now + self._pause_s

    def succeeded(self) -> None:
        """Note one that did not."""
        self._in_a_row = 0


class Courier:
    """Brings messages to a destination, one after the other.

    Args:
        destination: How patiently.
        sender: Makes the attempts.
        sleep: Waits so many seconds.
        now: Seconds on some clock that goes with ``sleep``.
    """

    def __init__(
        self,
        destination: Destination,
        sender: Sender,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._destination = destination
        self._sender = sender
        self._sleep = sleep
        self._now = now or asyncio.get_running_loop().time
        self._breaker = Breaker(failures=destination.failures, pause_s=destination.pause_ms / 1_000)
        self._limiter = AsyncLimiter(destination.per_minute, _MINUTE_S) if destination.per_minute else None

    async def deliver(self, message: Message) -> Failure | None:
        """Deliver a message, however long that takes; why not, if it was given up.

        Waits double from one attempt to the next, with a random part so that destinations that failed together are not
        tried together. Who asks to be left alone for longer (``Retry-After``) is, for an hour at most. What is refused
        for good is not tried again.
        """
        settings, attempts = self._destination, 0
        wait_s = settings.wait_ms / 1_000
        backoff = wait_exponential_jitter(multiplier=wait_s, max=settings.longest_wait_ms / 1_000, jitter=wait_s)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return max(backoff(state), min(getattr(error, "wait_s", 0.0), _LONGEST_ASKED_S))

        retrying = AsyncRetrying(
            stop=stop_after_attempt(settings.attempts),
            wait=wait,
            retry=retry_if_exception(lambda error: isinstance(error, DeliveryError) and error.retriable),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    attempts += 1
                    await self._try(message)
        except DeliveryError as error:
            return Failure(attempts, str(error))
        return None

    async def _try(self, message: Message) -> None:
        if (wait_s := self._breaker.wait_s(self._now())) > 0:
            await self._sleep(wait_s)
        if self._limiter is not None:
            await self._limiter.acquire()
        try:
            async with asyncio.timeout(self._destination.timeout_ms / 1_000):
                await self._sender.send(message)
        except TimeoutError as error:
            self._breaker.failed(self._now())
            raise DeliveryError(f"no answer within {self._destination.timeout_ms} ms") from error
        except DeliveryError as error:
            if error.retriable:  # a refusal is about the message, and the destination is well
                self._breaker.failed(self._now())
            raise
        except Exception as error:
            _logger.exception("%s", self._destination.name)
            self._breaker.failed(self._now())
            raise DeliveryError(f"unexpected {type(error).__name__}: {error}") from error
        self._breaker.succeeded()


def sender_of(destination: Destination, client: httpx.AsyncClient) -> Sender:
    """What makes the attempts for a destination."""
    target = destination.target
    match target:
        case Email():
            return EmailSender(target, timeout_s=destination.timeout_ms / 1_000)
        case File():
            return FileSender(target)
        case Slack():
            return SlackSender(target, client)
        case _:
            return WebhookSender(target, client)
