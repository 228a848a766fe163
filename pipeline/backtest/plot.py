"""Charts of a backtest, drawn by matplotlib: an optional dependency, ``pip install streamgauge[plot]``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from load.ranking import DAY_MS
from pipeline.backtest.run import Run
from pipeline.errors import UsageError


def plot(runs: Sequence[tuple[str, Run]], directions: dict[str, str], path: Path) -> None:
    """Draw alerts a day by rule and, where there is a truth, precision against recall of each score.

    Args:
        runs: With the name of each configuration.
        directions: Of the detectors, by name; others count upwards.
        path: Where to; its ending says the format, such as ``.png`` or ``.svg``.

    Raises:
        UsageError: If the format can't be written.
    """
    scored = [(name, run, by) for name, run in runs if run.collected is not None for by in run.collected.scorers()]
    rows = len(runs) + bool(scored)
    figure = Figure(figsize=(10, 3.2 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for axis, (name, run) in zip(axes, runs, strict=False):
        _alerts_a_day(axis, name, run)
    if scored:
        _precision_and_recall(axes[-1], scored, directions, many=len(runs) > 1)
    try:
        figure.savefig(path)
    except ValueError as error:
        raise UsageError(f"--plot {path}: {error}") from error


def curve(fraud: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
    """Recall and precision at each different score, from the highest down, each of shape ``(n,)``."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(fraud[order])
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0.0, [True] * bool(len(order))))
    return hits[ends] / max(1, int(hits[-1]) if len(hits) else 0), hits[ends] / (ends + 1)


def _alerts_a_day(axis: Any, name: str, run: Run) -> None:
    axis.set_title(f"{name}: alerts a day")
    if run.first_ms is None or run.last_ms is None:
        return
    first = run.first_ms // DAY_MS
    days = np.arange(first, run.last_ms // DAY_MS + 1)
    below = np.zeros(len(days))
    for rule in sorted({alert.rule for alert in run.alerts}):
        day = np.array([alert.event_time_ms // DAY_MS for alert in run.alerts if alert.rule == rule]) - first
        counts = np.bincount(np.clip(day, 0, len(days) - 1), minlength=len(days))
        axis.bar(days.astype("datetime64[D]"), counts, bottom=below, label=rule, width=0.9)
        below += counts
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if run.alerts:
        axis.legend(fontsize="small")


def _precision_and_recall(
    axis: Any, scored: Sequence[tuple[str, Run, str]], directions: dict[str, str], *, many: bool
) -> None:
    axis.set_title("precision and recall of each score")
    axis.set_xlabel("recall")
    axis.set_ylabel("precision")
    for name, run, by in scored:
        if run.collected is not None:
            outcomes = run.collected.outcomes(by, directions.get(by, "up"))
            recall, precision = curve(outcomes.fraud, outcomes.score)
            axis.step(recall, precision, where="post", label=f"{name}: {by}" if many else by)
    axis.set_xlim(0.0, 1.0)
    axis.set_ylim(0.0, 1.05)
    axis.legend(fontsize="small")
