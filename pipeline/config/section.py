"""One table of the file, read key by key into typed values."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from agents.language.expression import closest, listed
from pipeline.config.document import KeyPath
from pipeline.config.durations import parse_duration, show_duration
from pipeline.config.report import Report, show


class Section:
    """Reads a table. A mistake is noted, and some value of the right type given, so that the reading goes on.

    Args:
        report: Takes the mistakes.
        path: Where the table stands.
        values: What it says; anything but a table is a mistake.
        allowed: Its keys; others are mistakes.
    """

    def __init__(self, report: Report, path: KeyPath, values: Any, allowed: Sequence[str]) -> None:
        self.report = report
        self.path = path
        self.values: dict[str, Any] = values if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            report.value(path, f"[{'.'.join(map(str, path))}] must be a table, found {show(values)}")
        for key in self.values:
            if key not in allowed:
                guess = closest(key, allowed)
                report.key((*path, key), f"unknown key {key!r}; allowed are {listed(allowed, 20)}{guess}")

    def has(self, key: str) -> bool:
        """Whether the key is given."""
        return key in self.values

    def wrong(self, key: str, message: str) -> None:
        """Note a mistake in the value of ``key``."""
        self.report.value((*self.path, key), message)

    def text(self, key: str, default: str | None = None, *, choices: Sequence[str] = ()) -> str:
        """A text, one of ``choices`` if there are any; required when there is no default."""
        value = self._take(key, default, str, "a text")
        if value and choices and value not in choices:
            self.wrong(key, f"{key} is {show(value)}; allowed are {listed(choices, 20)}{closest(value, choices)}")
            return ""
        return str(value or "")

    def secret(self, key: str) -> str | None:
        """A text that only the environment may give; no message shows it. ``None`` if it is missing or wrong."""
        if key not in self.values:
            return None
        value = self.values[key]
        if not self.report.is_from_environment((*self.path, key)):
            self.wrong(
                key, f'{key} stands in the file for all to read; write {key} = "${{NAME}}" and set the variable NAME'
            )
        elif not isinstance(value, str):
            self.wrong(key, f"{key} must be a text")
        elif not value:
            self.wrong(key, f"{key} is empty; set the variable that it is taken from")
        else:
            return value
        return None

    def reference(self, key: str, known: Mapping[str, Any], what: str) -> str:
        """The name of something that is declared elsewhere; empty if it is not."""
        name = self.text(key)
        if name and name not in known:
            names = list(known)
            self.wrong(
                key, f"{key} names the unknown {what} {show(name)}; there are {listed(names)}{closest(name, names)}"
            )
            return ""
        return name

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._take(key, default, int, "a whole number")
        if value is None or low <= value <= high:
            return default if value is None else int(value)
        self.wrong(key, f"{key} is {value}; allowed is {low} to {high}")
        return default

    def number(self, key: str, default: float | None = None) -> float | None:
        """A finite number; ``None`` if it is missing or wrong."""
        value = self._take(key, default, (int, float), "a number", required=False)
        if value is not None and not math.isfinite(value):
            self.wrong(key, f"{key} is {value}; a finite number is needed")
            return default
        return value if value is None else float(value)

    def flag(self, key: str, default: bool) -> bool:
        """``true`` or ``false``."""
        value = self._take(key, default, bool, "true or false")
        return default if value is None else bool(value)

    def duration(self, key: str, default_ms: int | None, *, low_ms: int = 1) -> int | None:
        """A length of time such as ``"10m"``, in ms, at least ``low_ms``."""
        value = self._take(key, None, str, 'a duration such as "10m"', required=False)
        if value is None:
            return default_ms
        try:
            length_ms = parse_duration(value)
        except ValueError as error:
            self.wrong(key, f"{key}: {error}")
            return default_ms
        if length_ms < low_ms:
            self.wrong(key, f"{key} is {value}; at least {show_duration(low_ms)} is needed")
            return default_ms
        return length_ms

    def require(self, key: str) -> None:
        """Note if ``key`` is missing."""
        if key not in self.values:
            name = ".".join(map(str, self.path))
            self.report.key(self.path, f"[{name}] lacks {key!r}")

    def _take(
        self, key: str, default: Any, kind: type | tuple[type, ...], expected: str, *, required: bool = True
    ) -> Any:
        if key not in self.values:
            if required and default is None:
                self.require(key)
            return default
        value = self.values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.wrong(key, f"{key} must be {expected}, found {show(value)}")
            return default
        return value


def names_of(report: Report, values: Mapping[str, Any], section: str) -> dict[str, Any]:
    """The named tables of a section such as ``[rules]``."""
    named = values.get(section, {})
    if not isinstance(named, dict):
        report.value((section,), f"{section} must hold tables such as [{section}.name], found {show(named)}")
        return {}
    return named
