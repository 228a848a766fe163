"""The functions that conditions and measures may call: what they take, what they need from the table, what they do.

Plain functions work on any column. Keyed ones compare the record with what its table knows about the key: they name
*hidden measures*, which the table then keeps as well and delivers for each record like its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.language.nodes import Value
from detectors import (
    amount_score,
    distinct_score,
    silence_score,
    travel_distance,
    travel_speed,
    velocity_score,
)
from tables.spec import Measure

ArgumentKind = Literal["number", "whole", "number of the record", "value of the record"]
"""``whole`` may be NaN but has no fraction; what is *of the record* reads fields only, for a table measures it; a
*value* is text or a whole number that is always there."""
Result = Literal["bool", "float", "whole", "as given"]

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_WARMUP = 5  # the mean of fewer uniform times is not close to normal
_THURSDAY = 3  # 1 January 1970


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """One function of the expression language.

    Args:
        signature: For people: ``outlier(number)``.
        doc: One line, for people.
        arguments: What each argument must be; the last one stands for all further ones when ``many``.
        result: ``as given``: whole when all arguments are.
        apply: Gives the result from the arguments' columns and those of the hidden measures, in that order.
        many: Whether the last argument may be repeated.
        hidden: Measures that the table must keep, from the arguments.
    """

    signature: str
    doc: str
    arguments: tuple[ArgumentKind, ...]
    result: Result
    apply: Callable[..., Any]
    many: bool = False
    hidden: Callable[[Sequence[Value]], tuple[Measure, ...]] | None = None

    @property
    def is_keyed(self) -> bool:
        """Whether it reads the key's history, which only a table has."""
        return self.hidden is not None


def hidden_measure(kind: Literal["count", "distinct", "is_new", "last_seen", "previous"], text: str = "") -> Measure:
    """A measure named as it is written, so that equal ones of several calls are one: ``distinct(device)``."""
    return Measure(name=f"{kind}({text})", kind=kind, input=text or None)


def _moments(arguments: Sequence[Value]) -> tuple[Measure, ...]:
    (value,) = arguments
    counted = "" if value.kind == "int" else f"not is_nan({value.text})"
    return (
        hidden_measure("count", counted),
        Measure(name=f"mean({value.text})", kind="mean", input=value.text, unit=value.unit),
        Measure(name=f"std({value.text})", kind="std", input=value.text, unit=value.unit),
    )


def _variety(arguments: Sequence[Value]) -> tuple[Measure, ...]:
    return hidden_measure("distinct", arguments[0].text), hidden_measure("count")


def _novelty(arguments: Sequence[Value]) -> tuple[Measure, ...]:
    return (hidden_measure("is_new", arguments[0].text),)


def _rhythm(arguments: Sequence[Value]) -> tuple[Measure, ...]:
    (time,) = arguments
    earliest = Measure(name=f"min({time.text})", kind="min", input=time.text)
    return hidden_measure("last_seen"), earliest, hidden_measure("count")


def _silence(time_ms: Any, last_ms: Any, earliest_ms: Any, count: Any) -> NDArray[np.float64]:
    """The window holds ``count`` records, this one included, so ``count - 2`` earlier gaps between the others."""
    gaps = np.asarray(count, np.float64) - 2.0
    mean_gap_ms = (last_ms - earliest_ms) / np.where(gaps > 0.0, gaps, np.nan)
    return silence_score(time_ms - last_ms, mean_gap_ms, gaps)


def _trend(arguments: Sequence[Value]) -> tuple[Measure, ...]:
    (time,) = arguments
    centre = Measure(name=f"mean({time.text})", kind="mean", input=time.text)
    return centre, Measure(name=f"min({time.text})", kind="min", input=time.text), hidden_measure("count")


def _surge(time_ms: Any, centre_ms: Any, earliest_ms: Any, count: Any) -> NDArray[np.float64]:
    """Laplace's trend test.

    At a steady rate the mean of ``n`` times is the middle of their span, give or take ``span / sqrt(12 n)``.

    Reference: Cox, Lewis (1966), The statistical analysis of series of events, chapter 3.
    """
    span_ms = np.asarray(time_ms - earliest_ms, np.float64)
    score = ((centre_ms - earliest_ms) / span_ms - 0.5) * np.sqrt(12.0 * np.asarray(count, np.float64))
    return np.where((np.asarray(count) >= _WARMUP) & (span_ms > 0.0), score, np.nan)


def _place(arguments: Sequence[Value]) -> tuple[Measure, ...]:
    """Where the key was before; what is not known wholly is not known at all, so that both come from one record."""
    latitude, longitude = (f"({argument.text})" for argument in arguments[:2])
    pairs = ((latitude, longitude), (longitude, latitude))
    return tuple(hidden_measure("previous", f"{of} + 0 * {other}") for of, other in pairs)


