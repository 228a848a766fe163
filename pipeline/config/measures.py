"""``measures = { spent = "sum(amount_cents)" }``: the columns of a table."""

import ast
from collections.abc import Mapping
from typing import Final, Literal

from agents.language.expression import Expression, ExpressionError, Scope, closest, compile_expression, listed
from agents.language.functions import FUNCTIONS
from agents.language.syntax import Problem, Syntax
from agents.spec import Field
from pipeline.config.report import Report, show
from pipeline.config.section import Section
from pipeline.config.streams import is_name
from tables.spec import Measure, MeasureKind

_Input = Literal["none", "condition or none", "number", "value", "list"]
_INPUTS: Final[dict[MeasureKind, _Input]] = {
    "began": "none",
    "count": "condition or none",
    "distinct": "value",
    "first_seen": "none",
    "histogram": "list",
    "last": "number",
    "last_seen": "none",
    "max": "number",
    "mean": "number",
    "min": "number",
    "std": "number",
    "sum": "number",
}
_SUMMED = {"sum", "mean", "std"}
_FORMS = "count(), count(condition), sum(x), min(x), max(x), mean(x), std(x), distinct(x), last(x), first_seen()"


def read_measures(section: Section, fields: Mapping[str, Field]) -> tuple[Measure, ...]:
    """The measures of a table whose stream has ``fields``; empty ``fields`` mean that they are not known."""
    given = section.values.get("measures", {})
    if not isinstance(given, dict) or not given:
        section.require("measures")
        if section.has("measures"):
            section.wrong("measures", f"measures must be a table with at least one measure: name = {_FORMS}")
        return ()
    measures = []
    for name, text in given.items():
        path = (*section.path, "measures", name)
        _check_name(section.report, path, name, fields)
        if not isinstance(text, str):
            section.report.value(path, f"the measure {name} must be a text such as 'count()', found {show(text)}")
            continue
        try:
            measures.append(parse_measure(name, text, fields))
        except ExpressionError as error:
            measures.append(Measure(name=name, kind="count"))  # conditions may name it, and are not wrong
            section.report.expression(path, error, names_known=bool(fields))
    return tuple(measures)


def parse_measure(name: str, text: str, fields: Mapping[str, Field]) -> Measure:
    """The measure that ``text`` describes.

    Raises:
        ExpressionError: With every mistake in it.

    >>> amount = Field(name="amount", type="float", unit=0.01)
    >>> parse_measure("spent", "sum( 2*amount )", {"amount": amount})
    Measure(name='spent', kind='sum', input='2 * amount', unit=0.01, width=1)
    """
    syntax = Syntax(text)
    call = syntax.root
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.keywords:
        raise ExpressionError(
            [Problem(1, len(text), f"{show(text)} is no measure; write one of {_FORMS}, last_seen(), began()")]
        )
    column, length = syntax.place(call.func)
    kind = next((known for known in _INPUTS if known == call.func.id), None)
    if kind is None:
        kinds = list(_INPUTS)
        message = f"unknown measure {call.func.id!r}; allowed are {listed(kinds)}{closest(call.func.id, kinds)}"
        raise ExpressionError([Problem(column, length, message)])
    wanted = _INPUTS[kind]
    low, high = int(wanted not in {"none", "condition or none"}), int(wanted != "none")
    if not low <= len(call.args) <= high:
        message = f"{kind}() takes {'no' if high == 0 else 'one'} argument, not {len(call.args)}"
        raise ExpressionError([Problem(column, length, message)])
    if not call.args:
        return Measure(name=name, kind=kind)
    start, size = syntax.place(call.args[0])
    return _measure(name, kind, _compile(text[start - 1 : start - 1 + size], start, wanted, fields), fields)


def _measure(name: str, kind: MeasureKind, read: Expression, fields: Mapping[str, Field]) -> Measure:
    width = fields[read.text].width if kind == "histogram" else 1
    return Measure(name=name, kind=kind, input=read.text, unit=read.unit if kind in _SUMMED else 1.0, width=width)


def _compile(text: str, start: int, wanted: _Input, fields: Mapping[str, Field]) -> Expression:
    scope = Scope(fields=fields, measures={}, keyed=False)
    try:
        read = compile_expression(text, scope, condition=wanted == "condition or none")
    except ExpressionError as error:
        raise ExpressionError(
            [problem._replace(column=start + problem.column - 1) for problem in error.problems]
        ) from error
    good = {
        "condition or none": read.kind == "bool",
        "number": read.kind in {"int", "float"},
        "value": read.kind in {"int", "text"},
        "list": read.kind == "ints",
    }
    needs = {
        "number": "a number",
        "value": "text, or a whole number that is never missing,",
        "list": 'a field of type "ints"',
    }
    if not good[wanted]:
        message = f"{needs[wanted]} is needed here, and {read.text} is {KIND_NAMES[read.kind]}"
        raise ExpressionError([Problem(start, len(text), message)])
    if not read.fields:
        raise ExpressionError([Problem(start, len(text), f"{read.text} reads no field of the record")])
    return read


KIND_NAMES: Final[dict[str, str]] = {
    "bool": "a condition",
    "float": "a number that may have a fraction or be missing",
    "int": "a whole number",
    "ints": "a list of numbers",
    "text": "text",
}


def _check_name(report: Report, path: tuple[str | int, ...], name: str, fields: Mapping[str, Field]) -> None:
    if not is_name(name):
        report.key(path, f"{show(name)} is no name for a measure; letters, digits and _ are allowed, no keyword")
    elif name in fields:
        report.key(path, f"the measure {name} is called like a field of the stream; a condition could mean either")
    elif name in FUNCTIONS:
        report.key(path, f"the measure {name} is called like the function {FUNCTIONS[name].signature}")
