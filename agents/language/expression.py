"""The language of conditions and measures: Python's expression syntax, of which only what is listed here is allowed.

::

    large >= 3 and first_seen(country)            amount_cents / 100 > 4 * mean or merchant in ("M1", "M7")

and or not · == != < <= > >= (chained too) · in, not in a list of constants · + - * / // % · numbers, texts, True,
False · fields of the record · measures of the table · the functions of ``agents.language.functions``.

Text is compiled once, from a syntax tree that is checked node by node, to operations on whole columns; nothing of it is
ever run as Python. Where a number is missing or a score has no opinion (NaN), a comparison is unknown, and what is
unknown is not true: neither ``x > 3`` nor ``not x > 3`` fires. Dividing by zero has no opinion either. Whole numbers
are int64 and exact, also with ``//`` and ``%`` by a constant; by a column these give floats, for it may hold a zero.
Beyond 2**63 whole numbers wrap around, as NumPy's do.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.language.compiler import Compiler, Scope
from agents.language.nodes import Array, Constant, Evaluator, Frame, Kind, Truth
from agents.language.syntax import ExpressionError, Problem, Syntax, closest, listed
from tables.spec import Measure

__all__ = ["Expression", "ExpressionError", "Problem", "Scope", "closest", "compile_expression", "listed"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Expression:
    """A compiled expression.

    Args:
        text: Canonical: the same however it is spaced and bracketed.
        kind: What it gives; ``ints`` is a bare list field.
        unit: Resolution of a number: 1 when it is whole, even if it may be missing.
        fields: Record fields that it reads.
        measures: Table measures that it reads.
        hidden: Measures that its function calls need on the table, by name; evaluated like any other.
        thresholds: What is compared with a constant, and the constant.
        at: Gives the result.
        calls: Gives the result of each function call, by canonical text.
    """

    text: str
    kind: Kind
    unit: float
    fields: frozenset[str]
    measures: frozenset[str]
    hidden: tuple[Measure, ...]
    thresholds: dict[str, Constant]
    at: Evaluator
    calls: dict[str, Evaluator]

    def evaluate(self, values: Mapping[str, Array]) -> Array:
        """The result for each record.

        Args:
            values: The columns of all ``fields``, ``measures`` and ``hidden`` by name, shape ``(n,)`` each; text as the
                int64 of ``tables.text.hash_text``. Others are ignored.

        Returns:
            Shape ``(n,)``. For a condition bool: where it is known to be true.

        Raises:
            KeyError: If a column is missing.

        Cost: a NumPy operation for each operator: 1 to 5 ns a record.
        """
        with np.errstate(all="ignore"):
            result = np.asarray(self.at(Frame(values)))
        if result.ndim == 0:  # nothing but constants
            result = np.broadcast_to(result, len(next(iter(values.values()), ())))
        return result

    def scores(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The result of each function call, such as ``outlier(amount_cents)``, as evidence; ``values`` as above."""
        frame = Frame(values)
        with np.errstate(all="ignore"):
            return {text: np.asarray(at(frame)) for text, at in self.calls.items()}


def compile_expression(text: str, scope: Scope, *, condition: bool = False) -> Expression:
    """Compile ``text``.

    Args:
        text: As written, at most 4,096 characters.
        scope: What it may name.
        condition: Whether it has to be a condition.

    Raises:
        ExpressionError: With every mistake in it.

    >>> from agents.spec import Field
    >>> scope = Scope(fields={"amount": Field(name="amount", type="int")}, measures={})
    >>> big = compile_expression("amount>=(3)", scope)
    >>> big.text, big.thresholds, big.evaluate({"amount": np.array([2, 3])})
    ('amount >= 3', {'amount': 3}, array([False,  True]))
    """
    syntax = Syntax(text)
    compiler = Compiler(syntax, scope)
    node = compiler.truth(syntax.root) if condition else compiler.visit(syntax.root)
    return Expression(
        text=ast.unparse(syntax.root),
        kind="bool" if isinstance(node, Truth) else node.kind,
        unit=1.0 if isinstance(node, Truth) else node.unit,
        fields=frozenset(compiler.fields),
        measures=frozenset(compiler.measures),
        hidden=tuple(measure for _, measure in sorted(compiler.hidden.items())),
        thresholds=compiler.thresholds,
        at=node.true if isinstance(node, Truth) else node.at,
        calls=compiler.calls,
    )
