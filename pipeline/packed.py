"""Many decoded rows in one log record: how records travel when they are repartitioned by another key.

::

    0   4  magic b"sgpk"
    4   1  version, then 3 zeros
    8   8  xxh3-64 of all that follows
    16  4  length of the description, then 4 zeros
    24     description in MessagePack: stream, topic, number of rows, columns and how they are written
           zeros up to a multiple of 8
           columns of numbers and truth values, little-endian, each padded to a multiple of 8
           the texts of all columns as UTF-8, then the headers in MessagePack

Whole numbers are written as distances from the least of them, in as few bytes as hold those (none if all are equal):
the five coordinates of a row take about 10 bytes instead of 40. The lengths of all texts are one more such column.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from agents.events import Batch, Headers, Int64
from pipeline.errors import StateError
from tables.slices import Column, Texts, taken, texts_of

VERSION = 2
_FEW = 64
MAX_ROWS = 1 << 20  # a damaged size must not make a reader ask for all memory

_Code = Literal["", "u1", "u2", "u4", "i8", "f8", "b1"]
_MAGIC = b"sgpk"
_HEAD_BYTES = 24
_CLOCKS = ("partition", "offset", "appended_ms", "time_ms", "stream_ms", "late")
_KINDS: dict[np.dtype[Any], Literal["int", "float", "bool"]] = {
    np.dtype(np.int64): "int",
    np.dtype(np.float64): "float",
    np.dtype(np.bool_): "bool",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """What one packed record holds.

    Args:
        batch: The rows, with the topic, partitions and offsets that they came from. Arrays may be read-only.
        stream_ms: Clock of the origin partition at each row, Unix ms, shape ``(n,)``.
        late: Whether the row was late in its origin partition, shape ``(n,)``.
    """

    batch: Batch
    stream_ms: Int64
    late: NDArray[np.bool_]


class _Column(msgspec.Struct, array_like=True, frozen=True):
    """How a column is written: as ``code`` (a NumPy type; none for a constant), with ``low`` added to each number."""

    name: str
    kind: Literal["int", "float", "bool", "text"]
    code: _Code = ""
    low: int = 0
    width: int | None = None


class _Description(msgspec.Struct, array_like=True, frozen=True):
    stream: str
    topic: str
    rows: int
    columns: list[_Column]
    lengths: _Column
    text_bytes: int
    header_bytes: int


_describe = msgspec.msgpack.Encoder().encode
_read_description = msgspec.msgpack.Decoder(_Description).decode
_read_headers = msgspec.msgpack.Decoder(list[list[tuple[str, bytes]]]).decode


def pack(
    batch: Batch,
    *,
    stream_ms: Int64,
    late: NDArray[np.bool_],
    rows: Int64 | None = None,
    extra: Mapping[str, Column] | None = None,
) -> bytes:
    """Write rows of a batch as one payload.

    Args:
        batch: Its columns are all written.
        stream_ms: Clock of the origin partition at each row of the batch, Unix ms, shape ``(n,)``.
        late: Whether each row was late there, shape ``(n,)``.
        rows: Rows to write, in this order; ``None`` for all. A batch is split over partitions by one call for each.
        extra: Further columns of the batch's length, such as features that earlier stages computed.

    Raises:
        ValueError: If a column has another length or an unknown type, a name occurs twice, or rows exceed 2**20.

    Cost: about 0.07 us a row with three text and four number columns, 0.18 us if split over four partitions.
    """
    columns = batch.columns | dict(extra or {})
    count = len(batch) if rows is None else len(rows)
    if len(columns) < len(batch.columns) + len(extra or {}) or count > MAX_ROWS:
        raise ValueError(f"can't pack {count} rows with extra columns {list(extra or {})}: 2**20 rows, new names only")
    writer = _Writer(len(batch), rows)
    clocks = (batch.partition, batch.offsets, batch.appended_ms, batch.time_ms, stream_ms, late)
    described = [writer.column(name, column) for name, column in zip(_CLOCKS, clocks, strict=True)]
    described += [writer.column(name, column) for name, column in columns.items()]
    lengths, text = writer.text()
    headers = b"" if batch.headers is None else _describe(_pick(batch.headers, writer.picked))
    description = _describe(
        _Description(batch.stream, batch.topic, count, described, lengths, len(text), len(headers)),
    )
    start = len(description).to_bytes(4, "little") + bytes(4) + description
    body = b"".join((start, bytes(-len(start) % 8), *writer.blocks, text, headers))
    return _MAGIC + bytes((VERSION, 0, 0, 0)) + xxhash.xxh3_64_digest(body) + body


def unpack(payload: bytes | None) -> Packed:
    """Read what ``pack`` wrote.

    Raises:
        StateError: If the payload is none, damaged, or of another version.

    Cost: about 0.02 us a row with three text and four number columns: a few array views.
    """
    try:
        return _unpack(_Reader(_checked(payload)))
    except StateError:
        raise
    except (ValueError, ArithmeticError, StopIteration, msgspec.MsgspecError) as error:
        raise StateError(f"packed record contradicts its own description: {error}; read it again") from error


def _unpack(reader: "_Reader") -> Packed:
    description = reader.description
    clocks, columns = description.columns[: len(_CLOCKS)], description.columns[len(_CLOCKS) :]
    partition, offsets, appended_ms, time_ms, stream_ms, late = map(reader.numbers, clocks)
    arrays = [None if column.kind == "text" else reader.numbers(column) for column in columns]
    texts = reader.texts(sum(column.kind == "text" for column in columns))
    batch = Batch(
        stream=description.stream,
        topic=description.topic,
        partition=partition,
        offsets=offsets,
        appended_ms=appended_ms,
        time_ms=time_ms,
        columns={
            column.name: next(texts) if array is None else array for column, array in zip(columns, arrays, strict=True)
        },
        headers=reader.headers(),
    )
    return Packed(batch=batch, stream_ms=stream_ms, late=late)


def _checked(payload: bytes | None) -> bytes:
    if payload is None or len(payload) < _HEAD_BYTES or not payload.startswith(_MAGIC):
        found = "nothing" if payload is None else f"{len(payload)} bytes that start with {payload[:4]!r}"
        raise StateError(f"a packed record starts with {_MAGIC!r}, found {found}: was something else produced to it?")
    if payload[4] != VERSION:
        hint = "upgrade the reader" if payload[4] > VERSION else "let the program that wrote it drain the topic first"
        raise StateError(f"packed record has version {payload[4]}, this program reads {VERSION}: {hint}")
    if xxhash.xxh3_64_digest(memoryview(payload)[16:]) != payload[8:16]:
        raise StateError(f"packed record of {len(payload)} bytes is damaged, its checksum differs: read it again")
    return payload


def _pick(column: Sequence[Any], rows: list[int] | None) -> Sequence[Any]:
    return column if rows is None else list(map(column.__getitem__, rows))


def _narrow(column: Int64) -> tuple[_Code, int, NDArray[Any]]:
    """The type, the least number and the distances from it that write a column in the fewest bytes."""
    if 0 < column.size < _FEW:
        return "i8", 0, column  # narrowing costs more time than it saves bytes
    low, high = (int(column.min()), int(column.max())) if column.size else (0, 0)
    codes: tuple[tuple[_Code, int], ...] = (("", 0), ("u1", 0xFF), ("u2", 0xFFFF), ("u4", 0xFFFFFFFF))
    for code, most in codes[column.ndim - 1 :]:
        if high - low <= most:
            return code, low, column - low
    return "i8", 0, column


@dataclass(slots=True)
class _Writer:
    """Collects the blocks of a payload from ``rows`` of columns of ``length``."""

    length: int
    rows: Int64 | None
    picked: list[int] | None = None
    blocks: list[bytes] = field(default_factory=list)
    columns: list[Texts] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.picked = None if self.rows is None else self.rows.tolist()

    def column(self, name: str, column: Column) -> _Column:
        if len(column) != self.length:
            raise ValueError(f"column {name!r} has {len(column)} rows, the batch has {self.length}")
        if isinstance(column, np.ndarray):
            return self.numbers(name, column if self.rows is None else column[self.rows])
        texts = column if self.rows is None else taken(column, self.rows)
        assert not isinstance(texts, np.ndarray)
        self.columns.append(texts_of(texts))
        return _Column(name, "text")

    def numbers(self, name: str, column: NDArray[Any]) -> _Column:
        kind = _KINDS.get(column.dtype)
        if kind is None or column.ndim > 2:
            raise ValueError(f"column {name!r} is {column.dtype} in {column.ndim} dimensions, which can't be packed")
        code: _Code = "f8" if kind == "float" else "b1"
        low = 0
        if kind == "int":
            code, low, column = _narrow(column)
        if code:
            data = column.astype("<" + code, copy=False).tobytes()
            self.blocks += (data, bytes(-len(data) % 8))
        return _Column(name, kind, code, low, column.shape[1] if column.ndim == 2 else None)

    def text(self) -> tuple[_Column, bytes]:
        """The lengths of all texts in bytes, and the texts."""
        sizes = [texts.sizes for texts in self.columns]
        lengths = self.numbers("lengths", np.concatenate(sizes) if sizes else np.empty(0, np.int64))
        return lengths, b"".join(texts.data for texts in self.columns)


class _Reader:
    """Takes the blocks of a payload in the order in which they were written."""

    def __init__(self, payload: bytes) -> None:
        size = int.from_bytes(payload[16:20], "little")
        self.description = _read_description(payload[_HEAD_BYTES : _HEAD_BYTES + size])
        if not 0 <= self.description.rows <= MAX_ROWS:
            raise StateError(f"packed record tells of {self.description.rows} rows, expected at most {MAX_ROWS}")
        self._payload = payload
        self._at = _HEAD_BYTES + size + -size % 8

    def numbers(self, column: _Column, count: int | None = None) -> Any:
        rows = self.description.rows if count is None else count
        size = rows if column.width is None else rows * column.width
        if not column.code:
            array = np.full(rows, column.low, np.int64)  # never wide: its size must not be what a description claims
        else:
            array = np.frombuffer(self._payload, "<" + column.code, size, self._at)
            self._at += array.nbytes + -array.nbytes % 8
            if column.code.startswith("u"):
                array = array.astype(np.int64) + column.low
        return array if column.width is None else array.reshape(rows, column.width)

    def texts(self, columns: int) -> Iterator[Texts]:
        """The text columns."""
        rows, text_bytes = self.description.rows, self.description.text_bytes
        sizes = self.numbers(self.description.lengths, rows * columns)
        ends = self._at + np.cumsum(sizes)
        self._at += text_bytes
        if text_bytes != int(sizes.sum()) or int(sizes.min(initial=0)) < 0 or self._at > len(self._payload):
            raise ValueError(f"{text_bytes} bytes of text for {columns} columns of {rows} rows")
        for column in range(columns):
            part = slice(column * rows, (column + 1) * rows)
            yield Texts(self._payload, ends[part] - sizes[part], sizes[part])

    def headers(self) -> list[Headers] | None:
        size = self.description.header_bytes
        return None if not size else list(_read_headers(self._payload[self._at : self._at + size]))