def _place_and_time(arguments: Sequence[Value]) -> tuple[Measure, ...]:
    latitude, longitude, time = (f"({argument.text})" for argument in arguments)
    return *_place(arguments), hidden_measure("previous", f"{time} + 0 * {latitude} + 0 * {longitude}")


def _speed(latitude: Any, longitude: Any, time_ms: Any, *before: Any) -> NDArray[np.float64]:
    return travel_speed(travel_distance(latitude, longitude, *before[:2]), time_ms - before[2])


def _log(x: Any) -> Any:
    return np.where(np.asarray(x) > 0, np.log(x), np.nan)


FUNCTIONS: dict[str, Function] = {
    "abs": Function(
        signature="abs(number)",
        doc="The number without its sign.",
        arguments=("number",),
        result="as given",
        apply=np.abs,
    ),
    "burst": Function(
        signature="burst(value)",
        doc="How surprising the number of different values of the key in the window is: 6 is one in a million.",
        arguments=("value of the record",),
        result="float",
        apply=lambda _, distinct, count: distinct_score(distinct, count),
        hidden=_variety,
    ),
    "distance": Function(
        signature="distance(latitude, longitude)",
        doc="How far the key is from where it was before, in km; NaN for its first place. Both are in degrees.",
        arguments=("number of the record", "number of the record"),
        result="float",
        apply=travel_distance,
        hidden=_place,
    ),
    "first_seen": Function(
        signature="first_seen(value)",
        doc="Whether the key had this value for the first time within the window; never true for a new key.",
        arguments=("value of the record",),
        result="bool",
        apply=lambda _, new: new,
        hidden=_novelty,
    ),
    "hour": Function(
        signature="hour(time)",
        doc="Hour of the day, 0 to 23, UTC, of a time in Unix ms.",
        arguments=("whole",),
        result="whole",
        apply=lambda time_ms: time_ms // _HOUR_MS % 24,
    ),
    "is_nan": Function(
        signature="is_nan(number)",
        doc="Whether there is no number: an optional field left out, a score that has no opinion yet.",
        arguments=("number",),
        result="bool",
        apply=np.isnan,
    ),
    "log": Function(
        signature="log(number)",
        doc="Natural logarithm; NaN unless the number is positive.",
        arguments=("number",),
        result="float",
        apply=_log,
    ),
    "max": Function(
        signature="max(number, number, ...)",
        doc="The largest; NaN if one is NaN.",
        arguments=("number", "number"),
        result="as given",
        apply=lambda *numbers: reduce(np.maximum, numbers),
        many=True,
    ),
    "min": Function(
        signature="min(number, number, ...)",
        doc="The smallest; NaN if one is NaN.",
        arguments=("number", "number"),
        result="as given",
        apply=lambda *numbers: reduce(np.minimum, numbers),
        many=True,
    ),
    "outlier": Function(
        signature="outlier(number)",
        doc="Distance from the key's other values in the window, in standard deviations; NaN for the first five.",
        arguments=("number of the record",),
        result="float",
        apply=amount_score,
        hidden=_moments,
    ),
    "silence": Function(
        signature="silence(time)",
        doc="How surprising the key's silence before this record was: 6 is one in a million. Shorter than the window.",
        arguments=("number of the record",),
        result="float",
        apply=_silence,
        hidden=_rhythm,
    ),
    "speed": Function(
        signature="speed(latitude, longitude, time)",
        doc="How fast the key went from where it was before, in km/h; less than a second counts as one.",
        arguments=("number of the record", "number of the record", "number of the record"),
        result="float",
        apply=_speed,
        hidden=_place_and_time,
    ),
    "sqrt": Function(
        signature="sqrt(number)",
        doc="Square root; NaN for a negative number.",
        arguments=("number",),
        result="float",
        apply=np.sqrt,
    ),
    "surge": Function(
        signature="surge(time)",
        doc="How much the key speeds up within the window, in standard deviations: about 0 at any steady rate.",
        arguments=("number of the record",),
        result="float",
        apply=_surge,
        hidden=_trend,
    ),
    "velocity": Function(
        signature="velocity(count, expected)",
        doc="How surprising it is to count so many where so many are expected: 6 is one in a million.",
        arguments=("number", "number"),
        result="float",
        apply=velocity_score,
    ),
    "weekday": Function(
        signature="weekday(time)",
        doc="Day of the week, Monday 0 to Sunday 6, UTC, of a time in Unix ms.",
        arguments=("whole",),
        result="whole",
        apply=lambda time_ms: (time_ms // _DAY_MS + _THURSDAY) % 7,
    ),
}
