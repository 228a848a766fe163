"""From text to a syntax tree of bounded size, and the mistakes that are found in it, with their places."""

import ast
import io
import tokenize
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

MAX_LENGTH = 4_096
MAX_DEPTH = 64

ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}
COMPARISON: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
ALLOWED = "allowed are and, or, not, comparisons, in, + - * / // %, numbers, texts, fields, measures and functions"
HINTS: Final[dict[type[ast.AST], str]] = {
    ast.BitAnd: "& is not allowed; write and",
    ast.BitOr: "| is not allowed; write or",
    ast.BitXor: "^ is not allowed; write and, or, not",
    ast.Invert: "~ is not allowed; write not",
    ast.UAdd: "a leading + is not allowed; leave it out",
    ast.Pow: "** is not allowed; write x * x, or sqrt(x)",
    ast.MatMult: "@ is not allowed; " + ALLOWED,
    ast.Is: "is is not allowed; write ==, or is_nan(x) for a missing number",
    ast.IsNot: "is not is not allowed; write !=, or not is_nan(x) for a missing number",
    ast.Attribute: "a dot after a name is not allowed; " + ALLOWED,
    ast.Subscript: "[ ] after a name is not allowed; " + ALLOWED,
    ast.IfExp: "if ... else is not allowed; write and, or",
    ast.JoinedStr: "an f-string is not allowed; write a plain text",
    ast.Tuple: "a list of constants is only allowed behind in",
    ast.List: "a list of constants is only allowed behind in",
    ast.Set: "a list of constants is only allowed behind in",
    ast.NamedExpr: ":= is not allowed; write ==",
}
_FOREIGN = {"&": "and", "|": "or", "!": "not", "=": "=="}


class Problem(NamedTuple):
    """A mistake in an expression: its first column (from 1) and length in characters, and a sentence."""

    column: int
    length: int
    message: str


class ExpressionError(ValueError):
    """An expression is wrong; ``problems`` lists every mistake by column."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("; ".join(f"column {problem.column}: {problem.message}" for problem in self.problems))


class Syntax:
    """The syntax tree of an expression.

    Args:
        text: As written; line breaks count as spaces.

    Raises:
        ExpressionError: If the text is empty, too long, nested too deeply or not an expression at all.
    """

    def __init__(self, text: str) -> None:
        flat = text.replace("\n", " ").replace("\r", " ")
        self._source = flat.strip()
        self._skipped = len(flat) - len(flat.lstrip())
        if not self._source:
            raise ExpressionError([Problem(1, 1, "the expression is empty")])
        if len(text) > MAX_LENGTH:
            message = f"the expression has {len(text)} characters; at most {MAX_LENGTH} are allowed"
            raise ExpressionError([Problem(1, 1, message)])
        self.root = self._parse()
        self._require_no_comment()
        self._require_shallow()

    def place(self, node: ast.expr) -> tuple[int, int]:
        """Column (from 1) and length of ``node`` in the text as written, in characters."""
        encoded = self._source.encode()  # the tree counts bytes
        start = len(encoded[: node.col_offset].decode(errors="ignore"))
        end = len(encoded[: node.end_col_offset].decode(errors="ignore"))
        return self._skipped + start + 1, max(1, end - start)

    def _parse(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # "1or 2" and such are mistakes here
                return ast.parse(self._source, mode="eval").body
        except SyntaxError as error:
            raise self._refusal(error) from error
        except (ValueError, MemoryError, RecursionError) as error:
            message = "this can't be read: it is nested too deeply or holds characters that no expression has"
            raise ExpressionError([Problem(1, 1, message)]) from error

    def _refusal(self, error: SyntaxError) -> ExpressionError:
        start = min(max((error.offset or 1) - 1, 0), len(self._source) - 1)
        end = (error.end_offset or 0) - 1
        length = end - start if error.end_lineno == error.lineno and end > start else 1
        foreign = next((sign for sign in self._source[max(0, start - 1) : start + 2] if sign in _FOREIGN), None)
        hint = f"; write {_FOREIGN[foreign]} instead of {foreign}" if foreign else ""
        message = f"this is not an expression: {error.msg.removesuffix(' (<unknown>, line 1)')}{hint}"
        return ExpressionError([Problem(self._skipped + start + 1, length, message)])

    def _require_no_comment(self) -> None:
        if "#" not in self._source:
            return
        for token in tokenize.generate_tokens(io.StringIO(self._source).readline):
            if token.type == tokenize.COMMENT:
                message = "a comment can't stand inside an expression; put it behind the string, or on a line above"
                raise ExpressionError([Problem(self._skipped + token.start[1] + 1, len(token.string), message)])

    def _require_shallow(self) -> None:
        level: list[ast.expr] = [self.root]
        for _ in range(MAX_DEPTH):
            level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
            if not level:
                return
        column, length = self.place(level[0])
        message = f"the expression is nested more than {MAX_DEPTH} levels deep here; split it"
        raise ExpressionError([Problem(column, length, message)])


def closest(name: str, known: Sequence[str]) -> str:
    """``; did you mean 'x'`` for the known name most like ``name``, else nothing."""
    matches = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names for a message, at most ``most`` of them."""
    return ", ".join([*sorted(names)[:most], *(["..."] if len(names) > most else [])]) or "none"
