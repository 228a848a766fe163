"""A configuration in words: every setting that is in force, defaults included, secrets left out."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.config.model import AppConfig
from pipeline.web.parts import human

HIDDEN: Final = "set, not shown"
_GROUPS: Final = ("streams", "tables", "rules", "detectors", "scores")
_PARTS: Final = ("kafka", "incidents", "deliver")


def sections(config: AppConfig) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Section, name within it and settings, in the order of a configuration file.

    >>> next(sections(AppConfig(name="shop", log="local://x")))[2][:2]
    [('name', 'shop'), ('log', 'local://x')]
    """
    apart = {*_GROUPS, *_PARTS}
    plain = [field for field in dataclasses.fields(config) if field.name not in apart]
    yield "app", "", [each for field in plain for each in _setting(field, config)]
    for part in _PARTS:
        settings = getattr(config, part)
        if settings is not None and (part != "kafka" or config.log.startswith("kafka:")):
            yield part, "", list(_settings(settings))
    for group in _GROUPS:
        for name, definition in getattr(config, group).items():
            yield group, name, list(_settings(definition))


def _settings(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(value):
        yield from _setting(field, value, prefix)


def _setting(field: "dataclasses.Field[Any]", owner: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    value, name = getattr(owner, field.name), f"{prefix}{field.name}"
    if not field.repr:  # secrets are kept out of representations by those who define them
        yield name, human.NOTHING if value is None else HIDDEN
    else:
        yield from _shown(name, value)


def _shown(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if dataclasses.is_dataclass(value):
        yield from _settings(value, f"{name}.")
    elif isinstance(value, Mapping):
        if not value:
            yield name, "none"
        for key, each in value.items():
            yield from _shown(f"{name}.{key}", each)
    elif isinstance(value, list | tuple) and value and dataclasses.is_dataclass(value[0]):
        for place, each in enumerate(value):
            yield from _shown(f"{name}.{getattr(each, 'name', place)}", each)
    else:
        yield (name.removesuffix("_ms"), _text(name, value))


def _text(name: str, value: Any) -> str:
    if value is None or value == "":
        return human.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_ms"):
        return human.duration(value)
    if isinstance(value, int | float):
        return human.number(value)
    if isinstance(value, list | tuple | frozenset | set):
        items = sorted(map(str, value)) if isinstance(value, frozenset | set) else map(str, value)
        return ", ".join(items) or "none"
    return str(value) if isinstance(value, str | Path) else repr(value)
