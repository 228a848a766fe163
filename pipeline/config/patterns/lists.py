"""Block and allow lists."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, cast

from agents.language.expression import closest, listed
from agents.patterns.catalogue import PATTERNS
from agents.patterns.spec import Entry, FlowSpec, ListSpec
from agents.spec import SEVERITIES, RuleSpec, StreamSpec
from pipeline.config.report import Report, show
from pipeline.config.section import Section
from pipeline.config.streams import field_of, typed_field
from tables.spec import TableSpec

LIST_KEYS: Final = ("entries", "suppresses", "cooldown", "list", "until", "reason", "keep", "max_entries")
_ENTRY_KEYS: Final = ("value", "until", "reason")
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


def read_list(section: Section, name: str, stream: StreamSpec) -> ListSpec:
    """A list; what is wrong with it is replaced, so that the rest of the file can be checked."""
    kind = section.values["kind"]
    blocks = kind == "block_list"
    fields = dict(stream.fields)
    by = field_of(section, "by", fields, "str")
    if not section.has("entries") and not section.has("list"):
        header = ".".join(map(str, section.path))
        message = (
            f'[{header}] would always be empty; give entries = ["VALUE"], or with list the field by which records name '
            "the list that they are an entry of"
        )
        section.report.key(section.path, message)
    if blocks and section.has("suppresses"):
        section.wrong("suppresses", 'a block list raises alerts; suppresses goes with kind = "allow_list"')
    for key in ("until", "reason", "keep", "max_entries"):
        if section.has(key) and not section.has("list"):
            section.wrong(key, f"{key} is about records that are entries; name with list the field that tells them")
    if not blocks and section.has("cooldown"):
        section.wrong("cooldown", "an allow list raises no alerts, so there is nothing to wait for; leave cooldown out")
    severity = section.text("severity", PATTERNS[kind].severity, choices=SEVERITIES)
    return ListSpec(
        name=name,
        blocks=blocks,
        stream=stream.name,
        by=by,
        entries=_entries(section),
        suppresses=() if blocks else _suppressed(section),
        list_field=typed_field(section, "list", fields, ("str",)) if section.has("list") else "",
        until_field=typed_field(section, "until", fields, ("int",)) if section.has("until") else "",
        reason_field=typed_field(section, "reason", fields, ("str",)) if section.has("reason") else "",
        keep_ms=section.duration("keep", 30 * _DAY_MS) or 30 * _DAY_MS,
        max_entries=section.whole("max_entries", 1_000_000, 1, 1 << 31),
        cooldown_ms=section.duration("cooldown", _HOUR_MS, low_ms=0) or 0,
        severity=cast("Any", severity or "high"),
        description=section.text("description", PATTERNS[kind].doc),
    )


def _entries(section: Section) -> tuple[Entry, ...]:
    given = section.values.get("entries", [])
    if not isinstance(given, list):
        section.wrong("entries", f'entries must be a list such as ["a1", {{ value = "a2" }}], found {show(given)}')
        return ()
    entries = {}
    for at, each in enumerate(given):
        entry = _entry(section, at, each)
        if entry is not None and entry.value in entries:
            section.report.value((*section.path, "entries", at), f"{show(entry.value)} is listed twice; leave one out")
        elif entry is not None:
            entries[entry.value] = entry
    return tuple(entries.values())


def _entry(section: Section, at: int, given: Any) -> Entry | None:
    path = (*section.path, "entries", at)
    if isinstance(given, str) and given:
        return Entry(value=given)
    if not isinstance(given, dict):
        message = f'an entry is a text, or a table such as {{ value = "a2", until = 2027-01-31 }}, found {show(given)}'
        section.report.value(path, message)
        return None
    own = Section(section.report, path, given, _ENTRY_KEYS)
    value = own.text("value")
    return Entry(value=value, until_ms=_until_ms(own), reason=own.text("reason", "")) if value else None


def _until_ms(entry: Section) -> int | None:
    """A date begins at midnight; without a zone it is UTC."""
    given = entry.values.get("until")
    if given is None:
        return None
    if isinstance(given, date) and not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day, tzinfo=UTC)
    if not isinstance(given, datetime):
        message = f"until must be a date or a time such as 2027-01-31T12:00:00Z, without quotes, found {show(given)}"
        entry.wrong("until", message)
        return None
    return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp() * 1_000)


def _suppressed(section: Section) -> tuple[str, ...]:
    given = section.values.get("suppresses")
    if not isinstance(given, list) or not given or not all(isinstance(each, str) for each in given):
        if section.has("suppresses"):
            section.wrong("suppresses", f'suppresses must be a list of rules such as ["velocity"], found {show(given)}')
        else:
            section.require("suppresses")
        return ()
    return tuple(given)


def check_lists(
    report: Report,
    lists: Mapping[str, ListSpec],
    streams: Mapping[str, StreamSpec],
    tables: Mapping[str, TableSpec],
    raising: Mapping[str, RuleSpec | FlowSpec | ListSpec],
) -> None:
    """An allow list must stand where the alerts that it suppresses are raised.

    Args:
        report: Takes the mistakes.
        lists: All lists.
        streams: All streams.
        tables: All tables.
        raising: What can be suppressed, by name.
    """
    for spec in lists.values():
        for at, name in enumerate(spec.suppresses):
            path = ("patterns", spec.name, "suppresses", at)
            what = raising.get(name)
            if what is None or name == spec.name:
                names = [each for each in raising if each != spec.name]
                message = f"suppresses names the unknown rule or pattern {show(name)}; there are {listed(names)}"
                report.value(path, message + closest(name, names))
                continue
            told = _apart(spec, what, streams, tables)
            if told:
                report.value(path, f"{name} {told}")


def _apart(
    spec: ListSpec,
    what: RuleSpec | FlowSpec | ListSpec,
    streams: Mapping[str, StreamSpec],
    tables: Mapping[str, TableSpec],
) -> str:
    """Why a list never meets what it is to suppress; nothing if it does."""
    table = tables.get(what.table) if isinstance(what, RuleSpec) else None
    if isinstance(what, RuleSpec) and table is None:
        return ""  # it is known what is wrong
    stream, by = (table.stream, table.by) if table else (what.stream, what.by)  # type: ignore[union-attr]  # one of both
    if spec.stream and stream and stream != spec.stream:
        return f"looks at the stream {stream}, and the list at {spec.stream}; make a list for {stream}"
    known = streams.get(spec.stream)
    meet = isinstance(what, FlowSpec) or by == spec.by  # all of a stream meets where a flow is followed
    if meet or known is None or known.partitions == 1 or not by or not spec.by:
        return ""
    return (
        f"follows {by}, and the list {spec.by}: with {known.partitions} partitions they are kept in different ones; "
        f"list values of {by}, or write partitions = 1"
    )
