"""What a pattern says of itself: its fields and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agents.patterns.catalogue import Pattern, Setting
from agents.spec import SEVERITIES, StreamSpec
from pipeline.config.report import show
from pipeline.config.section import Section
from pipeline.config.streams import field_of, typed_field

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Given:
    """What was read of a pattern, all of it right.

    Args:
        by: The field whose values are followed.
        fields: The other fields that it names.
        settings: As given, or by default.
        window_ms: ``None`` if nothing is said.
    """

    by: str
    fields: dict[str, str]
    settings: dict[str, Setting]
    window_ms: int | None


def read_given(section: Section, pattern: Pattern, stream: StreamSpec) -> Given | None:
    """What a pattern says; ``None`` if something is wrong, which has been noted."""
    before = len(section.report.lines)
    fields = dict(stream.fields)
    by = field_of(section, "by", fields, "str")
    names = {key: typed_field(section, key, fields, types) for key, types in pattern.fields.items()}
    settings = {key: _setting(section, key, default) for key, default in pattern.settings.items()}
    window_ms = section.duration("window", None)
    section.duration("cooldown", None, low_ms=0)
    section.whole("max_keys", 1_000_000, 1, 1 << 31)
    section.text("severity", pattern.severity, choices=SEVERITIES)
    section.text("description", "")
    if pattern.make == "detector" and by not in ("", stream.key) and stream.partitions > 1:
        message = (
            f"[streams.{stream.name}] has {stream.partitions} partitions, and its key is not {by}, so that each "
            f'partition would know a part of the history; write partitions = 1, or by = "{stream.key}"'
        )
        section.wrong("by", message)
    return None if len(section.report.lines) > before else Given(by, names, settings, window_ms)


def _setting(section: Section, key: str, default: Setting | None) -> Setting:
    name = shown(key)
    if default is None:
        section.require(name)
    if key.endswith("_ms"):
        return section.duration(name, int(default or _DAY_MS)) or 0
    value: Any = section.values.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    wanted = (is_number, "a number") if isinstance(default, int | float) else (isinstance(value, str), "a text")
    if default is None:
        wanted = (is_number or isinstance(value, str), "a number or a text")
    if section.has(name) and not wanted[0]:
        section.wrong(name, f"{name} must be {wanted[1]}, found {show(value)}")
    return value if isinstance(value, int | float | str) else 0


def shown(key: str) -> str:
    """The setting as a configuration calls it."""
    return key.removesuffix("_ms")


def free_name(name: str, fields: Mapping[str, Any]) -> str:
    """A name for a measure that no field of the stream has."""
    while name in fields:
        name += "_"
    return name
