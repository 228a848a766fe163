"""From the fields of a stream to a typed decoder of rows, and from rows to columns."""

import itertools
import math
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from agents.spec import Field, StreamSpec
from tables.slices import Column

MAX_TIME_MS = 253_402_300_799_999  # the end of the year 9999, the last that RFC 3339 can write
MAX_UNITS = 1 << 42  # a million records of this size still add up within int64

_INT64 = (-(1 << 63), (1 << 63) - 1)

Extract = Callable[[list[Any]], Column]
"""How a block of rows becomes a column."""


class Limits(NamedTuple):
    """What a number of a field may be: whole ones within bounds, others of a magnitude below ``below``."""

    least: int
    most: int
    below: float


def limits_of(stream: StreamSpec, fields: Mapping[str, Field], bounded: Collection[str]) -> dict[str, Limits]:
    """By field. Those that are ``bounded`` are added up."""
    found = {}
    for name, field in fields.items():
        is_bounded = name in bounded
        least, most = (1 - MAX_UNITS, MAX_UNITS - 1) if is_bounded else _INT64
        if name == stream.time:
            least, most = 1, MAX_TIME_MS
        elif field.type == "bool":
            least, most = 0, 1
        found[name] = Limits(least, most, MAX_UNITS * field.unit if is_bounded else math.inf)
    return found


def row_decoder(fields: Mapping[str, Field], limits: Mapping[str, Limits]) -> msgspec.json.Decoder[Any]:
    """Fields are named f0, f1, ... in Python, so that any name will do in JSON; gc=False as rows hold no cycles."""
    members: list[Any] = []
    for number, (name, field) in enumerate(fields.items()):
        kind = _type(field, limits[name])
        members.append((f"f{number}", kind | None, None) if field.optional else (f"f{number}", kind))
    rename = {f"f{number}": name for number, name in enumerate(fields)}
    row = msgspec.defstruct("Row", members, rename=rename, gc=False, kw_only=True)
    return msgspec.json.Decoder(row)


def _type(field: Field, limits: Limits) -> Any:
    number: Any = Annotated[int, msgspec.Meta(ge=limits.least, le=limits.most)]
    below = limits.below
    kinds = {
        "str": str,
        "bool": bool | Annotated[int, msgspec.Meta(ge=0, le=1)],
        "int": number,
        "float": Annotated[float, msgspec.Meta(gt=-below, lt=below)] if below < math.inf else float,
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
