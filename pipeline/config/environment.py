"""What the environment says: overrides of single values, and secrets. The one place that reads it.

``STREAMGAUGE_APP__LOG=local://var/x.db`` sets ``log`` of ``[app]``, ``STREAMGAUGE_RULES__RAPID_LARGE__SEVERITY=low``
sets ``severity`` of ``[rules.rapid-large]``. A value is read as TOML where it is TOML, else as text. ``${NAME}`` in any
text of the file stands for the variable ``NAME``. Values of keys that hold secrets (``SECRET_KEYS``) are always text.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from agents.language.expression import closest, listed
from pipeline.config.document import KeyPath

PREFIX = "STREAMGAUGE_"
SECRET_KEYS = frozenset({"password", "key_password", "oauth_token", "oauth_client_secret", "audit_key"})
"""Keys whose values only the environment may give, and nobody may see."""

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Environment:
    """The environment, applied to a file's values.

    Args:
        values: Of the file; changed in place.
        sections: Known sections; those that are ``True`` hold named tables.
        environ: The variables; ``None`` takes the process's own.

    Attributes:
        variables: Where a variable set a value, and its name.
        filled: Where a text holds the values of variables.
        secrets: Values that messages must not show, by the name of their variable.
        unknown: Variables that set nothing, and why.
        missing: Where a text names a variable that is not set.
    """

    def __init__(
        self, values: dict[str, Any], sections: Mapping[str, bool], environ: Mapping[str, str] | None = None
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._sections = sections
        self.variables: dict[KeyPath, str] = {}
        self.filled: set[KeyPath] = set()
        self.secrets: dict[str, str] = {}
        self.unknown: list[tuple[str, str]] = []
        self.missing: list[tuple[KeyPath, str]] = []
        for name in sorted(self._environ):
            if name.startswith(PREFIX):
                self._override(values, name)
        values.update({key: self._expand((key,), value) for key, value in values.items()})

    def _override(self, values: dict[str, Any], name: str) -> None:
        parts = name.removeprefix(PREFIX).lower().split("__")
        section = parts[0]
        if section not in self._sections:
            self.unknown.append((name, f"unknown section; known are {listed(list(self._sections))}"))
            return
        named = self._sections[section]
        if len(parts) != (3 if named else 2) or not all(parts):
            shape = f"{PREFIX}{section.upper()}__{'NAME__' if named else ''}KEY"
            self.unknown.append((name, f"this is not of the form {shape}"))
            return
        path: KeyPath = (section,)
        target = values.setdefault(section, {})
        if named:
            given = {str(key).replace("-", "_").lower(): key for key in target} if isinstance(target, dict) else {}
            if parts[1] not in given:
                known = listed(list(given.values()))
                guess = closest(parts[1], list(given))
                self.unknown.append((name, f"the file has no such {section[:-1]}; it has {known}{guess}"))
                return
            path = (section, given[parts[1]])
            target = target[given[parts[1]]]
        if isinstance(target, dict):
            self._set(target, (*path, parts[-1]), name)

    def _set(self, target: dict[str, Any], path: KeyPath, name: str) -> None:
        value, key = self._environ[name], str(path[-1])
        if key in SECRET_KEYS:
            self.secrets[name] = value
        target[key] = value if key in SECRET_KEYS else _parse(value)
        self.variables[path] = name

    def _expand(self, path: KeyPath, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._expand((*path, key), inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._expand((*path, index), inner) for index, inner in enumerate(value)]
        if not isinstance(value, str):
            return value

        def secret(match: re.Match[str]) -> str:
            name = match[1]
            self.filled.add(path)
            if name not in self._environ:
                self.missing.append((path, name))
                return match[0]
            self.secrets[name] = self._environ[name]
            return self._environ[name]

        return _REFERENCE.sub(secret, value)


def _parse(text: str) -> Any:
    try:
        values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return values["value"] if list(values) == ["value"] else text
