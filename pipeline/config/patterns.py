"""``[patterns.NAME]``: patterns of the catalogue, each written out as a table and a rule before those are read."""

from collections.abc import Mapping
from typing import Any, Final

from agents.catalogue import PATTERNS, Pattern
from agents.spec import SEVERITIES, StreamSpec
from pipeline.config.durations import parse_duration, show_duration
from pipeline.config.report import Report
from pipeline.config.section import Section, names_of
from pipeline.config.streams import field_of, typed_field

_KEYS: Final = ("kind", "stream", "by", "window", "cooldown", "severity", "description", "max_keys")
_DAY_MS: Final = 86_400_000
_PANES: Final = 20

Expanded = tuple[dict[str, Any], dict[str, Any]]


def with_patterns(report: Report, values: dict[str, Any], streams: Mapping[str, StreamSpec]) -> dict[str, Any]:
    """What the file says, and the table and rule that each of its patterns stands for."""
    tables, rules = dict(names_of(report, values, "tables")), dict(names_of(report, values, "rules"))
    for name, given in names_of(report, values, "patterns").items():
        if name in tables:
            message = f"there is a table {name} already, and a pattern is a table and a rule of its name"
            report.key(("patterns", name), message)
        expanded = _expanded(report, name, given, streams)
        if expanded and name not in tables and name not in rules:
            tables[name], rules[name] = expanded
    return {**values, "tables": tables, "rules": rules}


def _expanded(report: Report, name: str, given: Any, streams: Mapping[str, StreamSpec]) -> Expanded | None:
    kind = given.get("kind") if isinstance(given, dict) else None
    pattern = PATTERNS.get(kind) if isinstance(kind, str) else None
    own = (*pattern.fields, *map(_shown, pattern.settings)) if pattern else tuple(given) if _is_table(given) else ()
    section = Section(report, ("patterns", name), given, (*_KEYS, *own))
    section.text("kind", choices=tuple(PATTERNS))
    stream = section.reference("stream", streams, "stream")
    if pattern is None or not stream:
        return None
    fields = dict(streams[stream].fields)
    before = len(report.lines)
    by = field_of(section, "by", fields, "str")
    names = {key: typed_field(section, key, fields, types) for key, types in pattern.fields.items()}
    settings = {key: _setting(section, key, default) for key, default in pattern.settings.items()}
    window_ms = section.duration("window", None)
    section.duration("cooldown", None, low_ms=0)
    section.whole("max_keys", 1_000_000, 1, 1 << 31)
    section.text("severity", pattern.severity, choices=SEVERITIES)
    if len(report.lines) > before:
        return None
    measures = {key: _free(key, fields) for key in (pattern.measures or {"n": ""})}
    texts = {"time": streams[stream].time, **names, **settings, **measures}
    window = pattern.window if window_ms is None else show_duration(window_ms)
    table = {"stream": stream, "by": by, "window": {"sliding": window} | _pane(parse_duration(window))}
    table["measures"] = {measures[key]: text.format_map(texts) for key, text in _measures(pattern).items()}
    kept = [value for key, value in settings.items() if key.endswith("_ms")]
    if kept:
        table["ttl"] = show_duration(3 * int(kept[0]))
    if section.has("max_keys"):
        table["max_keys"] = section.values["max_keys"]
    rule = {"table": name, "when": pattern.when.format_map(texts), "severity": pattern.severity}
    rule["description"] = section.text("description", pattern.doc)
    rule |= {key: section.values[key] for key in ("severity", "cooldown") if section.has(key)}
    return table, rule


def _measures(pattern: Pattern) -> Mapping[str, str]:
    """Of the pattern; a table has at least one."""
    return pattern.measures or {"n": "count()"}


def _pane(size_ms: int) -> dict[str, str]:
    """Coarser panes than usual: no pattern looks at the edge of its window that closely."""
    return {} if size_ms % _PANES else {"pane": show_duration(size_ms // _PANES)}


def _setting(section: Section, key: str, default: float | str | None) -> str:
    """The setting as it stands in an expression."""
    shown = _shown(key)
    if default is None:
        section.require(shown)
    value = section.values.get(shown, default)
    if key.endswith("_ms"):
        return str(section.duration(shown, int(default or _DAY_MS)))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    wanted = (is_number, "a number") if isinstance(default, int | float) else (isinstance(value, str), "a text")
    if default is None:
        wanted = (is_number or isinstance(value, str), "a number or a text")
    if section.has(shown) and not wanted[0]:
        section.wrong(shown, f"{shown} must be {wanted[1]}, found {value!r}")
    return repr(value)


def _shown(key: str) -> str:
    """The setting as a configuration calls it."""
    return key.removesuffix("_ms")


def _free(name: str, fields: Mapping[str, Any]) -> str:
    """A name for a measure that no field of the stream has."""
    while name in fields:
        name += "_"
    return name


def _is_table(given: Any) -> bool:
    return isinstance(given, dict)
