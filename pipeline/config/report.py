"""The mistakes of a configuration, each with its place, collected rather than raised one by one."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from agents.language.expression import ExpressionError
from pipeline.config.document import Document, KeyPath

_ABOUT_NAMES = re.compile(r"^unknown name |^\w+ is a function; call it")  # a field may be called like a function


class Report:
    """Collects mistakes.

    Args:
        file: Name of the file, as the user gave it.
        document: Where things stand in it.
        variables: What came from the environment instead: path and variable.
        secrets: Values from the environment by name; what a message quotes of them is replaced by the name.
        filled: Paths of texts that hold such values.
    """

    def __init__(
        self,
        file: str,
        document: Document,
        variables: Mapping[KeyPath, str],
        secrets: Mapping[str, str],
        filled: Collection[KeyPath] = (),
    ) -> None:
        self._file = file
        self._document = document
        self._variables = variables
        self._secrets = secrets
        self._filled = filled
        self._found: set[tuple[int, int, str]] = set()

    @property
    def lines(self) -> list[str]:
        """``FILE:LINE:COLUMN: message``, in the order of the file."""
        return [line for _, _, line in sorted(self._found)]

    def is_from_environment(self, path: KeyPath) -> bool:
        """Whether the value at ``path`` came from the environment, wholly or in part."""
        return path in self._filled or any(path[:length] in self._variables for length in range(1, len(path) + 1))

    def value(self, path: KeyPath, message: str) -> None:
        """Note a mistake in the value at ``path``, or that something is missing there."""
        self._note(path, self._document.value(path), message)

    def key(self, path: KeyPath, message: str) -> None:
        """Note a mistake in the key at ``path``."""
        self._note(path, self._document.key(path), message)

    def expression(self, path: KeyPath, error: ExpressionError, *, names_known: bool = True) -> None:
        """Note the mistakes of the expression at ``path``; of its names only if it is known what there is to name."""
        for problem in error.problems:
            if names_known or not _ABOUT_NAMES.search(problem.message):
                self._note(path, self._document.inside(path, problem.column - 1), problem.message)

    def variable(self, name: str, message: str) -> None:
        """Note a mistake in an environment variable."""
        self._found.add((1 << 31, 0, self._redact(f"environment variable {name}: {message}")))

    def _note(self, path: KeyPath, place: tuple[int, int], message: str) -> None:
        for length in range(len(path), 0, -1):
            if path[:length] in self._variables:
                self.variable(self._variables[path[:length]], message)
                return
        line, column = place
        self._found.add((line, column, self._redact(f"{self._file}:{line}:{column}: {message}")))

    def _redact(self, message: str) -> str:
        for name, secret in self._secrets.items():
            for written in {secret, repr(secret)[1:-1]} - {""}:
                message = message.replace(written, f"${{{name}}}")
                # A long value is cut before it comes here, perhaps in the middle of the secret.
                for length in range(len(written) - 1, 0, -1):
                    message = message.replace(f"{written[:length]}...", f"${{{name}}}...")
        return message


def show(value: Any) -> str:
    """A value as TOML would have it, for a message; a long one is cut."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
