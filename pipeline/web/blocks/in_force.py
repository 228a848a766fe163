"""A configuration in words: every setting that is in force, defaults included, secrets masked."""

from collections.abc import Iterator
from typing import Any, Final

from pipeline.config.model import AppConfig
from pipeline.web.api.masking import masked
from pipeline.web.parts import human

_GROUPS: Final = ("streams", "tables", "rules", "detectors", "scores")
_PARTS: Final = ("kafka", "incidents", "deliver", "web")
Settings = list[tuple[str, str]]


def sections(config: AppConfig) -> Iterator[tuple[str, str, Settings]]:
    """Section, name within it and settings, in the order of a configuration file.

    >>> next(sections(AppConfig(name="shop", log="local://x")))[2][:2]
    [('name', 'shop'), ('log', 'local://x')]
    """
    plain: dict[str, Any] = masked(config)
    apart = {*_GROUPS, *_PARTS}
    yield "app", "", list(_shown("", {name: value for name, value in plain.items() if name not in apart}))
    for part in _PARTS:
        if plain.get(part) is not None and (part != "kafka" or config.log.startswith("kafka:")):
            yield part, "", list(_shown("", plain[part]))
    for group in _GROUPS:
        for name, definition in plain[group].items():
            yield group, name, list(_shown("", definition))


def _shown(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _shown(f"{name}.{key}" if name else str(key), each)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, each in enumerate(value):
            yield from _shown(f"{name}.{each.get('name', place)}", each)
    else:
        yield name.removesuffix("_ms"), _text(name, value)


def _text(name: str, value: Any) -> str:
    if value is None or value == "":
        return human.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_ms"):
        return human.duration(value)
    if isinstance(value, int | float):
        return human.number(value)
    if isinstance(value, list | dict):
        return ", ".join(map(str, value)) or "none"
    return str(value)
