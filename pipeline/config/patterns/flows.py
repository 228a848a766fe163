"""Patterns that follow money from account to account."""

from typing import Any, cast

from agents.patterns.catalogue import Pattern
from agents.patterns.spec import FlowSpec
from agents.spec import SEVERITIES, StreamSpec
from pipeline.config.durations import parse_duration
from pipeline.config.patterns.settings import Given
from pipeline.config.section import Section

_LONGEST = 6


def read_flow(section: Section, name: str, pattern: Pattern, stream: StreamSpec, read: Given | None) -> FlowSpec | None:
    """The flow that a pattern stands for; ``None`` if something is wrong, which has been noted."""
    kind = section.values["kind"]
    if read is not None and read.by == read.fields["of"]:
        section.wrong("of", f"of names the field {read.by!r}, as by does; it is to be the account that is paid")
    share, most = (section.number(key, float(pattern.settings.get(key) or 0)) or 0.0 for key in ("share", "most"))
    if not 0.0 < share <= 1.0:
        section.wrong("share", f"share is {share:g}; allowed is more than 0 and at most 1")
    elif kind == "pass_through" and most < share:
        section.wrong("most", f"most is {most:g}, below share; nothing would be found")
    if kind == "circular_flow":
        section.whole("hops", 4, 3, _LONGEST)
    section.whole("max_transfers", 1 << 18, 1_024, 1 << 26)
    if section.has("least") and (section.number("least", 1.0) or 0.0) <= 0.0:
        section.wrong("least", "least must be above 0")
    if read is None:
        return None
    window_ms = parse_duration(pattern.window) if read.window_ms is None else read.window_ms
    cooldown_ms = section.duration("cooldown", window_ms, low_ms=0)
    settings: dict[str, Any] = {key: value for key, value in read.settings.items() if not isinstance(value, str)}
    return FlowSpec(
        name=name,
        kind=kind,
        stream=stream.name,
        sender=read.by,
        receiver=read.fields["of"],
        amount=read.fields["amount"],
        window_ms=window_ms,
        cooldown_ms=window_ms if cooldown_ms is None else cooldown_ms,
        severity=cast("Any", section.text("severity", pattern.severity, choices=SEVERITIES) or pattern.severity),
        description=section.text("description", pattern.doc),
        **settings,
    )
