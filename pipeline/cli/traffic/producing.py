"""Raw lines from a stream of bytes into a topic."""

import asyncio
import contextlib
import io
import select
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, Self

import orjson

from agents.events import Outgoing, Records
from pipeline.cli.runtime import SIGNALS, open_log_of
from pipeline.cli.traffic.reading import ensure_topic
from pipeline.config import AppConfig
from pipeline.log import Log

_READ_BYTES = 1 << 20


class Produced(NamedTuple):
    """How many records were appended, and how many of them had a key."""

    records: int
    keyed: int


class Stopped(BaseException):
    """A signal came while waiting for input; what was read before is in the log."""


class _Signals:
    """Ctrl-C and SIGTERM end the wait for input at once, but neither a read nor an append."""

    def __init__(self) -> None:
        self._came = False
        self._waiting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait_for(self, lines: BinaryIO) -> None:
        """Return once there is something to read.

        Raises:
            Stopped: If a signal came, before or meanwhile.
        """
        self._waiting = True
        try:
            if self._came:
                raise Stopped
            with contextlib.suppress(io.UnsupportedOperation):  # bytes in memory are always there
                select.select([lines.fileno()], [], [])
        finally:
            self._waiting = False

    def _on_signal(self, *_: object) -> None:
        self._came = True
        if self._waiting:
            raise Stopped


def produce_lines(config: AppConfig, topic: str, lines: BinaryIO, key_field: str | None) -> Produced:
    """Append each line as a record, as soon as it can be read; the line feed does not belong to it.

    Args:
        config: Names the log; a topic of the configuration is made if it is missing.
        topic: Where to.
        lines: The input; its end ends the last line.
        key_field: Field of the JSON object whose text or whole number is the key; ``None`` for the key of the stream
            that the topic belongs to, ``""`` for none.

    Raises:
        UnknownTopicError: If there is no such topic.
    """
    key_of = _key_reader(_key_field(config, topic) if key_field is None else key_field)
    log = open_log_of(config, create=True)
    with asyncio.Runner() as runner:
        try:
            runner.run(ensure_topic(config, log, topic))
            return _pump(runner, log, topic, lines, key_of)
        finally:
            runner.run(log.close())


def _pump(
    runner: asyncio.Runner, log: Log, topic: str, lines: BinaryIO, key_of: Callable[[bytes], bytes | None]
) -> Produced:
    """Reading blocks outside of the event loop, so that nothing waits for it when a signal comes."""
    records = keyed = 0
    for batch in _batches(lines):
        keys = [key_of(value) for value in batch]
        runner.run(log.append([Outgoing(topic, None, Records(values=batch, keys=keys))]))
        records += len(batch)
        keyed += len(batch) - keys.count(None)
    return Produced(records, keyed)


def _batches(lines: BinaryIO) -> Iterator[list[bytes]]:
    """Whole lines, as many as one read gave; a line that was begun when a signal came is left out."""
    read: Callable[[int], bytes] = getattr(lines, "read1", lines.read)
    begun: list[bytes] = []
    with _Signals() as signals, contextlib.suppress(Stopped):
        while True:
            signals.wait_for(lines)
            data = read(_READ_BYTES)
            if not data:
                break
            *whole, rest = data.split(b"\n")
            if whole:
                whole[0] = b"".join(begun) + whole[0]
                begun.clear()
                yield list(whole)
            if rest:
                begun.append(rest)
        if begun:
            yield [b"".join(begun)]


def _key_field(config: AppConfig, topic: str) -> str:
    return next((stream.key or "" for stream in config.streams.values() if stream.topic == topic), "")


def _key_reader(field: str) -> Callable[[bytes], bytes | None]:
    if not field:
        return lambda _: None

    def key_of(value: bytes) -> bytes | None:
        try:
            record = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        key = record.get(field) if isinstance(record, dict) else None
        if isinstance(key, str):
            return key.encode()
        return str(key).encode() if isinstance(key, int) and not isinstance(key, bool) else None

    return key_of


def standard_input() -> BinaryIO:
    """Standard input as bytes."""
    return sys.stdin.buffer
