"""What a backtest found, as plain values: what programs read, and what the tables for people are made of."""

import math
from typing import Any, Final

from pipeline.backtest.measures import measure
from pipeline.backtest.run import Run

DEFAULT_TOP: Final = 100


def report(run: Run, *, name: str, top: int = DEFAULT_TOP, elapsed_s: float) -> dict[str, Any]:
    """All that is known at the end of a run; what has no meaning is ``None``.

    Args:
        run: At its end.
        name: Of the configuration, for people.
        top: The k of precision at k.
        elapsed_s: How long the run took.
    """
    rules: dict[str, int] = {}
    for alert in run.alerts:
        rules[alert.rule] = rules.get(alert.rule, 0) + 1
    told: dict[str, Any] = {
        "config": name,
        "app": run.config.name,
        "records": run.records,
        "first_ms": run.first_ms,
        "last_ms": run.last_ms,
        "days": run.days,
        "elapsed_s": elapsed_s,
        "records_per_s": run.records / elapsed_s if elapsed_s else math.nan,
        "late": run.late,
        "bad": {"records": run.bad.counts.total(), "by_reason": dict(run.bad.counts), "first": run.bad.first},
        "scores": run.scores,
        "alerts": len(run.alerts),
        "alerts_per_day": len(run.alerts) / run.days if run.days else math.nan,
        "rules": dict(sorted(rules.items())),
    }
    if run.collected is not None:
        told["measures"] = measure(run.collected, run.config.detectors, days=run.days, top=top)
    plain: dict[str, Any] = _plain(told)
    return plain


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
