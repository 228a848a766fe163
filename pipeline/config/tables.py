"""``[tables.NAME]``: windows, measures and bounds."""

from collections.abc import Mapping
from typing import Any

from agents.spec import StreamSpec
from pipeline.config.durations import show_duration
from pipeline.config.measures import read_measures
from pipeline.config.report import Report
from pipeline.config.section import Section, names_of
from pipeline.config.streams import field_of
from tables.spec import TableSpec, Window

_KEYS = ("stream", "by", "window", "measures", "ttl", "max_keys", "closed")
_WINDOW_KEYS = ("sliding", "tumbling", "pane", "grace")
_MOST_PANES = 1_440
_USUAL_PANES = 60
_HOUR_MS = 3_600_000
_FORMS = 'window = { sliding = "10m", pane = "10s", grace = "30s" } or { tumbling = "1m", grace = "5s" }'


def read_tables(report: Report, values: dict[str, Any], streams: Mapping[str, StreamSpec]) -> dict[str, TableSpec]:
    """All tables; what is wrong with one is replaced, so that the rest of the file can be checked."""
    tables = {}
    for name, given in names_of(report, values, "tables").items():
        section = Section(report, ("tables", name), given, _KEYS)
        stream = section.reference("stream", streams, "stream")
        fields = dict(streams[stream].fields) if stream else {}
        window, is_sized = _window(section)
        by = field_of(section, "by", fields, "str")
        measures = read_measures(section, fields)
        low_ms = window.size_ms if is_sized else 1
        ttl_ms = section.duration("ttl", max(_HOUR_MS, 3 * low_ms), low_ms=low_ms)
        max_keys = section.whole("max_keys", 1_000_000, 1, 1 << 31)
        tables[name] = TableSpec(
            name=name,
            stream=stream,
            by=by,
            window=window,
            measures=measures,
            ttl_ms=ttl_ms or 0,
            max_keys=max_keys,
            closed=section.flag("closed", True),
        )
    return tables


def _window(table: Section) -> tuple[Window, bool]:
    """The window, or one that stands in for it where it is wrong; and whether its size is known."""
    given = table.values.get("window")
    is_one = isinstance(given, dict) and ("sliding" in given) != ("tumbling" in given)
    if not is_one:
        header = f"[{'.'.join(map(str, table.path))}]"
        table.report.value((*table.path, "window"), f"{header} needs one window; write {_FORMS}")
    section = Section(table.report, (*table.path, "window"), given if isinstance(given, dict) else {}, _WINDOW_KEYS)
    sizes_ms = [section.duration(kind, None) for kind in ("sliding", "tumbling")]
    size_ms = next((size for size in sizes_ms if size), None) if is_one else None
    if is_one and section.has("sliding"):
        return _sliding(section, size_ms), size_ms is not None
    if is_one and section.has("pane"):
        section.wrong("pane", "a tumbling window has no panes; leave pane out, or write sliding")
    elif section.has("pane"):
        section.duration("pane", None)
    grace_ms = section.duration("grace", 0, low_ms=0) or 0
    return Window(kind="tumbling", size_ms=size_ms or 1, pane_ms=size_ms or 1, grace_ms=grace_ms), size_ms is not None


def _sliding(section: Section, size_ms: int | None) -> Window:
    given_ms = section.duration("pane", None)
    grace_ms = section.duration("grace", None, low_ms=0)
    if size_ms is None:
        return Window(kind="sliding", size_ms=1, pane_ms=1, grace_ms=0)
    is_good = _check_pane(section, size_ms, given_ms) if given_ms else not section.has("pane")
    pane_ms = given_ms if given_ms and is_good else usual_pane_ms(size_ms)
    most_ms = size_ms - pane_ms
    if grace_ms is None:
        grace_ms = min(pane_ms, most_ms)
    # what grace leaves room for depends on the pane; where that is wrong, only a whole window is too much for sure
    if grace_ms > most_ms and (is_good or grace_ms >= size_ms):
        most = f", {show_duration(most_ms)}" if is_good else ""
        section.wrong("grace", f"grace is {show_duration(grace_ms)}; at most window minus pane is allowed{most}")
    return Window(kind="sliding", size_ms=size_ms, pane_ms=pane_ms, grace_ms=min(grace_ms, most_ms))


def _check_pane(section: Section, size_ms: int, pane_ms: int) -> bool:
    size, pane = show_duration(size_ms), show_duration(pane_ms)
    if size_ms % pane_ms:
        usual = show_duration(usual_pane_ms(size_ms))
        section.wrong("pane", f"a window of {size} is no whole number of panes of {pane}; {usual} would do")
        return False
    if size_ms // pane_ms > _MOST_PANES:
        section.wrong("pane", f"a window of {size} has {size_ms // pane_ms} panes of {pane}; at most {_MOST_PANES}")
        return False
    return True


def usual_pane_ms(size_ms: int) -> int:
    """The pane of a sliding window that says nothing about it: a sixtieth, or the next larger that divides it.

    >>> usual_pane_ms(600_000), usual_pane_ms(1_000), usual_pane_ms(7)
    (10000, 20, 1)
    """
    return size_ms // max(panes for panes in range(1, _USUAL_PANES + 1) if size_ms % panes == 0)
