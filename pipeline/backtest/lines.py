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
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from agents.events import Chunk, Int64, TopicPartition
from agents.language.expression import listed
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
        self._now_ms = 0
        self._ends: dict[TopicPartition, int] = defaultdict(int)
        names = ["type", *sorted({name for each in streams.values() for name in (each.key, each.time) if name})]
        at = {name: f"f{number}" for number, name in enumerate(dict.fromkeys(names))}
        members = [(attribute, Any, None) for attribute in at.values()]
        rename = {attribute: name for name, attribute in at.items()}
        head = msgspec.defstruct("Head", members, rename=rename, gc=False)
        self._decoder: Any = msgspec.json.Decoder(head)
        self._readers = {
            each.name: (attrgetter(at[each.key]) if each.key else _nothing, attrgetter(at[each.time]))
            for each in streams.values()
        }

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
        found: dict[str, _Rows] = {}
        lines = [raw.rstrip(b"\r\n") for raw in block]
        for number, (line, head) in enumerate(zip(lines, self._heads(lines), strict=True), self._line + 1):
            if head is None or head.__class__ is BadLine:
                if head is not None:
                    self._on_bad(head)
                continue
            stream = self._stream_of.get(head.f0) if head.f0.__class__ is str else None
            stream = stream or self._only
            if stream is None:
                self._on_bad(BadLine(number, self._of_no_stream(head.f0)))
                continue
            rows = found.get(stream.name)
            if rows is None:
                rows = found[stream.name] = _Rows()
            key_of, time_of = self._readers[stream.name]
            time_ms = time_of(head)
            if time_ms.__class__ is int and time_ms > self._now_ms:
                self._move_to(time_ms)
            key = key_of(head)
            rows.order.append(number)
            rows.appended_ms.append(self._now_ms)
            rows.keys.append(key.encode("utf-8", "surrogatepass") if key.__class__ is str else _odd_key(key))
            rows.values.append(line)
        self._line += len(block)
        return [feed for name, rows in found.items() for feed in self._placed(self._streams[name], rows)]

    def _heads(self, lines: Sequence[bytes]) -> list[Any]:
        """Type, keys and times of each line; ``None`` for a blank one, or what is bad about it."""
        try:
            heads: list[Any] = self._decoder.decode_lines(b"\n".join(lines))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            heads = []
        if len(heads) == len(lines):  # no value spans lines, and a line with two is a fault
            return heads
        return [self._head(number, line) for number, line in enumerate(lines, self._line + 1)]

    def _head(self, number: int, line: bytes) -> Any:
        if not line or line.isspace():
            return None
        try:
            return self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return BadLine(number, f"no JSON object: {error}")

    def _of_no_stream(self, kind: Any) -> str:
        said = "has no type" if kind is None else f"has the type {kind!r:.60}, which is of no stream"
        return f"{said}; there are {listed(sorted(self._stream_of), 20)}"

    def _move_to(self, time_ms: int) -> None:
        """Let the clock come to a newer event time."""
        if time_ms >= _WHOLE:
            return
        if self._limit_ms is not None and time_ms > self._limit_ms:
            if self._now_ms:
                time_ms = max(self._now_ms, self._limit_ms)
            else:  # the file begins there
                self._limit_ms = None
        self._now_ms = time_ms

    def _placed(self, stream: StreamSpec, rows: "_Rows") -> Iterator[Feed]:
        order, appended_ms = np.array(rows.order, np.int64), np.array(rows.appended_ms, np.int64)
        partition = partition_column(rows.keys, stream.partitions, 0)
        for number in np.unique(partition).tolist():
            at = np.flatnonzero(partition == number)
            source = TopicPartition(stream.topic, number)
            start = self._ends[source]
            self._ends[source] = end = start + len(at)
            chunk = Chunk(
                topic=source.topic,
                partition=number,
                offsets=np.arange(start, end),
                timestamps_ms=appended_ms[at],
                keys=[rows.keys[i] for i in at.tolist()],
                values=[rows.values[i] for i in at.tolist()],
                next_offset=end,
            )
            yield Feed(chunk, order[at])


@dataclass(slots=True)
class _Rows:
    """Records of a stream, as columns."""

    order: list[int] = field(default_factory=list)
    appended_ms: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)


def _nothing(_: Any) -> None:
    """The key of records without one."""


def _odd_key(key: Any) -> bytes | None:
    """A key that is no text: a whole number counts as its digits, as for ``streamgauge produce``."""
    return str(key).encode() if isinstance(key, int) and not isinstance(key, bool) else None


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
