"""Evaluating columns equals evaluating record by record with three-valued logic in plain Python."""

import ast
import math
import operator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.language.expression import Scope, compile_expression
from agents.spec import Field
from tables.spec import Measure
from tables.text import hash_text

TEXTS = ["", "DE", "FR", "é"]
FIELDS = {
    "i": Field(name="i", type="int"),
    "j": Field(name="j", type="int"),
    "x": Field(name="x", type="float"),
    "o": Field(name="o", type="int", optional=True),
    "t": Field(name="t", type="str"),
    "u": Field(name="u", type="str"),
    "b": Field(name="b", type="bool"),
    "c": Field(name="c", type="bool", optional=True),
}
MEASURES = {"n": Measure(name="n", kind="count"), "mean": Measure(name="mean", kind="mean", input="i")}
SCOPE = Scope(fields=FIELDS, measures=MEASURES)

whole = st.integers(-20, 20)
fraction = st.one_of(st.just(math.nan), st.integers(-40, 40).map(lambda quarter: quarter / 4))
record = st.fixed_dictionaries(
    {
        "i": whole,
        "j": whole,
        "n": st.integers(0, 20),
        "x": fraction,
        "o": st.one_of(st.just(math.nan), whole.map(float)),
        "mean": fraction,
        "t": st.sampled_from(TEXTS),
        "u": st.sampled_from(TEXTS),
        "b": st.booleans(),
        "c": st.sampled_from([0.0, 1.0, math.nan]),
    }
)

column = st.sampled_from(["i", "j", "x", "o", "n", "mean"])
literal = st.one_of(st.integers(-9, 9).map(str), st.sampled_from(["0.5", "-2.25"]))
nonzero = st.sampled_from(["3", "-4", "0.5"])


def _numbers(inner):
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*"]), st.one_of(inner, literal)),
        st.builds("({} {} {})".format, inner, st.sampled_from(["/", "//", "%"]), st.one_of(inner, nonzero)),
        st.builds("(-{})".format, inner),
        st.builds("{}({}, {}, {})".format, st.sampled_from(["min", "max"]), inner, inner, literal),
        st.builds("{}({})".format, st.sampled_from(["abs", "sqrt"]), inner),
    )


number = st.recursive(column, _numbers, max_leaves=4)
sign = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
few_numbers = st.lists(literal, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]")
few_texts = st.lists(st.sampled_from(TEXTS).map(repr), min_size=1, max_size=3).map(
    lambda items: f"[{', '.join(items)}]"
)
membership = st.sampled_from(["in", "not in"])
text_column = st.sampled_from(["t", "u"])
atom = st.one_of(
    st.sampled_from(["b", "c", "True", "False"]),
    st.builds("{} {} {}".format, number, sign, st.one_of(number, literal)),
    st.builds("{} {} {} {} {}".format, literal, sign, number, sign, literal),
    st.builds("{} {} {}".format, number, membership, few_numbers),
    st.builds("{} {} {}".format, text_column, membership, few_texts),
    st.builds("{} {} {}".format, text_column, st.sampled_from(["==", "!="]), st.sampled_from(["t", "u", "'DE'"])),
    st.builds("is_nan({})".format, number),
)
condition = st.recursive(
    atom,
    lambda inner: st.one_of(
        st.builds("(not {})".format, inner),
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
    ),
    max_leaves=5,
)


def _unknown(value):
    return isinstance(value, float) and math.isnan(value)


PYTHON = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
CALLS = {
    "is_nan": _unknown,
    "abs": abs,
    "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "min": lambda *x: math.nan if any(map(_unknown, x)) else min(x),
    "max": lambda *x: math.nan if any(map(_unknown, x)) else max(x),
}


def _not(verdict):
    return None if verdict is None else not verdict


def _all(verdicts):
    return False if False in verdicts else None if None in verdicts else True


