"""A WHERE clause put together from what was asked."""

import re
from collections.abc import Sequence
from typing import Any

from pipeline.store.database import clean


class Conditions:
    """Conditions that must all hold, and their parameters."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._parts: list[str] = []

    def add(self, condition: str, *values: Any) -> None:
        """Add one; each ``?`` stands for the next of ``values``."""
        for value in values:
            condition = condition.replace("?", self.value(value), 1)
        self._parts.append(condition)

    def value(self, value: Any) -> str:
        """The name of a new parameter."""
        self.values.append(clean(value) if isinstance(value, str) else value)
        return f"${len(self.values)}"

    def any_of(self, column: str, values: Sequence[str]) -> None:
        """The column is one of these; nothing if there are none."""
        if values:
            self.add(f"{column} = ANY(?::text[])", [clean(value) for value in values])

    def holds(self, column: str, text: str, *, by_index: bool = False) -> None:
        """The text occurs in a folded column; nothing if it is empty. An index of trigrams needs the first form."""
        if text and by_index:
            pattern = re.sub(r"([\\%_])", r"\\\1", folded(text))
            self.add(f"{column} LIKE ?", f"%{pattern}%")
        elif text:
            self.add(f"strpos({column}, ?) > 0", folded(text))

    def where(self, more: str = "") -> str:
        """The clause, empty if all is let through.

        Args:
            more: A condition without parameters that must hold too.
        """
        parts = [*self._parts, more] if more else self._parts
        return f"WHERE {' AND '.join(parts)}" if parts else ""


def folded(*texts: str | None) -> str:
    """Texts as they are searched: whatever their case, line by line."""
    return clean("\n".join(text for text in texts if text).casefold())
