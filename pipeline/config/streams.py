"""``[streams.NAME]``: topics, and the fields of their records."""

import keyword
import re
from collections.abc import Mapping
from typing import Any, get_args

from agents.language.expression import closest, listed
from agents.spec import Field, FieldType, StreamSpec
from pipeline.config.report import Report, show
from pipeline.config.section import Section, names_of

_LIMITS = ("max_ahead", "max_bytes", "idle_advance", "retention", "retention_bytes")
_KEYS = ("topic", "partitions", "key", "time", "id", "fields", "types", *_LIMITS)
_FIELD_KEYS = ("type", "optional", "unit", "width")
_TYPES: tuple[FieldType, ...] = get_args(FieldType)
_OTHER_NAMES: dict[str, FieldType] = {
    **dict.fromkeys(("bigint", "i64", "int64", "integer", "long", "timestamp"), "int"),
    **dict.fromkeys(("decimal", "double", "f64", "float64", "number", "real"), "float"),
    **dict.fromkeys(("char", "string", "text", "uuid", "varchar"), "str"),
    "boolean": "bool",
}
_WEEK_MS = 604_800_000
_EARLIEST_MS = 100_000_000_000  # March 1973; seconds reach it in the year 5138
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_DECLARED = 'write {name} = "str", "int", "float" or "bool", with a ? behind it if it may be missing'


def read_streams(report: Report, values: dict[str, Any], taken: dict[str, str]) -> dict[str, StreamSpec]:
    """All streams that could be made sense of; ``taken`` says which topics are in use already, and for what."""
    streams: dict[str, StreamSpec] = {}
    typed: dict[str, str] = {}
    for name, given in names_of(report, values, "streams").items():
        section = Section(report, ("streams", name), given, _KEYS)
        topic = read_topic(section, "topic", name)
        if topic in taken:
            section.wrong("topic", f"the topic {topic!r} is already that of {taken[topic]}; each needs its own")
        taken[topic] = f"[streams.{name}]"
        streams[name] = _stream(section, name, topic)
        for kind in streams[name].types:
            if typed.setdefault(kind, name) != name:
                section.wrong("types", f"the type {show(kind)} is already that of [streams.{typed[kind]}]")
    return streams


def read_topic(section: Section, key: str, default: str) -> str:
    """The name of a topic."""
    topic = section.text(key, default)
    if not _TOPIC.fullmatch(topic):
        section.wrong(key, f"{show(topic)} is no topic name; allowed are letters, digits, '.', '_', '-', at most 249")
    return topic


def is_name(text: str) -> bool:
    """Whether an expression can name it."""
    return text.isidentifier() and text.isascii() and not keyword.iskeyword(text)


def field_of(section: Section, key: str, fields: dict[str, Field], kind: FieldType, *, optional: bool = False) -> str:
    """The name of a field of type ``kind`` that every record has, unless it may be ``optional``; empty if it is not."""
    name = section.text(key)
    if not name or not fields:
        return ""
    if name not in fields:
        names = list(fields)
        section.wrong(
            key, f"{key} names the unknown field {show(name)}; there are {listed(names)}{closest(name, names)}"
        )
        return ""
    field = fields[name]
    if field.type != kind or (field.optional and not optional):
        found = f"{field.type}?" if field.optional else field.type
        section.wrong(key, f'{key} must name a field of type "{kind}", and {name} is "{found}"')
        return ""
    return name


def typed_field(
    section: Section, key: str, fields: Mapping[str, Field], types: tuple[str, ...], default: str | None = None
) -> str:
    """The name of a field of one of ``types``, which records may lack; empty if it is not."""
    name = section.text(key, default)
    if not name or not fields:
        return name
    known = [field.name for field in fields.values() if field.type in types]
    if name not in known:
        allowed = " or ".join(f'"{each}"' for each in types)
        message = f"{key} must name a field of type {allowed}, found {show(name)}; there are {listed(known)}"
        section.wrong(key, message + closest(name, known))
        return ""
    return name


def _stream(section: Section, name: str, topic: str) -> StreamSpec:
    fields = _fields(section)
    has_id = "id" in fields and fields["id"].type == "str" and not fields["id"].optional
    return StreamSpec(
        name=name,
        topic=topic,
        partitions=section.whole("partitions", 4, 1, 4_096),
        key=field_of(section, "key", fields, "str", optional=True) if section.has("key") else None,
        time=field_of(section, "time", fields, "int"),
        id=field_of(section, "id", fields, "str") if section.has("id") else "id" if has_id else None,
        fields=fields,
        earliest_ms=_EARLIEST_MS,
        max_ahead_ms=section.duration("max_ahead", 600_000) or 600_000,
        max_bytes=section.whole("max_bytes", 65_536, 1, 1 << 30),
        idle_advance_ms=section.duration("idle_advance", None),
        retention_ms=section.duration("retention", _WEEK_MS) or _WEEK_MS,
        retention_bytes=section.whole("retention_bytes", 1, 1, 1 << 62) if section.has("retention_bytes") else None,
        types=_kinds(section),
    )


def _kinds(section: Section) -> tuple[str, ...]:
    given = section.values.get("types", [])
    if isinstance(given, list) and all(isinstance(kind, str) and kind for kind in given):
        return tuple(given)
    section.wrong("types", f'types must be a list of texts such as ["card", "transfer"], found {show(given)}')
    return ()


def _fields(section: Section) -> dict[str, Field]:
    given = section.values.get("fields")
    if not isinstance(given, dict) or not given:
        if section.has("fields"):
            section.wrong("fields", "fields must be a table with at least one field; " + _DECLARED.format(name="NAME"))
        else:
            section.require("fields")
        return {}
    fields = {}
    for name, declared in given.items():
        path = (*section.path, "fields", name)
        if not is_name(name):
            section.report.key(path, f"{show(name)} is no field name; letters, digits and _ are allowed, no keyword")
        fields[name] = _field(section.report, path, name, declared)
    return fields


def _field(report: Report, path: tuple[str | int, ...], name: str, declared: Any) -> Field:
    if isinstance(declared, dict):
        section = Section(report, path, declared, _FIELD_KEYS)
        kind: Any = section.text("type", choices=_TYPES)
        unit = section.number("unit", 0.001)
        if unit is not None and unit <= 0:
            section.wrong("unit", f"unit is {unit}; the resolution of a sum must be above 0")
        if section.has("width") and kind != "ints":
            section.wrong("width", 'width is the length of a list; only fields of type "ints" have one')
        width = section.whole("width", 1, 1, 4_096)
        return Field(
            name=name, type=kind or "str", optional=section.flag("optional", False), unit=unit or 0.001, width=width
        )
    text = declared if isinstance(declared, str) else ""
    kind = text.removesuffix("?")
    if kind in _TYPES and kind != "ints":
        return Field(name=name, type=kind, optional=text.endswith("?"))
    hint = 'a list needs its length: {type = "ints", width = 8}' if kind == "ints" else _DECLARED.format(name=name)
    meant = kind if kind == "ints" else _OTHER_NAMES.get(kind.lower(), "str")
    guess = f"; did you mean {meant!r}?" if kind.lower() in _OTHER_NAMES else ""
    report.value(path, f"the type of {name} is {show(declared)}; {hint}{guess}")
    return Field(name=name, type=meant, optional=text.endswith("?"))  # as meant, so that nothing else is wrong by it