def _pair(operation, left, right):
    if _unknown(left):
        return None
    if isinstance(operation, ast.In | ast.NotIn):
        return (left in right) == isinstance(operation, ast.In)
    return None if _unknown(right) else PYTHON[type(operation)](left, right)


def _logic(node, values):
    if isinstance(node, ast.BoolOp):
        parts = [oracle(part, values) for part in node.values]
        return _all(parts) if isinstance(node.op, ast.And) else _not(_all(list(map(_not, parts))))
    operands = [oracle(part, values) for part in (node.left, *node.comparators)]
    return _all([_pair(*step) for step in zip(node.ops, operands, operands[1:], strict=False)])


def _arithmetic(node, values):
    left, right = oracle(node.left, values), oracle(node.right, values)
    divides_by_zero = isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod) and right == 0
    return math.nan if divides_by_zero else PYTHON[type(node.op)](left, right)


def _name(node, values):
    value = values[node.id]
    return value if node.id not in "bc" else None if _unknown(value) else bool(value)


def _unary(node, values):
    operand = oracle(node.operand, values)
    return _not(operand) if isinstance(node.op, ast.Not) else -operand


def _call(node, values):
    return CALLS[node.func.id](*(oracle(argument, values) for argument in node.args))


ORACLES = {
    ast.BoolOp: _logic,
    ast.Compare: _logic,
    ast.BinOp: _arithmetic,
    ast.Name: _name,
    ast.UnaryOp: _unary,
    ast.Call: _call,
    ast.Constant: lambda node, _: node.value,
    ast.List: lambda node, values: [oracle(element, values) for element in node.elts],
    ast.Expression: lambda node, values: oracle(node.body, values),
}


def oracle(node, values):
    """What ``node`` is worth for one record: a number, a text, or True, False, None for unknown."""
    return ORACLES[type(node)](node, values)


def columns(records):
    kinds = {"i": np.int64, "j": np.int64, "n": np.int64, "b": np.bool_}
    found = {}
    for name in (*FIELDS, *MEASURES):
        cells = [each[name] for each in records]
        found[name] = np.array(
            [hash_text(cell) for cell in cells] if name in "tu" else cells,
            np.int64 if name in "tu" else kinds.get(name, np.float64),
        )
    return found


@given(condition, st.lists(record, min_size=1, max_size=20))
@settings(max_examples=400, deadline=None)
def test_condition_is_true_where_it_is_known_to_be_true(text, records):
    """A condition over columns is true exactly where three-valued logic in Python says True, negated or not."""
    tree = ast.parse(text, mode="eval")
    verdicts = [oracle(tree, each) for each in records]
    values = columns(records)
    assert compile_expression(text, SCOPE).evaluate(values).tolist() == [verdict is True for verdict in verdicts]
    negated = compile_expression(f"not ({text})", SCOPE).evaluate(values)
    assert negated.tolist() == [verdict is False for verdict in verdicts]


@given(number, st.lists(record, min_size=1, max_size=20))
@settings(max_examples=300, deadline=None)
def test_number_equals_that_of_each_record(text, records):
    """A number over columns is the number that Python computes for each record, NaN included."""
    tree = ast.parse(text, mode="eval")
    wanted = np.array([float(oracle(tree, each)) for each in records])
    expression = compile_expression(text, SCOPE)
    found = expression.evaluate(columns(records))
    np.testing.assert_array_equal(found.astype(np.float64), wanted)
    assert expression.kind == "float" or found.dtype == np.int64


@given(st.one_of(condition, number), st.lists(record, min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_canonical_text_means_the_same(text, records):
    """The canonical text is its own canonical text, and evaluates to the same."""
    first = compile_expression(text, SCOPE)
    second = compile_expression(first.text, SCOPE)
    assert second.text == first.text
    assert (second.fields, second.measures, second.kind) == (first.fields, first.measures, first.kind)
    values = columns(records)
    np.testing.assert_array_equal(first.evaluate(values), second.evaluate(values))
