"""The parts that a compiled expression is made of: columns, constants, arithmetic and three-valued truth.

NaN means *no opinion*. A comparison with it is neither true nor false, and stays so under ``not`` (Kleene's logic): a
condition without an opinion must not fire, negated or not. Instead of carrying a mask of unknowns, every condition has
two evaluators, *is it true?* and *is it false?*; ``not`` swaps them. Whatever neither claims is unknown. So the logic
costs nothing: whole and text columns run exactly the operations that two-valued logic would run.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.spec import Field
from tables.spec import Measure

Kind = Literal["bool", "int", "float", "text", "ints"]
Constant = bool | int | float | str
Array = NDArray[Any]

FLOAT_UNIT = 0.001


@dataclass(slots=True)
class Frame:
    """The columns of one evaluation, and the function results it already has."""

    values: Mapping[str, Array]
    memo: dict[str, Array] = field(default_factory=dict)


Evaluator = Callable[[Frame], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A number or text for each record.

    Args:
        kind: Anything but ``bool``.
        text: Canonical text.
        at: Gives the column, or the scalar of a constant.
        unit: Resolution of the number: 1 when it is whole, also where it may be NaN.
        constant: The constant as written, if it is one.
    """

    kind: Kind
    text: str
    at: Evaluator
    unit: float = 1.0
    constant: Constant | None = None

    @property
    def is_number(self) -> bool:
        """Whether arithmetic and order apply to it."""
        return self.kind in {"int", "float"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """A condition: where it is true, and where it is false. Neither holds where it is unknown."""

    text: str
    true: Evaluator
    false: Evaluator


Node = Value | Truth


def _is_float(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def _nonzero(divisor: Any, *, whole: bool) -> Any:
    """The divisor with NaN for 0, so that dividing by zero has no opinion; constants are known not to be 0."""
    if not isinstance(divisor, np.ndarray):
        return divisor
    if whole:
        return np.where(divisor == 0, 1, divisor)
    return np.where(divisor == 0, np.nan, divisor)


def _divide(left: Any, right: Any) -> Any:
    return left / _nonzero(right, whole=False)


def _floored(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``//`` and ``%``, exact for whole operands; a whole column as divisor gives floats, for it may hold a 0."""

    def evaluate(left: Any, right: Any) -> Any:
        if _is_float(left) or _is_float(right):
            return apply(left, _nonzero(right, whole=False))
        result = apply(left, _nonzero(right, whole=True))
        return np.where(right == 0, np.nan, result) if isinstance(right, np.ndarray) else result

    return evaluate


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "//": _floored(operator.floordiv),
    "%": _floored(operator.mod),
}
ORDER: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "<": (operator.lt, operator.ge),
    "<=": (operator.le, operator.gt),
    ">": (operator.gt, operator.le),
    ">=": (operator.ge, operator.lt),
}


def _differs(left: Any, right: Any) -> Any:
    if _is_float(left) or _is_float(right):
        return (left < right) | (left > right)  # unlike !=, false for NaN
    return left != right


def column(name: str, kind: Kind, unit: float = 1.0) -> Value:
    """A column by name."""
    return Value(kind=kind, text=name, at=lambda frame: frame.values[name], unit=unit)


def flag(name: str) -> Truth:
    """A ``bool`` column by name; an optional one is a float column of 0, 1 and NaN."""
    return Truth(
        text=name,
        true=lambda frame: frame.values[name] == 1,
        false=lambda frame: frame.values[name] == 0,
    )


def constant(value: float | str, text: str, scalar: float) -> Value:
    """A constant; ``scalar`` is what columns are compared with, the hash of a text."""
    kind: Kind = "text" if isinstance(value, str) else "float" if isinstance(value, float) else "int"
    unit = FLOAT_UNIT if isinstance(value, float) and not value.is_integer() else 1.0
    return Value(kind=kind, text=text, at=lambda _: scalar, unit=unit, constant=value)


def always(value: bool) -> Truth:
    """``True`` or ``False`` as written."""
    return Truth(text=str(value), true=lambda _: np.bool_(value), false=lambda _: np.bool_(not value))


def arithmetic(symbol: str, left: Value, right: Value, text: str) -> Value:
    """``left symbol right``; int64 stays int64 but for ``/`` and for a divisor that may be 0."""
    apply = ARITHMETIC[symbol]
    floored = symbol in {"//", "%"}
    whole = left.kind == right.kind == "int" and symbol != "/" and not (floored and right.constant is None)
    units = (left.unit, right.unit, FLOAT_UNIT if symbol == "/" else 1.0)
    unit = 1.0 if symbol == "//" else left.unit * right.unit if symbol == "*" else min(units)
    return Value(
        kind="int" if whole else "float",
        text=text,
        at=lambda frame: apply(left.at(frame), right.at(frame)),
        unit=unit,
    )


def negative(operand: Value, text: str) -> Value:
    """``-operand``."""
    return Value(kind=operand.kind, text=text, at=lambda frame: -operand.at(frame), unit=operand.unit)


def comparison(symbol: str, left: Value, right: Value, text: str) -> Truth:
    """``left symbol right`` for ``==``, ``!=`` and the four orders; unknown where either side is NaN."""
    holds, fails = ORDER.get(symbol, (operator.eq, _differs))
    verdict = Truth(
        text=text,
        true=lambda frame: holds(left.at(frame), right.at(frame)),
        false=lambda frame: fails(left.at(frame), right.at(frame)),
    )
    return negation(verdict, text) if symbol == "!=" else verdict


def membership(operand: Value, choices: Sequence[int | float], text: str) -> Truth:
    """``operand in choices``; unknown where the operand is NaN."""
    whole = np.array([int(choice) for choice in choices if choice == int(choice)], np.int64)
    exact = np.array(choices, np.float64)

    def true(frame: Frame) -> Any:
        values = operand.at(frame)
        return np.isin(values, exact if _is_float(values) else whole)

    def false(frame: Frame) -> Any:
        values = operand.at(frame)
        outside = np.isin(values, exact if _is_float(values) else whole, invert=True)
        return outside & ~np.isnan(values) if _is_float(values) else outside

    return Truth(text=text, true=true, false=false)


def negation(operand: Truth, text: str) -> Truth:
    """``not operand``."""
    return Truth(text=text, true=operand.false, false=operand.true)


def _every(parts: Sequence[Evaluator]) -> Evaluator:
    def evaluate(frame: Frame) -> Any:
        result = parts[0](frame)
        for part in parts[1:]:
            if not result.any():  # rare conditions in front spare the scores behind them
                break
            result = result & part(frame)
        return result

    return evaluate


def _some(parts: Sequence[Evaluator]) -> Evaluator:
    return lambda frame: reduce(operator.or_, (part(frame) for part in parts))


def conjunction(parts: Sequence[Truth], text: str) -> Truth:
    """All of ``parts``: false as soon as one is false, however unknown the others are."""
    return Truth(
        text=text,
        true=_every([part.true for part in parts]),
        false=_some([part.false for part in parts]),
    )


def disjunction(parts: Sequence[Truth], text: str) -> Truth:
    """Any of ``parts``: true as soon as one is true, however unknown the others are."""
    return Truth(
        text=text,
        true=_some([part.true for part in parts]),
        false=_every([part.false for part in parts]),
    )


def field_column(field: Field) -> Node:
    """A field of the record, as the decoder lays it out; an optional number is a float column."""
    if field.type == "bool":
        return flag(field.name)
    kinds: dict[str, Kind] = {"str": "text", "int": "float" if field.optional else "int", "float": "float"}
    return column(field.name, kinds.get(field.type, "ints"), field.unit if field.type == "float" else 1.0)


def measure_column(measure: Measure) -> Node:
    """A measure of the table."""
    if measure.kind == "is_new":
        return flag(measure.name)
    if measure.kind == "histogram":
        return column(measure.name, "ints")
    if measure.kind in {"mean", "std", "previous"}:
        return column(measure.name, "float", FLOAT_UNIT)
    whole = measure.kind in {"count", "distinct"} or (measure.kind == "sum" and measure.unit == 1.0)
    return column(measure.name, "int" if whole else "float", measure.unit)
