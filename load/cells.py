"""Cells of recorded data to values: times, numbers, text; and where a cell is that can't be read."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import orjson

from agents.events import Int64
from load.readers import Block, ReplayError

TimeUnit = Literal["s", "ms", "iso"]
CellType = Literal["str", "int", "float", "bool"]
Cast = Callable[[Any], Any]

_MAX_MS: Final = 253_402_300_799_999  # the end of the year 9999
_BOOLS: Final = {"true": True, "1": True, "false": False, "0": False}


def guess(cell: Any) -> Any:
    """A text that is a number in JSON becomes that number; ``007`` and ``+5`` stay text, as does ``true``."""
    if not isinstance(cell, str) or not cell or cell[0] not in "-0123456789":
        return cell
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        return cell


def times_ms(path: Path, block: Block, column: str, unit: TimeUnit) -> Int64:
    """A column of times as Unix ms, shape ``(n,)``.

    Raises:
        ReplayError: If a cell is no time from 1970 to 9999.
    """
    return np.array(values(path, block, column, TIME_CASTS[unit], EXPECTED_TIMES[unit]), np.int64)


def values(path: Path, block: Block, column: str, cast: Cast, expected: str) -> list[Any]:
    """A column of values.

    Raises:
        ReplayError: If ``cast`` refuses a cell; says which, and what is ``expected``.
    """
    cells = block.columns[column]
    try:
        return list(map(cast, cells))
    except (ValueError, TypeError, OverflowError, KeyError):
        place, cell = next((where, cell) for where, cell in zip(block.places, cells, strict=True) if _fails(cast, cell))
        raise ReplayError(f"{path}:{place}: column {column!r} holds {cell!r}, expected {expected}") from None


def _fails(cast: Cast, cell: Any) -> bool:
    try:
        cast(cell)
    except (ValueError, TypeError, OverflowError, KeyError):
        return True
    return False


def _text(cell: Any) -> str:
    if cell is None:
        raise ValueError(cell)
    return cell if isinstance(cell, str) else str(cell)


def _whole(cell: Any) -> int:
    number = int(cell)
    if not isinstance(cell, str) and number != cell:
        raise ValueError(cell)
    return number


def _finite(cell: Any) -> float:
    number = float(cell)
    if not isfinite(number):
        raise ValueError(cell)
    return number


def _boolean(cell: Any) -> bool:
    return _BOOLS[str(cell).lower()]


def _from_s(cell: Any) -> int:
    return _in_range(int(cell) * 1_000 if isinstance(cell, int) else round(float(cell) * 1_000))


def _from_ms(cell: Any) -> int:
    return _in_range(_whole(cell))


def _from_iso(cell: Any) -> int:
    time = datetime.fromisoformat(cell)
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return _in_range(round(time.timestamp() * 1_000))


def _in_range(time_ms: int) -> int:
    if not 0 <= time_ms <= _MAX_MS:
        raise ValueError(time_ms)
    return time_ms


CASTS: Final[dict[CellType, Cast]] = {"str": _text, "int": _whole, "float": _finite, "bool": _boolean}
EXPECTED: Final[dict[CellType, str]] = {
    "str": "text",
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true, false, 1 or 0",
}
TIME_CASTS: Final[dict[TimeUnit, Cast]] = {"s": _from_s, "ms": _from_ms, "iso": _from_iso}
EXPECTED_TIMES: Final[dict[TimeUnit, str]] = {
    "s": "seconds since 1970, before the year 10000",
    "ms": "whole milliseconds since 1970, before the year 10000",
    "iso": "an ISO 8601 time like 2014-04-01 00:05:00, from 1970 on",
}
