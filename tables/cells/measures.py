"""From measures to accumulators and back: what a table has to hold, and how its columns follow from that.

Several measures share an accumulator: a mean and a deviation need the count and the sum that others may want as well.
Sums of squares are kept in three whole-number parts, so that they are exact beyond 64 bits and independent of order; a
part that is all zeros for most data is made when first needed.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tables.spec import Measure

Kind = Literal[
    "count", "missing", "sum", "square_low", "square_middle", "square_high", "min", "max", "last", "histogram"
]

_HALF = 21  # a value below 2**42 is split into two halves of 21 bits


class Part(NamedTuple):
    """One accumulator of a table.

    Args:
        kind: How records add up in it.
        input: Expression that is measured; ``""`` for a plain count.
        unit: Resolution in which a fractional input is summed.
        width: Length of a histogram's vectors.
    """

    kind: Kind
    input: str = ""
    unit: float = 1.0
    width: int = 1

    @property
    def name(self) -> str:
        """Name in slabs."""
        return f"{self.kind}({self.input})" if self.unit == 1.0 else f"{self.kind}({self.input}):{self.unit}"

    @property
    def rare(self) -> bool:
        """Whether it is all zeros for most data, so that it is made when first needed."""
        return self.kind in ("missing", "square_middle", "square_high")


COUNT = Part("count")
_SQUARES: tuple[Kind, ...] = ("square_high", "square_middle", "square_low")


@cache
def parts_of(measure: Measure) -> tuple[Part, ...]:
    """The accumulators that a measure needs; none for those that are kept for keys or pairs."""
    text = measure.input or ""
    if measure.kind == "count":
        return (Part("count", text),)
    if measure.kind == "sum":
        return (Part("sum", text, measure.unit),)
    if measure.kind in ("mean", "std"):
        base = (COUNT, Part("missing", text), Part("sum", text, measure.unit))
        squares = tuple(Part(kind, text, measure.unit) for kind in _SQUARES)
        return base if measure.kind == "mean" else (*base, *squares)
    if measure.kind in ("min", "max", "last"):
        return (Part(measure.kind, text),)
    if measure.kind == "histogram":
        return (Part("histogram", text, width=measure.width),)
    return ()


def all_parts(measures: Iterable[Measure]) -> tuple[Part, ...]:
    """Every accumulator of a table, each once, the plain count first."""
    return tuple(dict.fromkeys([COUNT, *(part for measure in measures for part in parts_of(measure))]))


def whole(values: NDArray[Any], unit: float) -> NDArray[np.int64]:
    """``values`` as whole multiples of ``unit``; NaN counts as 0, as a sum leaves it out."""
    if values.dtype.kind == "f":
        return np.asarray(np.rint(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) / unit), np.int64)
    return values.astype(np.int64)


def square_limb(kind: Kind, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """A part of each square, which is ``high * 2**42 + middle * 2**22 + low``; below 2**42 for values below 2**42.

    >>> [int(square_limb(kind, np.array([-3_000_000]))[0]) for kind in _SQUARES]
    [1, 902848, 815134511104]
    """
    size: NDArray[np.int64] = np.abs(values)
    if kind == "square_low":
        size &= (1 << _HALF) - 1
        return size * size
    high = size >> _HALF
    other = high if kind == "square_high" else size & ((1 << _HALF) - 1)
    limb: NDArray[np.int64] = high * other
    return limb


def finish(measure: Measure, read: Callable[[Part], NDArray[Any]]) -> NDArray[Any]:
    """A measure's column from its accumulators' columns, which ``read`` gives."""
    parts = parts_of(measure)
    if measure.kind not in ("mean", "std"):
        column = read(parts[0])
        return column * measure.unit if measure.unit != 1.0 else column
    count, total = read(parts[0]) - read(parts[1]), read(parts[2])
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
        if measure.kind == "mean":
            return mean * measure.unit
        high, middle, low = (read(part) for part in parts[3:])
        squares = high * float(1 << 2 * _HALF) + middle * float(1 << _HALF + 1) + low
        variance = (squares - total * mean) / count
        return np.where(count > 0, np.sqrt(np.maximum(variance, 0.0)), np.nan) * measure.unit
