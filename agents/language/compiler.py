"""From the syntax tree of an expression to operations on columns, with every mistake of the text collected."""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from agents.language import nodes
from agents.language.functions import FUNCTIONS, ArgumentKind, Function
from agents.language.nodes import FLOAT_UNIT, Constant, Evaluator, Frame, Node, Truth, Value
from agents.language.syntax import (
    ALLOWED,
    ARITHMETIC,
    COMPARISON,
    HINTS,
    ExpressionError,
    Problem,
    Syntax,
    closest,
    listed,
)
from agents.spec import Field
from tables.spec import Measure
from tables.text import hash_text

LARGEST = 1 << 53

_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may name.

    Args:
        fields: Fields of the stream, by name.
        measures: Measures of the table, by name; empty for what a measure itself reads.
        keyed: Whether functions may ask for the key's history, which only conditions of a table can.
    """

    fields: Mapping[str, Field]
    measures: Mapping[str, Measure]
    keyed: bool = True


class Compiler:
    """One pass over a syntax tree. Each part gives its value, or raises all mistakes in it.

    Args:
        syntax: The tree.
        scope: What it may name.
    """

    def __init__(self, syntax: Syntax, scope: Scope) -> None:
        self.fields: set[str] = set()
        self.measures: set[str] = set()
        self.hidden: dict[str, Measure] = {}
        self.thresholds: dict[str, Constant] = {}
        self.calls: dict[str, Evaluator] = {}
        self._syntax = syntax
        self._scope = scope
        self._measured_by = ""  # the keyed function whose argument is being read

    def visit(self, node: ast.expr) -> Node:
        """What ``node`` is worth.

        Raises:
            ExpressionError: With every mistake in it.
        """
        match node:
            case ast.Constant():
                found = self._constant(node)
            case ast.Name():
                found = self._name(node)
            case ast.BoolOp():
                found = self._junction(node)
            case ast.UnaryOp():
                found = self._unary(node)
            case ast.BinOp():
                found = self._binary(node)
            case ast.Compare():
                found = self._compare(node)
            case ast.Call():
                found = self._call(node)
            case _:
                raise self._mistake(node, HINTS.get(type(node), f"this is not allowed; {ALLOWED}"))
        return found

    def truth(self, node: ast.expr) -> Truth:
        """``node`` as a condition, else as ``visit``."""
        found = self.visit(node)
        if isinstance(found, Truth):
            return found
        example = f"{found.text} > 0" if found.is_number else f"{found.text} == 'x'"
        what = "a number" if found.is_number else "text" if found.kind == "text" else "a list of numbers"
        raise self._mistake(node, f"{found.text} is {what}, but a condition is needed here, such as {example}")

    def _mistake(self, node: ast.expr, message: str) -> ExpressionError:
        return ExpressionError([Problem(*self._syntax.place(node), message)])

    def _each(self, read: Callable[[_T], _U], parts: Sequence[_T], *also: ExpressionError) -> list[_U]:
        """What ``read`` gives for each part, or the mistakes of all of them, and those that are known already."""
        found: list[_U] = []
        problems = [problem for error in also for problem in error.problems]
        for part in parts:
            try:
                found.append(read(part))
            except ExpressionError as error:
                problems += error.problems
        if problems:
            raise ExpressionError(problems)
        return found

    def _value(self, node: ast.expr) -> Value:
        found = self.visit(node)
        if isinstance(found, Truth):
            raise self._mistake(node, f"{found.text} is a condition, but a number or text is needed here")
        if found.kind == "ints":
            raise self._mistake(node, f"{found.text} is a list of numbers; only histogram({found.text}) measures it")
        return found

    def _number(self, node: ast.expr) -> Value:
        found = self._value(node)
        if not found.is_number:
            raise self._mistake(node, f"{found.text} is text, but a number is needed here")
        return found

    def _constant(self, node: ast.Constant) -> Node:
        value, text = node.value, ast.unparse(node)
        if isinstance(value, bool):
            return nodes.always(value)
        if isinstance(value, str):
            return nodes.constant(value, text, hash_text(value))
        if isinstance(value, int | float):
            return self._scalar(node, value)
        raise self._mistake(node, f"{text} is not allowed; constants are numbers, texts, True and False")

    def _scalar(self, node: ast.expr, value: float) -> Value:
        if abs(value) > LARGEST if isinstance(value, int) else not math.isfinite(value):
            raise self._mistake(node, f"this number is too large; at most 2**53 = {LARGEST} is allowed")
        return nodes.constant(value, ast.unparse(node), value)

    def _name(self, node: ast.Name) -> Node:
        name = node.id
        fields, measures = self._scope.fields, self._scope.measures
        if name in measures:
            if self._measured_by:
                raise self._mistake(node, f"{name} is a measure, but {self._measured_by}() reads fields of the record")
            self.measures.add(name)
            return nodes.measure_column(measures[name])
        if name in fields:
            self.fields.add(name)
            return nodes.field_column(fields[name])
        if name in FUNCTIONS:
            raise self._mistake(node, f"{name} is a function; call it: {FUNCTIONS[name].signature}")
        known = f"fields are {listed(list(fields))}" + (f"; measures are {listed(list(measures))}" if measures else "")
        guess = closest(name, [*fields, *measures, *FUNCTIONS, "True", "False"])
        raise self._mistake(node, f"unknown name {name!r}; {known}{guess}")

    def _junction(self, node: ast.BoolOp) -> Truth:
        combine = nodes.conjunction if isinstance(node.op, ast.And) else nodes.disjunction
        return combine(self._each(self.truth, node.values), ast.unparse(node))

    def _unary(self, node: ast.UnaryOp) -> Node:
        if isinstance(node.op, ast.Not):
            return nodes.negation(self.truth(node.operand), ast.unparse(node))
        if not isinstance(node.op, ast.USub):
            raise self._mistake(node, HINTS[type(node.op)])
        operand = self._number(node.operand)
        if isinstance(operand.constant, int | float):
            return self._scalar(node, -operand.constant)
        return nodes.negative(operand, ast.unparse(node))

    def _binary(self, node: ast.BinOp) -> Value:
        symbol = ARITHMETIC.get(type(node.op), "")
        refused = HINTS.get(type(node.op), f"<< and >> are not allowed; {ALLOWED}")
        also = [] if symbol else [self._mistake(node, refused)]
        left, right = self._each(self._number, (node.left, node.right), *also)
        if symbol in {"/", "//", "%"} and right.constant == 0:
            raise self._mistake(node.right, "this divides by zero")
        if isinstance(left.constant, int | float) and isinstance(right.constant, int | float):
            return self._scalar(node, nodes.ARITHMETIC[symbol](left.constant, right.constant))
        return nodes.arithmetic(symbol, left, right, ast.unparse(node))

    def _compare(self, node: ast.Compare) -> Truth:
        operands = [node.left, *node.comparators]
        steps = [(type(op), pair) for op, pair in zip(node.ops, pairwise(operands), strict=True)]
        parts = self._each(lambda step: self._step(*step), steps)
        return parts[0] if len(parts) == 1 else nodes.conjunction(parts, ast.unparse(node))

    def _step(self, operator: type[ast.cmpop], pair: tuple[ast.expr, ast.expr]) -> Truth:
        first, second = pair
        symbol = COMPARISON.get(operator, "")
        if symbol in {"in", "not in"}:
            return self._member(first, second, negated=symbol == "not in")
        also = [] if symbol else [self._mistake(second, HINTS[operator])]
        left, right = self._each(self._value, (first, second), *also)
        if left.constant is not None and right.constant is not None:
            raise self._mistake(second, "this compares two constants; compare a field or a measure")
        if left.is_number != right.is_number:
            number, text = (left, right) if left.is_number else (right, left)
            raise self._mistake(second, f"{number.text} is a number and {text.text} is text; not to be compared")
        if symbol in nodes.ORDER and not left.is_number:
            raise self._mistake(second, f"text has no order: {symbol} is not allowed, but ==, !=, in, not in are")
        for measured, limit in ((left, right), (right, left)):
            if limit.constant is not None:
                self._limit(measured.text, symbol, limit.constant)
        return nodes.comparison(symbol, left, right, f"{left.text} {symbol} {right.text}")

    def _limit(self, text: str, symbol: str, limit: Constant) -> None:
        """Note a threshold; a second one for the same text is told apart by its operator."""
        self.thresholds[f"{text} {symbol}" if text in self.thresholds else text] = limit

    def _member(self, operand: ast.expr, choices: ast.expr, *, negated: bool) -> Truth:
        if not isinstance(choices, ast.Tuple | ast.List | ast.Set) or not choices.elts:
            bad = self._mistake(choices, "behind in a list of constants is needed, such as x in [1, 2]")
            self._each(self._value, (operand,), bad)
        elements = list(choices.elts) if isinstance(choices, ast.Tuple | ast.List | ast.Set) else []
        left, *found = self._each(self._value, (operand, *elements))
        if left.constant is not None:
            raise self._mistake(operand, "a constant is looked up in constants; look up a field or a measure")

        def check(pair: tuple[ast.expr, Value]) -> Value:
            element, value = pair
            if value.constant is None:
                raise self._mistake(element, "only constants are allowed behind in; compare with ==")
            if value.is_number != left.is_number:
                number, word = (left, value) if left.is_number else (value, left)
                raise self._mistake(element, f"{number.text} is a number and {word.text} is text; not to be compared")
            return value

        good = self._each(check, list(zip(elements, found, strict=True)))
        operator = "not in" if negated else "in"
        text = f"{left.text} {operator} [{', '.join(value.text for value in good)}]"
        self._limit(left.text, operator, ", ".join(str(value.constant) for value in good))
        inside = nodes.membership(left, [value.at(Frame({})) for value in good], text)
        return nodes.negation(inside, text) if negated else inside

    def _call(self, node: ast.Call) -> Node:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        refused = self._refusal(node, name)
        if refused:
            self._each(self.visit, node.args, self._mistake(node.func, refused))
        function = FUNCTIONS[name]
        kinds = (*function.arguments, *function.arguments[-1:] * (len(node.args) - len(function.arguments)))
        arguments = self._each(lambda pair: self._argument(name, *pair), [*zip(kinds, node.args, strict=True)])
        return self._result(function, arguments, ast.unparse(node))

    def _refusal(self, node: ast.Call, name: str) -> str:
        """Why this can't be called like this; nothing if it can."""
        function = FUNCTIONS.get(name)
        if function is None and (name in self._scope.measures or name in self._scope.fields):
            return f"{name} is no function but a column; leave the parentheses out"
        if function is None:
            found = f"unknown function {name!r}" if name else "only a name can be called"
            return f"{found}; functions are {listed(list(FUNCTIONS), 20)}{closest(name, list(FUNCTIONS))}"
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            return f"only plain arguments are allowed: {function.signature}"
        given, wanted = len(node.args), len(function.arguments)
        if given < wanted or (given > wanted and not function.many):
            return f"{given} arguments are given, but it takes {wanted}: {function.signature}"
        if function.is_keyed and (self._measured_by or not self._scope.keyed):
            return f"{name}() reads the key's history; it can only stand in the condition of a rule, by itself"
        return ""

    def _argument(self, name: str, kind: ArgumentKind, node: ast.expr) -> Value:
        measured, outer = kind.endswith("of the record"), self._measured_by
        self._measured_by = name if measured else outer
        try:
            value = self._value(node) if kind == "value of the record" else self._number(node)
        finally:
            self._measured_by = outer
        if kind == "whole" and value.unit != 1.0:
            raise self._mistake(node, f"{name}() needs whole numbers, and {value.text} may have a fraction")
        if kind == "value of the record" and value.kind == "float":
            raise self._mistake(node, f"{name}() needs text or a whole number that is never missing")
        if measured and value.constant is not None:
            raise self._mistake(node, f"{name}() needs a field of the record, not a constant")
        return value

    def _result(self, function: Function, arguments: list[Value], text: str) -> Node:
        hidden = function.hidden(arguments) if function.hidden else ()
        self.hidden |= {measure.name: measure for measure in hidden}

        def at(frame: Frame) -> nodes.Array:
            if text not in frame.memo:
                known = [frame.values[measure.name] for measure in hidden]
                frame.memo[text] = function.apply(*(argument.at(frame) for argument in arguments), *known)
            return frame.memo[text]

        self.calls[text] = at
        if function.result == "bool":
            return Truth(text=text, true=lambda frame: at(frame) == 1, false=lambda frame: at(frame) == 0)
        whole = function.result != "float" and all(argument.kind == "int" for argument in arguments)
        units = [argument.unit for argument in arguments] if function.result == "as given" else [1.0]
        unit = FLOAT_UNIT if function.result == "float" else min(units)
        return Value(kind="int" if whole else "float", text=text, at=at, unit=unit)
