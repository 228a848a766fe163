"""Patterns of the catalogue, each written out as what stands for it before that is read: a table and a rule mostly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agents.patterns.catalogue import PATTERNS, Pattern
from agents.patterns.spec import FlowSpec, ListSpec
from agents.spec import SEVERITIES, StreamSpec
from pipeline.config.durations import parse_duration, show_duration
from pipeline.config.patterns.flows import read_flow
from pipeline.config.patterns.lists import LIST_KEYS, read_list
from pipeline.config.patterns.settings import Given, free_name, read_given, shown
from pipeline.config.report import Report
from pipeline.config.section import Section, names_of

_KEYS: Final = ("kind", "stream", "by", "severity", "description")
_MORE_KEYS: Final = {
    "table": ("window", "cooldown", "max_keys"),
    "flow": ("window", "cooldown"),
    "detector": (),
    "list": LIST_KEYS,
}
_PANES: Final = 20
_FRESH: Final = 6  # who began in the last sixth of the window was silent before


@dataclass(slots=True)
class Patterns:
    """What the patterns of a file stand for.

    Args:
        values: The file, and the tables, rules and detectors of patterns.
        flows: By name.
        lists: By name.
    """

    values: dict[str, Any]
    flows: dict[str, FlowSpec] = field(default_factory=dict)
    lists: dict[str, ListSpec] = field(default_factory=dict)


def read_patterns(report: Report, values: dict[str, Any], streams: Mapping[str, StreamSpec]) -> Patterns:
    """What the file says, and what each of its patterns stands for."""
    own = {section: dict(names_of(report, values, section)) for section in ("tables", "rules", "detectors")}
    found = Patterns({**values, **own})
    for name, given in names_of(report, values, "patterns").items():
        kind = given.get("kind") if isinstance(given, dict) else None
        pattern = PATTERNS.get(kind) if isinstance(kind, str) else None
        section = Section(report, ("patterns", name), given, _allowed(pattern, given))
        section.text("kind", choices=tuple(PATTERNS))
        stream = streams.get(section.reference("stream", streams, "stream"))
        if pattern is None or stream is None:
            continue
        if pattern.make == "list":
            found.lists[name] = read_list(section, name, stream)
            continue
        if pattern.make == "table" and name in own["tables"]:
            message = f"there is a table {name} already, and a pattern is a table and a rule of its name"
            report.key(("patterns", name), message)
        read = read_given(section, pattern, stream)
        if pattern.make == "flow":
            flow = read_flow(section, name, pattern, stream, read)
            if flow is not None:
                found.flows[name] = flow
        elif read is not None and not any(name in each for each in own.values()):
            _expand(own, section, name, pattern, stream, read)
    return found


def _allowed(pattern: Pattern | None, given: Any) -> tuple[str, ...]:
    if pattern is None:  # what goes with an unknown kind can't be told from mistakes
        return (*_KEYS, *_MORE_KEYS["table"], *(given if isinstance(given, dict) else ()))
    return (*_KEYS, *_MORE_KEYS[pattern.make], *pattern.fields, *map(shown, pattern.settings))


def _expand(
    own: dict[str, dict[str, Any]], section: Section, name: str, pattern: Pattern, stream: StreamSpec, read: Given
) -> None:
    """Add the table and the rule, or the detector, that a pattern stands for."""
    told = {
        "severity": section.text("severity", pattern.severity, choices=SEVERITIES),
        "description": section.text("description", pattern.doc),
    }
    if pattern.make == "detector":
        measured = {"stream": stream.name, "by": read.by, "value": read.fields["amount"]}
        limits = {"threshold": read.settings["deviations"]}
        own["detectors"][name] = {**pattern.params, **measured, **limits, **told}
        return
    measures = {key: free_name(key, stream.fields) for key in (pattern.measures or {"n": ""})}
    settings = {key: repr(value) for key, value in read.settings.items()}
    window = pattern.window if read.window_ms is None else show_duration(read.window_ms)
    fresh_ms = max(parse_duration(pattern.window), parse_duration(window)) // _FRESH
    texts = {"time": stream.time, "fresh_ms": fresh_ms, **read.fields, **settings, **measures}
    table = {"stream": stream.name, "by": read.by, "window": {"sliding": window} | _pane(parse_duration(window))}
    table["measures"] = {measures[key]: text.format_map(texts) for key, text in _measures(pattern).items()}
    kept = [value for key, value in read.settings.items() if key.endswith("_ms")]
    if pattern.ttl or kept:
        table["ttl"] = pattern.ttl or show_duration(3 * int(kept[0]))
    if section.has("max_keys"):
        table["max_keys"] = section.values["max_keys"]
    rule = {"table": name, "when": pattern.when.format_map(texts), **told}
    if section.has("cooldown"):
        rule["cooldown"] = section.values["cooldown"]
    own["tables"][name], own["rules"][name] = table, rule


def _measures(pattern: Pattern) -> Mapping[str, str]:
    """Of the pattern; a table has at least one."""
    return pattern.measures or {"n": "count()"}


def _pane(size_ms: int) -> dict[str, str]:
    """Coarser panes than usual: no pattern looks at the edge of its window that closely."""
    return {} if size_ms % _PANES else {"pane": show_duration(size_ms // _PANES)}
