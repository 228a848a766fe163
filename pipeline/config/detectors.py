"""``[detectors.NAME]``: scores of measured series, and of what tumbling tables measured."""

import inspect
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from agents.language.expression import closest, listed
from agents.spec import DetectorSpec, StreamSpec
from detectors import SERIES
from pipeline.config.report import Report, show
from pipeline.config.rules import read_severity
from pipeline.config.section import Section, names_of
from pipeline.config.streams import field_of
from tables.spec import TRAILING_ONLY, TableSpec

_KEYS: Final = (
    *("kind", "stream", "by", "table", "value", "calibration"),
    *("threshold", "clear", "rest", "direction", "severity", "description"),
)
_DIRECTIONS: Final = ("both", "up", "down")


def read_detectors(
    report: Report, values: dict[str, Any], streams: Mapping[str, StreamSpec], tables: Mapping[str, TableSpec]
) -> dict[str, DetectorSpec]:
    """All detectors, each made once to find the mistakes in its parameters."""
    detectors = {}
    for name, given in names_of(report, values, "detectors").items():
        kind = given.get("kind") if isinstance(given, dict) else None
        known = _parameters(kind) if isinstance(kind, str) and kind in SERIES else {}
        # the parameters of an unknown kind can't be told from mistakes
        others = list(given) if isinstance(given, dict) and not known else list(known)
        section = Section(report, ("detectors", name), given, (*_KEYS, *others))
        detectors[name] = _detector(section, name, _read_parameters(section, known), values, streams, tables)
    return detectors


def _detector(
    section: Section,
    name: str,
    params: dict[str, float | int | str | bool],
    values: dict[str, Any],
    streams: Mapping[str, StreamSpec],
    tables: Mapping[str, TableSpec],
) -> DetectorSpec:
    kind = section.text("kind", choices=tuple(SERIES))
    if section.has("stream") == section.has("table"):
        header = f"[detectors.{name}]"
        section.report.key(section.path, f"{header} needs either stream, by and value, or table and value")
    stream = table = by = calibration = ""
    if section.has("stream"):
        stream = section.reference("stream", streams, "stream")
        fields = dict(streams[stream].fields) if stream else {}
        by = field_of(section, "by", fields, "str")
        calibration = field_of(section, "calibration", fields, "int") if section.has("calibration") else ""
        numbers = [field.name for field in fields.values() if field.type in {"int", "float"}]
        _check_value(section, numbers, f"a number among the fields of [streams.{stream}]")
    elif section.has("table"):
        declared = names_of(section.report, values, "tables")
        table = _tumbling(section, declared, tables)
        if section.has("by"):
            section.wrong("by", "by goes with stream; in a table each key is a series, so leave it out")
        if section.has("calibration"):
            section.wrong("calibration", "calibration names a field of a stream's records, so it goes with stream")
        kept = (
            [measure.name for measure in tables[table].measures if measure.kind not in ("histogram", *TRAILING_ONLY)]
            if table
            else []
        )
        _check_value(section, kept, f"a measure of [tables.{table}]")
    threshold, clear, rest = _limits(section)
    return DetectorSpec(
        name=name,
        kind=kind,
        stream=stream or None,
        table=table or None,
        by=by or None,
        value=section.text("value"),
        threshold=threshold,
        clear=clear,
        rest=rest,
        calibration=calibration or None,
        direction=cast("Any", section.text("direction", "both", choices=_DIRECTIONS) or "both"),
        severity=read_severity(section),
        params=params,
        description=section.text("description", ""),
    )


def _limits(section: Section) -> tuple[float, float | None, float]:
    """Threshold, clear and rest, each checked."""
    threshold, clear, rest = section.number("threshold"), section.number("clear"), section.number("rest", 0.0) or 0.0
    section.require("threshold")
    if threshold is not None and clear is not None and clear > threshold:
        section.wrong("clear", f"clear is {clear:g}, above the threshold of {threshold:g}; the alert would never end")
    if not 0.0 <= rest < 1.0:
        section.wrong("rest", f"rest is {rest:g}; a share of the samples so far is needed, from 0 to less than 1")
        rest = 0.0
    return threshold or 0.0, clear, rest


def _tumbling(section: Section, declared: Mapping[str, Any], tables: Mapping[str, TableSpec]) -> str:
    table = section.reference("table", declared, "table")
    if table and tables[table].window.kind != "tumbling":
        section.wrong("table", f"[tables.{table}] is sliding; a series needs the closed windows of a tumbling table")
    return table


def _check_value(section: Section, allowed: list[str], what: str) -> None:
    value = section.values.get("value")
    if allowed and isinstance(value, str) and value not in allowed:
        guess = closest(value, allowed)
        section.wrong("value", f"value must name {what}, found {show(value)}; there are {listed(allowed)}{guess}")


def _parameters(kind: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(SERIES[kind]).parameters)


def _read_parameters(section: Section, known: Mapping[str, inspect.Parameter]) -> dict[str, float | int | str | bool]:
    """The keyword arguments of the detector's class, as far as they are right."""
    params: dict[str, float | int | str | bool] = {}
    good = bool(known)
    for key, parameter in known.items():
        if not section.has(key):
            if parameter.default is inspect.Parameter.empty:
                section.require(key)
                good = False
            continue
        value = section.values[key]
        types = [each for each in get_args(parameter.annotation) or (parameter.annotation,) if each is not type(None)]
        if type(value) in types or (type(value) is int and float in types):
            params[key] = value
        else:
            names = " or ".join(_TYPE_NAMES.get(each, str(each)) for each in types)
            section.wrong(key, f"{key} must be {names}, found {show(value)}")
            good = False
    if good:
        try:
            SERIES[section.values["kind"]](**params)
        except ValueError as error:
            named = next((key for key in params if key in str(error)), "kind")
            section.wrong(named, str(error))
    return params


_TYPE_NAMES: Final[dict[Any, str]] = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
