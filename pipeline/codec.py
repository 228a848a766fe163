"""Bytes to columns: the records of a chunk are parsed, checked and laid out in one pass.

Every record is decoded alone, so nothing in one payload can end, join or change another. What is accepted is one
UTF-8 JSON object as RFC 8259 has it, and holds each required field with its declared type. Decided for the rest:

======================================  =============================================================================
no payload, or the JSON ``null``        ``null``
empty, trailing text, BOM, ``NaN``      ``bad-json``; also an unpaired surrogate escape, and more than 500 levels
invalid UTF-8                           ``invalid-utf8``, also within a field that the stream does not declare
a name twice                            the last one counts, as in ``json.loads``, but each one must have the type
``1.0`` or ``1e3`` for an ``int``       ``wrong-type``; ``1`` for a ``float`` is fine; ``true`` is no number
beyond int64, beyond float64            ``out-of-range``; for the time field ``absurd-time``
several faults                          ``invalid-utf8`` first, else the first one met by reading the record
======================================  =============================================================================

All declared fields are checked, needed or not: which records are refused must not change because somebody adds a rule.
That costs 0.02 us for each field that nobody reads: 0.06 to 0.12 of 0.6 us for a payment with five needed of nine.
"""

import itertools
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from agents.events import Batch, Chunk, Column, Int64
from agents.spec import Field, StreamSpec
from pipeline.errors import ConfigError
from pipeline.event_time import absurd_times
from pipeline.rows import extractor, row_decoder

MAX_DEPTH = 500  # fixed, because the interpreter's own limit depends on how deep the caller's stack is

_BLOCK = 256  # rows and columns of so many records stay in the processor's cache
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive and never failing: linear on any input
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_RANGE = re.compile(r"Expected `(?:int|float)` [<>]|Number out of range|Integer value out of range")

_Decode = Callable[[bytes | None], Any]
_Fault = tuple["Reason", str, str]  # the last three of a Reject


class Reason(StrEnum):
    """Why a record was refused; the header of its dead letter, and what rejects are counted by."""

    ABSURD_TIME = "absurd-time"
    BAD_JSON = "bad-json"
    INVALID_UTF8 = "invalid-utf8"
    MISSING_FIELD = "missing-field"
    NULL = "null"
    OUT_OF_RANGE = "out-of-range"
    POISON = "poison"  # decoded, but raised an error whenever it was processed
    TOO_LONG = "too-long"
    WRONG_TYPE = "wrong-type"


@dataclass(frozen=True, slots=True)
class Reject:
    """A refused record: its index in the chunk, its offset, why, the class of the error, and a sentence for people."""

    index: int
    offset: int
    reason: Reason
    error: str
    message: str


