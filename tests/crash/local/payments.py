"""The source topic as plain columns: what a record says, or why it must be refused, decided by the standard library."""

import json
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agents.events import Chunk

_FIELDS = {"id": str, "account": str, "merchant": str, "country": str, "ts": int, "amount_cents": int}
_MAX_BYTES = 65_536
_MAX_AHEAD_MS = 600_000
_MAX_TIME_MS = 253_402_300_799_999


class Payment(NamedTuple):
    """One accepted record; ``clock_ms`` is the newest event time of its partition so far, its own included."""

    partition: int
    offset: int
    appended_ms: int
    id: str
    account: str
    merchant: str
    country: str
    ts: int
    amount_cents: int
    clock_ms: int


class Refused(NamedTuple):
    """One refused record as it stood in the log."""

    reason: str
    key: bytes | None
    value: bytes | None


def _whole() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class Source:
    """One partition of the source topic, as columns: millions of records fit into memory.

    Args:
        partition: Its number.
        refused: Refused records by offset.
    """

    partition: int
    refused: dict[int, Refused] = field(default_factory=dict)
    _index: dict[int, int] = field(default_factory=dict)
    _offsets: "array[int]" = field(default_factory=_whole)
    _appended: "array[int]" = field(default_factory=_whole)
    _ts: "array[int]" = field(default_factory=_whole)
    _cents: "array[int]" = field(default_factory=_whole)
    _clock: "array[int]" = field(default_factory=_whole)
    _texts: list[tuple[str, str, str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, chunk: Chunk) -> None:
        """Take the next records in."""
        stamps = chunk.timestamps_ms.tolist()
        for offset, stamp, key, value in zip(chunk.offsets.tolist(), stamps, chunk.keys, chunk.values, strict=True):
            found = decode(value, stamp)
            if isinstance(found, str):
                self.refused[offset] = Refused(found, key, value)
            else:
                self._accept(offset, stamp, found)

    def _accept(self, offset: int, appended_ms: int, record: dict[str, Any]) -> None:
        self._index[offset] = len(self._offsets)
        self._offsets.append(offset)
        self._appended.append(appended_ms)
        self._ts.append(record["ts"])
        self._cents.append(record["amount_cents"])
        self._clock.append(max(record["ts"], self._clock[-1]) if self._clock else record["ts"])
        account, merchant, country = (sys.intern(record[name]) for name in ("account", "merchant", "country"))
        self._texts.append((record["id"], account, merchant, country))

    def __contains__(self, offset: int) -> bool:
        return offset in self._index

    def at(self, offset: int) -> Payment:
        """The accepted record at ``offset``."""
        return self._payment(self._index[offset])

    def __iter__(self) -> Iterator[Payment]:
        return map(self._payment, range(len(self._offsets)))

    def _payment(self, at: int) -> Payment:
        own, account, merchant, country = self._texts[at]
        return Payment(
            self.partition,
            self._offsets[at],
            self._appended[at],
            own,
            account,
            merchant,
            country,
            self._ts[at],
            self._cents[at],
            self._clock[at],
        )


def decode(value: bytes | None, appended_ms: int) -> dict[str, Any] | str:
    """The record, or the reason for which it is to be refused."""
    if value is None:
        return "null"
    if len(value) > _MAX_BYTES:
        return "too-long"
    try:
        record = json.loads(value.decode(), parse_constant=_no_constant)
    except UnicodeDecodeError:
        return "invalid-utf8"
    except ValueError:
        return "bad-json"
    if not isinstance(record, dict):
        return "wrong-type"
    return _fault(record, appended_ms) or record


def _fault(record: dict[str, Any], appended_ms: int) -> str | None:
    for name, kind in _FIELDS.items():
        if name not in record:
            return "missing-field"
        if type(record[name]) is not kind:
            return "wrong-type"
    if not 1 <= record["ts"] <= min(_MAX_TIME_MS, appended_ms + _MAX_AHEAD_MS):
        return "absurd-time"
    return None


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
