"""Recorded events in a file: lines to records of streams, each with its place as if it had been produced in order.

Records of several streams may stand in one file. Which stream a line belongs to is told by its field ``type``:

1. the stream that declares it: ``types = ["card", "transfer"]`` under ``[streams.NAME]``,
2. else the stream of that name or topic, with or without a plural s: ``payment`` belongs to ``payments``,
3. else, in a configuration with a single stream, to that one, whatever the type, also without any.

A file has no append times. A record counts as appended when the file's event time had come to it: at the newest event
time so far, though never later than ``limit_ms``, so that one absurd time does not carry all that follow with it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from agents.events import Chunk, Int64, TopicPartition
from agents.expression import listed
from agents.spec import StreamSpec
from pipeline.errors import UsageError
from pipeline.log.partitioner import partition_column

STEP: Final = 32_768
"""So many lines are processed at once; what comes of them does not depend on it."""

_WHOLE = (1 << 62) - 1


class Feed(NamedTuple):
    """Records of one partition, and where each stands in the order of all that is read, shape ``(n,)``."""

    chunk: Chunk
    order: Int64


class BadLine(NamedTuple):
    """A line, counted from 1, that can't count, and why."""

    line: int
    reason: str


class Lines:
    """Places lines in the partitions of their streams, as ``streamgauge produce`` into an empty log would.

    A record without a key goes to partition 0. The order of a record is its line's number.

    Args:
        streams: By name.
        on_bad: Told each line that belongs to no stream.
        limit_ms: The latest append time, Unix ms; a file whose first record is later still has none.
        step: How many lines are processed at once.

    Raises:
        UsageError: If there is no stream.
    """

    def __init__(
        self,
        streams: dict[str, StreamSpec],
        on_bad: Callable[[BadLine], None],
        *,
        limit_ms: int | None = None,
        step: int = STEP,
    ) -> None:
        if not streams:
            raise UsageError("the configuration has no stream whose records could be read")
        self._streams = streams
        self._stream_of = _by_type(streams)
        self._only = next(iter(streams.values())) if len(streams) == 1 else None
        self._on_bad = on_bad
        self._limit_ms = limit_ms
        self._lines_at_once = step
        self._line = 0
        self._now_ms: int | None = None
        self._ends: dict[TopicPartition, int] = defaultdict(int)
        names = ["type", *sorted({name for each in streams.values() for name in (each.key, each.time) if name})]
        self._at = {name: f"f{at}" for at, name in enumerate(dict.fromkeys(names))}
        fields = [(attribute, Any, None) for attribute in self._at.values()]
        head = msgspec.defstruct("Head", fields, rename={at: name for name, at in self._at.items()})
        self._decoder: Any = msgspec.json.Decoder(head)

    def steps(self, lines: Iterable[bytes]) -> Iterator[list[Feed]]:
        """Records of some lines at a time, in order; blank lines are passed over."""
        block: list[bytes] = []
        for line in lines:
            block.append(line)
            if len(block) == self._lines_at_once:
                yield self._step(block)
                block = []
        if block:
            yield self._step(block)

    def _step(self, block: Sequence[bytes]) -> list[Feed]:
        found: dict[str, list[tuple[int, int, bytes | None, bytes]]] = defaultdict(list)
        for raw in block:
            self._line += 1
            line = raw.rstrip(b"\r\n")
            if not line or line.isspace():
                continue
            head, stream = self._head(line)
            if stream is not None:
                key = self._key(head, stream)
                found[stream.name].append((self._line, self._appended(head, stream), key, line))
        return [feed for name, rows in found.items() for feed in self._placed(self._streams[name], rows)]

    def _head(self, line: bytes) -> tuple[Any, StreamSpec | None]:
        try:
            head = self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._on_bad(BadLine(self._line, f"no JSON object: {error}"))
            return None, None
        kind = getattr(head, self._at["type"])
        stream = self._stream_of.get(kind) if isinstance(kind, str) else None
        stream = stream or self._only
        if stream is None:
            said = "has no type" if kind is None else f"has the type {kind!r:.60}, which is of no stream"
            self._on_bad(BadLine(self._line, f"{said}; there are {listed(sorted(self._stream_of), 20)}"))
        return head, stream

    def _key(self, head: Any, stream: StreamSpec) -> bytes | None:
        key = getattr(head, self._at[stream.key]) if stream.key else None
        if isinstance(key, str):
            return key.encode("utf-8", "surrogatepass")
        return str(key).encode() if isinstance(key, int) and not isinstance(key, bool) else None

    def _appended(self, head: Any, stream: StreamSpec) -> int:
        time_ms = getattr(head, self._at[stream.time])
        if isinstance(time_ms, int) and not isinstance(time_ms, bool) and 0 < time_ms < _WHOLE:
            if self._now_ms is None:
                self._now_ms = time_ms
                if self._limit_ms is not None and time_ms > self._limit_ms:
                    self._limit_ms = None
            elif time_ms > self._now_ms:
                self._now_ms = max(self._now_ms, time_ms if self._limit_ms is None else min(time_ms, self._limit_ms))
        return self._now_ms or 0

    def _placed(self, stream: StreamSpec, rows: list[tuple[int, int, bytes | None, bytes]]) -> Iterator[Feed]:
        order, appended, keys, values = zip(*rows, strict=True)
        partition = partition_column(keys, stream.partitions, 0)
        for number in np.unique(partition).tolist():
            at = np.flatnonzero(partition == number)
            source = TopicPartition(stream.topic, number)
            start = self._ends[source]
            self._ends[source] = end = start + len(at)
            chunk = Chunk(
                topic=source.topic,
                partition=number,
                offsets=np.arange(start, end),
                timestamps_ms=np.array(appended, np.int64)[at],
                keys=[keys[i] for i in at.tolist()],
                values=[values[i] for i in at.tolist()],
                next_offset=end,
            )
            yield Feed(chunk, np.array(order, np.int64)[at])


def _by_type(streams: dict[str, StreamSpec]) -> dict[str, StreamSpec]:
    """The stream of each type; what is said first counts."""
    found: dict[str, StreamSpec] = {}
    for stream in streams.values():
        found.update(dict.fromkeys(stream.types, stream))
    for stream in streams.values():
        for name in (stream.name, stream.topic):
            found.setdefault(name, stream)
    for stream in streams.values():
        for name in (stream.name, stream.topic):
            found.setdefault(name.removesuffix("s"), stream)
    return found
