"""What goes wrong on the way: late, disordered, duplicate and malformed records, on demand and counted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson

from load.rows import COPY, DISORDERED, LATE, Rows

_ABSURD_MS = 10**15  # beyond the year 9999, whatever the clock says
_PAD_BYTES = 70_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """How late a record is: at least ``least_ms``, plus an exponential part of mean ``mean_ms``."""

    least_ms: int = 45_000
    mean_ms: float = 15_000

    def __post_init__(self) -> None:
        if self.least_ms < 0 or self.mean_ms < 0:
            raise ValueError(f"delays must not be negative, got {self.least_ms} and {self.mean_ms} ms")


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """How often each fault happens, as a share of records, 0-1.

    A late or disordered record is sent when it is due, and claims an earlier event time. Only ordinary records are
    malformed, never those of a campaign, so that the ground truth stays within reach. A copy is one of a well-formed
    record, with the same bytes, sent somewhat later.

    Args:
        late: Share that is late.
        late_delay: By how much.
        disordered: Share of the others that is slightly out of order.
        jitter_ms: By at most so much, evenly spread.
        duplicates: Share that is sent a second time.
        duplicate_delay_ms: Mean time until then.
        malformed: Share that is malformed, by kind, of ``MALFORMED``.

    Raises:
        ValueError: If a share is outside 0-1, the malformed ones add up to more than 1, or a kind is unknown.
    """

    late: float = 0.0
    late_delay: Delay = Delay()
    disordered: float = 0.0
    jitter_ms: int = 200
    duplicates: float = 0.0
    duplicate_delay_ms: float = 500
    malformed: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.malformed) - set(MALFORMED))
        if unknown:
            raise ValueError(f"unknown kind of malformed record {unknown[0]!r}; there are {', '.join(MALFORMED)}")
        shares = {"late": self.late, "disordered": self.disordered, "duplicates": self.duplicates, **self.malformed}
        shares["malformed in all"] = round(sum(self.malformed.values()), 9)
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"share of faults {name!r} must be from 0 to 1, got {share}")
        if self.jitter_ms < 1 or self.duplicate_delay_ms < 0:
            raise ValueError(
                f"jitter must be at least 1 ms and delay 0, got {self.jitter_ms}, {self.duplicate_delay_ms}"
            )


@dataclass(kw_only=True, slots=True)
class Sent:
    """What has been handed out, exactly.

    Args:
        records: All of them, copies and malformed ones too, ground truth not.
        late: Those that claim a time long gone, copies too.
        disordered: Those that claim a slightly earlier time, copies too.
        duplicates: The copies.
        malformed: The malformed ones by kind.
        campaign_records: Records of campaigns, copies not.
    """

    records: int = 0
    late: int = 0
    disordered: int = 0
    duplicates: int = 0
    malformed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MALFORMED, 0))
    campaign_records: int = 0

    def add(self, rows: Rows) -> None:
        """Count rows that are handed out."""
        flags, kinds = rows["flags"], np.bincount(rows["malformed"], minlength=len(MALFORMED) + 1)
        self.records += len(rows)
        self.late += int(((flags & LATE) != 0).sum())
        self.disordered += int(((flags & DISORDERED) != 0).sum())
        self.duplicates += int(((flags & COPY) != 0).sum())
        for code, kind in enumerate(MALFORMED, 1):
            self.malformed[kind] += int(kinds[code])
        self.campaign_records += int(((rows["campaign"] >= 0) & ((flags & COPY) == 0)).sum())


def disturb(faults: Faults, rng: np.random.Generator, rows: Rows) -> Rows:
    """Mark and shift ``rows`` in place as ``faults`` say; return the copies to be sent, unsorted."""
    n = len(rows)
    late = rng.random(n) < faults.late
    disordered = ~late & (rng.random(n) < faults.disordered)
    delay = faults.late_delay
    rows["ts"] -= np.where(late, delay.least_ms + rng.exponential(delay.mean_ms, n).astype(np.int64), 0)
    rows["ts"] -= np.where(disordered, rng.integers(1, faults.jitter_ms + 1, n), 0)
    rows["flags"] = late * LATE + disordered * DISORDERED
    limits = np.cumsum([faults.malformed.get(kind, 0.0) for kind in MALFORMED])
    limits[limits > 1 - 1e-9] = 1.0  # shares that add up to 1 leave no record well-formed
    kind = np.searchsorted(limits, rng.random(n), side="right") + 1
    rows["malformed"] = np.where((kind <= len(MALFORMED)) & (rows["campaign"] < 0), kind, 0)
    copies: Rows = rows[(rng.random(n) < faults.duplicates) & (rows["malformed"] == 0)]
    copies["due_ms"] += 1 + rng.exponential(faults.duplicate_delay_ms, len(copies)).astype(np.int64)
    copies["flags"] |= COPY
    return copies


def spoil(code: int, payload: bytes, seq: int) -> bytes | None:
    """The malformed form of ``payload``; ``seq`` picks among the variants of the kind."""
    return _SPOIL[code - 1](payload, seq)


def _bad_json(payload: bytes, seq: int) -> bytes:
    return payload[: 1 + seq * 37 % (len(payload) - 1)]


def _wrong_type(payload: bytes, seq: int) -> bytes:
    record = orjson.loads(payload)
    wrong: tuple[tuple[str, Any], ...] = (("amount_cents", "12.50"), ("account", 4711), ("ts", "yesterday"))
    return orjson.dumps(record | dict([wrong[seq % 3]]))


def _missing_field(payload: bytes, seq: int) -> bytes:
    record = orjson.loads(payload)
    del record[("amount_cents", "account", "ts")[seq % 3]]
    return orjson.dumps(record)


def _absurd_time(payload: bytes, _: int) -> bytes:
    record = orjson.loads(payload)
    return orjson.dumps(record | {"ts": record["ts"] + _ABSURD_MS})


def _too_long(payload: bytes, _: int) -> bytes:
    return payload[:-1] + b',"memo":"' + b"x" * _PAD_BYTES + b'"}'


def _invalid_utf8(payload: bytes, seq: int) -> bytes:
    return payload.replace(b'"merchant":"', b'"merchant":"' + (b"\xff", b"\xc3(", b"\xed\xa0\x80")[seq % 3], 1)


def _null(_payload: bytes, _seq: int) -> None:
    return None


_KINDS: Final[dict[str, Callable[[bytes, int], bytes | None]]] = {
    "absurd-time": _absurd_time,
    "bad-json": _bad_json,
    "invalid-utf8": _invalid_utf8,
    "missing-field": _missing_field,
    "null": _null,
    "too-long": _too_long,
    "wrong-type": _wrong_type,
}
_SPOIL: Final = tuple(_KINDS.values())
MALFORMED: Final[tuple[str, ...]] = tuple(_KINDS)