class Decoder:
    """Decode the records of one stream.

    Works on JSON objects; a payload is ``bytes``. Keeps no state between chunks, so how a stream is cut into chunks
    does not matter.

    Args:
        stream: The stream. Its time field must be a required ``int``; a time or id field that is not among the
            declared ones counts as a required ``int`` or ``str``.
        needed: Fields to lay out as columns, with the time and id fields always; ``None`` for all.
        bounded: Numeric fields that are summed: their magnitude, in units of the field, must stay below 2**42.

    Raises:
        ConfigError: If ``needed`` or ``bounded`` names an undeclared field, the time field is no required ``int``, or a
            field's name holds a quote, a backslash or a control character.

    Cost: about 0.6 us a record of 176 bytes with five of nine fields needed; a refused one about 3 us.

    >>> fields = {"ts": Field(name="ts", type="int"), "amount": Field(name="amount", type="int")}
    >>> stream = StreamSpec(name="s", topic="t", partitions=1, key=None, time="ts", id=None, fields=fields)
    >>> values = [b'{"ts": 1000, "amount": 5}', b'{"ts": 2000}']
    >>> now = np.array([3000, 3000])
    >>> batch, rejects = Decoder(stream).decode(
    ...     Chunk(topic="t", partition=0, offsets=np.array([7, 8]), timestamps_ms=now, keys=[None] * 2, values=values,
    ...           next_offset=9))
    >>> batch.columns["amount"].tolist(), [(reject.offset, str(reject.reason)) for reject in rejects]
    ([5], [(8, 'missing-field')])
    """

    def __init__(
        self, stream: StreamSpec, *, needed: Collection[str] | None = None, bounded: Collection[str] = ()
    ) -> None:
        fields = _declared(stream)
        wanted = set(fields) if needed is None else {*needed, stream.time, *([stream.id] if stream.id else [])}
        _check(stream, fields, {*wanted, *bounded})
        self._stream = stream
        self._decoder = row_decoder(stream, fields, bounded)
        self._decode: _Decode = self._decoder.decode  # type: ignore[assignment]  # nulls are screened before
        numbered = enumerate(fields.items())
        self._extract = {name: extractor(field, f"f{at}") for at, (name, field) in numbered if name in wanted}
        self._plain_bytes = min(stream.max_bytes, 2 * MAX_DEPTH)

    def decode(self, chunk: Chunk) -> tuple[Batch, list[Reject]]:
        """The accepted records as columns, and the refused ones in stream order; each record is in exactly one."""
        blocks: dict[str, list[Column]] = {name: [extract([])] for name, extract in self._extract.items()}
        faults: dict[int, _Fault] = {}
        for start in range(0, len(chunk), _BLOCK):
            rows = self._rows(chunk.values[start : start + _BLOCK], start, faults)
            for name, extract in self._extract.items():
                blocks[name].append(extract(rows))
        columns = {name: _joined(parts) for name, parts in blocks.items()}
        index = np.delete(np.arange(len(chunk)), list(faults))
        index, columns = self._refuse_absurd(chunk, index, columns, faults)
        rejects = [Reject(at, int(chunk.offsets[at]), *faults[at]) for at in sorted(faults)]
        batch = Batch(
            stream=self._stream.name,
            topic=chunk.topic,
            partition=np.full(len(index), chunk.partition, np.int64),
            offsets=chunk.offsets[index],
            appended_ms=chunk.timestamps_ms[index],
            time_ms=np.asarray(columns[self._stream.time], np.int64),
            columns=columns,
            headers=None if chunk.headers is None else [chunk.headers[at] for at in index.tolist()],
        )
        return batch, rejects

    def _rows(self, values: Collection[bytes | None], start: int, faults: dict[int, _Fault]) -> list[Any]:
        """Decode a block; what is refused goes to ``faults`` by its index in the chunk.

        ``extend`` keeps the rows that came before an error and ``map`` goes on after it, so a bad record costs one
        exception and its neighbours are not decoded again.
        """
        lines = self._plain(values)
        if lines is not None and (at_once := self._lines(lines, len(values))) is not None:
            return at_once
        screened = () if lines is not None else map(self._screen, values)
        refused = {at: fault for at, fault in enumerate(screened) if fault is not None}
        if refused:  # an empty payload fails to decode, so that the places of the others stay what they are
            values = [b"" if at in refused else value for at, value in enumerate(values)]
        rest = map(self._decode, values)
        rows: list[Any] = []
        bad = 0
        while True:
            try:
                rows.extend(rest)
            except (ValueError, RecursionError, msgspec.MsgspecError) as error:
                at = len(rows) + bad
                bad += 1
                faults[start + at] = refused.get(at) or self._fault(error)
            else:
                return rows

    def _plain(self, values: Collection[bytes | None]) -> bytes | None:
        """The payloads as lines, if none of a block is null, long, deep or not UTF-8; else ``None``."""
        try:
            joined = b"\n".join(values)  # type: ignore[arg-type]  # a null raises
            if max(map(len, values), default=0) > self._plain_bytes:  # type: ignore[arg-type]
                return None
            if not joined.isascii():  # the newline ends any sequence, so the whole is UTF-8 if each part is
                joined.decode()
        except (TypeError, UnicodeDecodeError):
            return None
        return joined

    def _lines(self, lines: bytes, count: int) -> list[Any] | None:
        """All rows of a block in one call; ``None`` if one is bad, or a payload might be read as two or none.

        A payload with a line feed of its own would be cut, and an empty one passed over: then the numbers differ.
        """
        if lines.count(b"\n") != count - 1:
            return None
        try:
            rows: list[Any] = self._decoder.decode_lines(lines)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            return None
        return rows if len(rows) == count else None

    def _screen(self, value: bytes | None) -> _Fault | None:
        """What must not reach the parser, or what it would let pass."""
        if value is None:
            return (Reason.NULL, "TypeError", "record has no payload, expected a JSON object")
        if len(value) > self._stream.max_bytes:
            message = f"payload of {len(value)} bytes, at most {self._stream.max_bytes} are allowed"
            return (Reason.TOO_LONG, "ValueError", message)
        try:
            value.decode()
        except UnicodeDecodeError as error:
            message = f"byte {error.start} of the payload is no valid UTF-8: {error.reason}"
            return (Reason.INVALID_UTF8, "UnicodeDecodeError", message)
        if _too_deep(value):
            return (Reason.BAD_JSON, "RecursionError", f"payload is nested more than {MAX_DEPTH} levels deep")
        return None

    def _fault(self, error: Exception) -> _Fault:
        """Name what the parser found. The wording it relies on is pinned by tests."""
        message, name = str(error), type(error).__name__
        if not isinstance(error, msgspec.ValidationError):
            return (Reason.BAD_JSON, name, f"payload is no JSON object: {message}")
        if message == "Expected `object`, got `null`":
            return (Reason.NULL, name, "payload is null, expected a JSON object")
        if message.startswith("Object missing required field"):
            return (Reason.MISSING_FIELD, name, message)
        if not _RANGE.match(message):
            return (Reason.WRONG_TYPE, name, message)
        is_time = message.endswith(f" - at `$.{self._stream.time}`")
        return (Reason.ABSURD_TIME if is_time else Reason.OUT_OF_RANGE, name, message)

    def _refuse_absurd(
        self, chunk: Chunk, index: Int64, columns: dict[str, Column], faults: dict[int, _Fault]
    ) -> tuple[Int64, dict[str, Column]]:
        """Refuse records whose event time is one, but can't be meant."""
        time_ms = np.asarray(columns[self._stream.time], np.int64)
        absurd = absurd_times(self._stream, time_ms, chunk.timestamps_ms[index])
        if not absurd:
            return index, columns
        faults |= {int(index[at]): (Reason.ABSURD_TIME, "ValueError", message) for at, message in absurd.items()}
        keep = np.ones(len(index), np.bool_)
        keep[list(absurd)] = False
        return index[keep], {name: _compress(column, keep) for name, column in columns.items()}


