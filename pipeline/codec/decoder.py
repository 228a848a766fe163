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

import re
from collections.abc import Collection, Sequence

import numpy as np

from agents.events import Batch, Chunk, Int64
from agents.spec import Field, StreamSpec
from pipeline.codec.faults import Fault, Reason, Reject
from pipeline.codec.parser import Parser
from pipeline.codec.rows import limits_of
from pipeline.codec.scanner import Scanner, scanner_for
from pipeline.errors import ConfigError
from pipeline.event_time import absurd_times
from tables.slices import Column, taken, texts_of


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

    Cost: about 0.2 us a record of 176 bytes where it is compiled, else 0.6; a refused one about 3 us.

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
        limits = limits_of(stream, fields, bounded)
        self._stream = stream
        self._parser = Parser(stream, fields, wanted, limits)
        self._scanner = scanner_for(fields, wanted, limits, stream.max_bytes)

    def decode(self, chunk: Chunk) -> tuple[Batch, list[Reject]]:
        """The accepted records as columns, and the refused ones in stream order; each record is in exactly one."""
        if self._scanner is None:
            columns, faults = self._parser.parse(chunk.values)
            index = _without(np.arange(len(chunk)), faults)
        else:
            index, columns, faults = self._scanned(self._scanner, chunk.values)
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

    def _scanned(
        self, scanner: Scanner, values: Sequence[bytes | None]
    ) -> tuple[Int64, dict[str, Column], dict[int, Fault]]:
        """The index of the accepted records, their columns, and the others; unusual ones go through the parser."""
        columns, is_taken = scanner.scan(values)
        if is_taken.all():
            return np.arange(len(values)), columns, {}
        rest = np.flatnonzero(~is_taken)
        parsed, among = self._parser.parse([values[at] for at in rest.tolist()])
        places = _without(rest, among)
        for name, column in columns.items():
            columns[name] = _put(column, places, parsed[name])
        faults = {int(rest[at]): fault for at, fault in among.items()}
        index = _without(np.arange(len(values)), faults)
        if faults:
            columns = {name: taken(column, index) for name, column in columns.items()}
        return index, columns, faults

    def _refuse_absurd(
        self, chunk: Chunk, index: Int64, columns: dict[str, Column], faults: dict[int, Fault]
    ) -> tuple[Int64, dict[str, Column]]:
        """Refuse records whose event time is one, but can't be meant."""
        time_ms = np.asarray(columns[self._stream.time], np.int64)
        absurd = absurd_times(self._stream, time_ms, chunk.timestamps_ms[index])
        if not absurd:
            return index, columns
        faults |= {int(index[at]): (Reason.ABSURD_TIME, "ValueError", message) for at, message in absurd.items()}
        kept = _without(np.arange(len(index)), absurd)
        return index[kept], {name: taken(column, kept) for name, column in columns.items()}


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


def _without(index: Int64, gone: Collection[int]) -> Int64:
    return np.delete(index, list(gone)) if gone else index


def _put(column: Column, places: Int64, values: Column) -> Column:
    """The column with ``values`` at ``places``."""
    if isinstance(column, np.ndarray):
        column[places] = np.asarray(values)
        return column
    return texts_of(column).replaced(places, list(values))
