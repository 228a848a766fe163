"""All that made an alert fire, in one sentence: what ``why`` of an alert leaves out for the sake of brevity."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import orjson

from agents.events import Alert, RecordRef

Scalar = float | int | str | bool

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, and its text says nothing of it
_SERIES: Final = frozenset({"value", "score", "expected", "spread"})


def explanation(alert: Alert) -> str:
    """One sentence with values, baseline, limits, the rule's version, the window and the contributing records.

    >>> from textwrap import fill
    >>> first, last = RecordRef("payments", 0, 5, "p1"), RecordRef("payments", 0, 7, "p3")
    >>> print(fill(explanation(Alert(
    ...     id="", rule="rapid-large", version="0a1b2c3d", severity="high", stream="payments", table="account_10m",
    ...     key="a17", event_time_ms=660_000, appended_ms=0, window_start_ms=60_000, window_end_ms=660_000,
    ...     condition="large >= 3", values={"large": 3}, thresholds={"large": 3}, source=last,
    ...     records=(first, last))), 116))
    rapid-large (version 0a1b2c3d) fired for "a17" at record p3 of 1970-01-01T00:11:00.000Z, because large >= 3 held
    with large = 3 (limit 3), in the window from 1970-01-01T00:01:00.000Z up to 1970-01-01T00:11:00.000Z of account_10m,
    with the contributing records p1 and p3.
    """
    values, limits = dict(alert.values), dict(alert.thresholds)
    if "score" in values and "threshold" in limits:
        facts = _of_series(values, limits)
    else:
        facts = [_fact(name, value, limits.get(name)) for name, value in values.items()]
    what = f"because {alert.condition} held" + (f" with {_listed(facts)}" if facts else "")
    window = f"in the window from {moment(alert.window_start_ms)} up to {moment(alert.window_end_ms)}"
    of = "" if alert.table is None else f" of {alert.table}"
    records = "record" if len(alert.records) == 1 else "records"
    return (
        f"{alert.rule} (version {alert.version}) fired for {value_text(alert.key)} at record {record(alert.source)} "
        f"of {moment(alert.event_time_ms)}, {what}, {window}{of}, with the contributing {records} "
        f"{_listed([record(each) for each in alert.records])}."
    )


def moment(time_ms: int) -> str:
    """A time as ISO 8601 in UTC, to the millisecond.

    >>> moment(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    second, ms = divmod(time_ms, 1000)
    try:
        return f"{_second(second)}.{ms:03d}Z"
    except OverflowError:  # beyond the year 9999
        return f"{time_ms} ms"


@lru_cache(maxsize=4_096)
def _second(second: int) -> str:
    """Alerts come in bursts, and their windows begin and end together."""
    return (_EPOCH + timedelta(seconds=second)).isoformat()


def record(ref: RecordRef) -> str:
    """A record by its own id, or by where it stands."""
    return ref.id or f"{ref.topic}/{ref.partition} at {ref.offset}"


def _of_series(values: dict[str, Scalar | None], limits: dict[str, Scalar]) -> list[str]:
    """What a series detector compared: both directions have one threshold."""
    score, threshold = values["score"], limits["threshold"]
    is_below = isinstance(score, int | float) and isinstance(threshold, int | float) and score < 0 < threshold
    facts = [_fact("value", values.get("value"), None), _fact("baseline", values.get("expected"), None)]
    facts += [_fact("spread", values["spread"], None)] if values.get("spread") is not None else []
    facts.append(_fact("score", score, -threshold if is_below else threshold))  # type: ignore[operator]
    facts += [_fact(name, value, limits.get(name)) for name, value in values.items() if name not in _SERIES]
    return facts


def _fact(name: str, value: Scalar | None, limit: Scalar | None) -> str:
    against = "" if limit is None or (value == limit and isinstance(limit, str)) else f" (limit {value_text(limit)})"
    return f"{name} = {value_text(value)}{against}"


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def value_text(value: Scalar | None) -> str:
    """A value for people: four significant digits, none of them lost before the decimal point."""
    if isinstance(value, np.generic):  # from a user's agent
        value = value.item()
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "unknown"
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
