"""``[incidents]``: how alerts become incidents, and ``[incidents.maintenance.NAME]``: when nobody is told."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from agents.spec import RuleSpec, StreamSpec
from pipeline.config.report import Report, show
from pipeline.config.section import Section
from pipeline.incidents.settings import MINUTE_MS, IncidentSettings, Maintenance
from tables.spec import TableSpec

_LENGTHS: Final = ("hold", "longest", "reopen", "cooldown", "keep", "remember", "max_age", "storm_window")
KEYS: Final = ("group_by", *_LENGTHS, "storm", "maintenance")
_WINDOW_KEYS: Final = ("reason", "rule", "key", "from", "until", "daily", "days")
_TAKEN: Final = "alert"
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAILY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DEFAULT: Final = IncidentSettings()


def read_incidents(
    report: Report,
    values: dict[str, Any],
    streams: Mapping[str, StreamSpec],
    tables: Mapping[str, TableSpec],
    rules: Mapping[str, RuleSpec],
) -> IncidentSettings | None:
    """How alerts become incidents; ``None`` if the section is not there, and nothing becomes of them."""
    if "incidents" not in values:
        return None
    section = Section(report, ("incidents",), values["incidents"], KEYS)
    _check_topics(report, values, streams)
    lengths = {f"{key}_ms": section.duration(key, getattr(_DEFAULT, f"{key}_ms")) for key in _LENGTHS}
    if (lengths["max_age_ms"] or 0) > (lengths["remember_ms"] or 0):
        section.wrong("max_age", "max_age must not be longer than remember, or repeats would open incidents again")
    group_by = _texts(section, "group_by", _DEFAULT.group_by)
    return IncidentSettings(
        group_by=group_by,
        **{key: length for key, length in lengths.items() if length is not None},
        storm_limit=section.whole("storm", _DEFAULT.storm_limit, 2, 1_000),
        maintenance=_maintenance(section),
        rests_ms={rule.name: _rest_ms(rule, tables) for rule in rules.values()},
    )


def _check_topics(report: Report, values: dict[str, Any], streams: Mapping[str, StreamSpec]) -> None:
    for stream in streams.values():
        if stream.topic == _TAKEN:
            shared = f"{values.get('app', {}).get('name', '')}-{_TAKEN}-state"
            report.key(
                ("streams", stream.name),
                f"the state of the topic {_TAKEN!r} would share {shared!r} with that of incidents; give the topic "
                "another name",
            )


def _rest_ms(rule: RuleSpec, tables: Mapping[str, TableSpec]) -> int:
    """How long a rule says nothing about a key after it fired."""
    if rule.cooldown_ms is not None:
        return rule.cooldown_ms
    return tables[rule.table].window.size_ms if rule.table in tables else 0


def _texts(section: Section, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    given = section.values.get(key, list(default))
    if not isinstance(given, list) or not given or not all(isinstance(each, str) and each for each in given):
        section.wrong(key, f"{key} must be a list of names, found {show(given)}")
        return default
    return tuple(given)


def _maintenance(section: Section) -> tuple[Maintenance, ...]:
    named = section.values.get("maintenance", {})
    if not isinstance(named, dict):
        section.wrong(
            "maintenance", f"maintenance must hold tables such as [incidents.maintenance.NAME], found {show(named)}"
        )
        return ()
    windows = [
        _window(Section(section.report, (*section.path, "maintenance", name), given, _WINDOW_KEYS), name)
        for name, given in named.items()
    ]
    return tuple(window for window in windows if window is not None)


def _window(section: Section, name: str) -> Maintenance | None:
    about = Maintenance(
        reason=section.text("reason", name),
        rule=section.text("rule", "") or None,
        key=section.text("key", "") or None,
        from_ms=0,
        until_ms=0,
    )
    if section.has("daily") == (section.has("from") or section.has("until")):
        section.report.key(
            section.path, 'a maintenance window has either daily = "23:00-01:00" (UTC), or from and until'
        )
        return None
    if section.has("daily"):
        match = _DAILY.fullmatch(section.text("daily"))
        if match is None:
            section.wrong("daily", 'daily must be two times of day in UTC, such as "23:00-01:00"')
            return None
        start, end = (int(match[at]) * 60 + int(match[at + 1]) for at in (1, 3))
        return replace(about, from_ms=start * MINUTE_MS, until_ms=end * MINUTE_MS, daily=True, days=_days(section))
    from_ms, until_ms = _moment(section, "from"), _moment(section, "until")
    if from_ms is None or until_ms is None:
        return None
    if until_ms <= from_ms:
        section.wrong("until", "until must be later than from")
    return replace(about, from_ms=from_ms, until_ms=until_ms)


def _days(section: Section) -> frozenset[int]:
    given = _texts(section, "days", _DAYS)
    for day in given:
        if day not in _DAYS:
            section.wrong("days", f"{show(day)} is no day; write {', '.join(_DAYS)}")
    return frozenset(_DAYS.index(day) for day in given if day in _DAYS)


def _moment(section: Section, key: str) -> int | None:
    value = section.values.get(key)
    if not isinstance(value, datetime) or value.tzinfo is None:
        section.wrong(key, f"{key} must be a time with its zone, such as 2026-01-31T22:00:00Z")
        return None
    return round(value.timestamp() * 1_000)
