"""The storm guard: a flood of alerts of one rule becomes one notice, which grows with its severity and says its end.

::

    alerts of a rule   ·  ·    ·· ···········|·············| ···   ·   ·
                                             ^ began        ^ grew       ^ ended
                              limit alerts within window    worse        fewer than half of limit within window
"""

from typing import Final

from msgspec.structs import replace

from agents.spec import SEVERITIES
from pipeline.incidents.draft import Draft
from pipeline.incidents.events import Raised
from pipeline.incidents.model import Notice, NoticeKind, Storm, StormReport, identity

_KEYS: Final = 20
_SAMPLE: Final = 5


def observe(draft: Draft, alert: Raised) -> bool:
    """Take an alert in; whether it belongs to a storm, so that nobody is to be told about it alone."""
    settings, now_ms = draft.settings, draft.now_ms
    before = draft.storms.get(alert.rule) or Storm(rule=alert.rule, times_ms=())
    times = (*before.times_ms, now_ms)[-settings.storm_limit :]
    if before.began_ms is not None:
        storm = _with(replace(before, times_ms=times), alert)
        kind: NoticeKind | None = "storm-grew" if storm.severity != before.severity else None
    elif len(times) == settings.storm_limit and times[0] > now_ms - settings.storm_window_ms:
        began = Storm(rule=alert.rule, times_ms=times, id=identity("storm", alert.rule, alert.id), began_ms=now_ms)
        storm, kind = _with(began, alert), "storm-began"
    else:
        storm, kind = replace(before, times_ms=times), None
    _tell(draft, storm, kind)
    return storm.began_ms is not None


def end(draft: Draft, rule: str) -> None:
    """Take note that a rule has become quiet, at the time of ``storm_ends_ms``."""
    storm = draft.storms[rule]
    if storm.began_ms is not None:
        times = tuple(time for time in storm.times_ms if time > draft.now_ms - draft.settings.storm_window_ms)
        _tell(draft, storm, "storm-ended")
        draft.set_storm(rule, Storm(rule=rule, times_ms=times) if times else None)
    else:
        draft.set_storm(rule, None)


def _with(storm: Storm, alert: Raised) -> Storm:
    is_shown = alert.key in storm.keys or len(storm.keys) < _KEYS
    keys = {**storm.keys, alert.key: storm.keys.get(alert.key, 0) + 1} if is_shown else storm.keys
    return replace(
        storm,
        count=storm.count + 1,
        severity=max(storm.severity, alert.severity, key=SEVERITIES.index),
        keys=keys,
        other_keys=storm.other_keys + (not is_shown),
        sample=(*storm.sample, alert.why)[:_SAMPLE],
    )


def _tell(draft: Draft, storm: Storm, kind: NoticeKind | None) -> None:
    if kind is not None and storm.began_ms is not None:
        is_over = kind == "storm-ended"
        report = StormReport(
            id=storm.id,
            rule=storm.rule,
            began_ms=storm.began_ms,
            ended_ms=draft.now_ms if is_over else None,
            count=storm.count,
            keys=storm.keys,
            other_keys=storm.other_keys,
            sample=storm.sample,
        )
        draft.notices.append(
            Notice(
                id=identity(storm.id, str(storm.told)),
                kind=kind,
                time_ms=draft.now_ms,
                severity=storm.severity,
                rule=storm.rule,
                key="",
                summary=_sentence(report, draft.settings.storm_limit),
                storm=report,
            )
        )
        storm = replace(storm, told=storm.told + 1)
    draft.set_storm(storm.rule, storm)


def _sentence(report: StormReport, limit: int) -> str:
    some = len(report.keys)
    keys = f"more than {some} keys" if report.other_keys else "1 key" if some == 1 else f"{some} keys"
    if report.ended_ms is not None:
        return f"The storm of {report.rule} is over: {report.count} alerts of {keys} were folded into it."
    if report.count > 1:
        return f"The storm of {report.rule} got worse: {report.count} alerts of {keys} so far."
    return f"{report.rule} fires too often, {limit} times by now; its alerts are counted until that ends."
