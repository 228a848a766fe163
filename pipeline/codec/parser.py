"""The parser for all of JSON: a block of payloads to typed rows, and rows to columns."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from agents.spec import Field, StreamSpec
from pipeline.codec.faults import MAX_DEPTH, Fault, fault_of, screen
from pipeline.codec.rows import Limits, extractor, row_decoder
from tables.slices import Column

_BLOCK = 256  # rows and columns of so many records stay in the processor's cache

_Decode = Callable[[bytes | None], Any]


class Parser:
    """Parses the records of one stream.

    Args:
        stream: The stream.
        fields: All that are declared.
        needed: Those to lay out.
        limits: Of the numbers.

    Cost: about 0.6 us a record of 176 bytes with five of nine fields needed; a refused one about 3 us.
    """

    def __init__(
        self, stream: StreamSpec, fields: Mapping[str, Field], needed: Collection[str], limits: Mapping[str, Limits]
    ) -> None:
        self._stream = stream
        self._decoder = row_decoder(fields, limits)
        self._decode: _Decode = self._decoder.decode  # type: ignore[assignment]  # nulls are screened before
        numbered = enumerate(fields.items())
        self._extract = {name: extractor(field, f"f{at}") for at, (name, field) in numbered if name in needed}
        self._plain_bytes = min(stream.max_bytes, 2 * MAX_DEPTH)

    def parse(self, values: Sequence[bytes | None]) -> tuple[dict[str, Column], dict[int, Fault]]:
        """The accepted records as columns, and the others by their index."""
        blocks: dict[str, list[Column]] = {name: [extract([])] for name, extract in self._extract.items()}
        faults: dict[int, Fault] = {}
        for start in range(0, len(values), _BLOCK):
            rows = self._rows(values[start : start + _BLOCK], start, faults)
            for name, extract in self._extract.items():
                blocks[name].append(extract(rows))
        return {name: _joined(parts) for name, parts in blocks.items()}, faults

    def _rows(self, values: Collection[bytes | None], start: int, faults: dict[int, Fault]) -> list[Any]:
        """Decode a block; what is refused goes to ``faults`` by its index in the chunk.

        ``extend`` keeps the rows that came before an error and ``map`` goes on after it, so a bad record costs one
        exception and its neighbours are not decoded again.
        """
        lines = self._plain(values)
        if lines is not None and (at_once := self._lines(lines, len(values))) is not None:
            return at_once
        screened = () if lines is not None else (screen(value, self._stream.max_bytes) for value in values)
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
                faults[start + at] = refused.get(at) or fault_of(error, self._stream.time)
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


def _joined(parts: list[Column]) -> Column:
    return list(itertools.chain.from_iterable(parts)) if isinstance(parts[0], list) else np.concatenate(parts)