def _declared(stream: StreamSpec) -> dict[str, Field]:
    fields = dict(stream.fields)
    fields.setdefault(stream.time, Field(name=stream.time, type="int"))
    if stream.id is not None:
        fields.setdefault(stream.id, Field(name=stream.id, type="str"))
    return fields


def _check(stream: StreamSpec, fields: dict[str, Field], named: set[str]) -> None:
    where, known, time = f"of stream {stream.name}", ", ".join(sorted(fields)), fields[stream.time]
    problems = [f"no field {name!r} {where}, there is only {known}" for name in sorted(named - set(fields))]
    if time.type != "int" or time.optional:
        problems.append(f"time field {time.name!r} {where} must be a required int")
    odd = [name for name in fields if re.search(r'["\\\x00-\x1f]', name)]
    problems += [f"field {name!r} {where} must have a name without quote, backslash, control character" for name in odd]
    if problems:
        raise ConfigError(problems)


def _too_deep(value: bytes) -> bool:
    """Whether the brackets outside of strings nest deeper than ``MAX_DEPTH``; exact for valid JSON."""
    if len(value) <= 2 * MAX_DEPTH or value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    brackets = np.frombuffer(_STRING.sub(b"", value).translate(None, _NOT_BRACKETS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    return bool(np.cumsum(steps).max(initial=0) > MAX_DEPTH)


def _joined(parts: list[Column]) -> Column:
    return list(itertools.chain.from_iterable(parts)) if isinstance(parts[0], list) else np.concatenate(parts)


def _compress(column: Column, keep: np.ndarray[Any, np.dtype[np.bool_]]) -> Column:
    return list(itertools.compress(column, keep)) if isinstance(column, list) else column[keep]
