"""From the fields of a stream to a typed decoder of rows, and from rows to columns."""

import itertools
from collections.abc import Callable, Collection
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np

from agents.events import Column
from agents.spec import Field, StreamSpec

MAX_TIME_MS = 253_402_300_799_999  # the end of the year 9999, the last that RFC 3339 can write
MAX_UNITS = 1 << 42  # a million records of this size still add up within int64

_INT64 = (-(1 << 63), (1 << 63) - 1)

Extract = Callable[[list[Any]], Column]
"""How a block of rows becomes a column."""


def row_decoder(stream: StreamSpec, fields: dict[str, Field], bounded: Collection[str]) -> msgspec.json.Decoder[Any]:
    """Fields are named f0, f1, ... in Python, so that any name will do in JSON; gc=False as rows hold no cycles."""
    members: list[Any] = []
    for number, (name, field) in enumerate(fields.items()):
        kind = _type(field, is_time=name == stream.time, is_bounded=name in bounded)
        members.append((f"f{number}", kind | None, None) if field.optional else (f"f{number}", kind))
    rename = {f"f{number}": name for number, name in enumerate(fields)}
    row = msgspec.defstruct("Row", members, rename=rename, gc=False)
    return msgspec.json.Decoder(row)


def _type(field: Field, *, is_time: bool, is_bounded: bool) -> Any:
    limit = MAX_UNITS * field.unit
    low, high = (1 - MAX_UNITS, MAX_UNITS - 1) if is_bounded else _INT64
    number: Any = Annotated[int, msgspec.Meta(ge=low, le=high)]
    if is_time:
        return Annotated[int, msgspec.Meta(ge=1, le=MAX_TIME_MS)]
    kinds = {
        "str": str,
        "bool": bool | Annotated[int, msgspec.Meta(ge=0, le=1)],
        "int": number,
        "float": Annotated[float, msgspec.Meta(gt=-limit, lt=limit)] if is_bounded else float,
        "ints": Annotated[tuple[number, ...], msgspec.Meta(min_length=field.width, max_length=field.width)],
    }
    return kinds[field.type]


def extractor(field: Field, attribute: str) -> Extract:
    """How a block of rows becomes the column of a field."""
    get, width = attrgetter(attribute), field.width
    dtype = {"int": np.int64, "float": np.float64, "bool": np.bool_, "ints": np.int64}.get(field.type)
    unknown = (None,) * width
    match field.type, field.optional:
        case "str", False:
            return lambda rows: list(map(get, rows))
        case "str", True:
            return lambda rows: [text or "" for text in map(get, rows)]
        case "ints", False:
            flat = itertools.chain.from_iterable
            return lambda rows: np.fromiter(flat(map(get, rows)), np.int64, len(rows) * width).reshape(-1, width)
        case "ints", True:  # NumPy reads None as NaN
            return lambda rows: np.array([get(row) or unknown for row in rows], np.float64).reshape(-1, width)
        case _, True:
            return lambda rows: np.array(list(map(get, rows)), np.float64)
    return lambda rows: np.fromiter(map(get, rows), dtype, len(rows))
