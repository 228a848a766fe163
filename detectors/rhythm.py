"""What a series usually does at this time of the day and of the week."""

from typing import Final

import numpy as np

from detectors.base import Float, Int64, State

DAY_BINS: Final = 48
WEEK_BINS: Final = 336
_DAY_MS: Final = 86_400_000
_BIN_MS: Final = _DAY_MS // DAY_BINS
_DAY_SEEN, _WEEK_SEEN = 29.0, 9.0  # a bin's mean follows with at least 1/29 and 1/9: some days, some weeks
_MEAN_SEEN: Final = 1_000.0

COLUMNS: Final[dict[str, float]] = {
    "rhythm_mean": 0.0,
    "rhythm_seen": 0.0,
    "rhythm_errors": 0.0,
    "rhythm_day": 0.0,
    "rhythm_day_seen": 0.0,
    "rhythm_week": 0.0,
    "rhythm_week_seen": 0.0,
}
WIDTHS: Final[dict[str, int]] = {
    "rhythm_errors": 3,
    "rhythm_day": DAY_BINS,
    "rhythm_day_seen": DAY_BINS,
    "rhythm_week": WEEK_BINS,
    "rhythm_week_seen": WEEK_BINS,
}


class Rhythm:
    """Forecast a value from the recent mean, or the mean of its half-hour of the day or of the week.

    Whichever erred least of late is believed, but a profile only if its squared error is below ``gain`` of that of
    the plain mean: a series without a rhythm must not be compared with noise of other days. It works on the columns of
    a detector, and keeps none itself.

    Args:
        gain: Share of the plain mean's squared error below which a profile is believed.
        memory: Observations over which errors are compared.
        warmup: Observations before which no profile is believed.

    Cost: O(1) time; 6,192 bytes a series.
    Reference: Holt (1957), Winters (1960), the seasonal means of exponential smoothing; Herbster, Warmuth (1998),
        Tracking the best expert (the choice between forecasts by recent error).
    """

    def __init__(self, *, gain: float = 0.4, memory: float = 1_000.0, warmup: int = 300) -> None:
        self._gain = gain
        self._keep = float(2.0 ** (-1.0 / memory))
        self._warmup = warmup

    def forecast(self, columns: State, rows: Int64, time_ms: Int64 | None) -> Float:
        """What to expect of each series at these times, shape ``(m,)``; the plain mean if no time is given."""
        if time_ms is None:
            return columns["rhythm_mean"][rows]
        by_day, by_week = self._profiles(columns, rows, time_ms)
        errors = columns["rhythm_errors"][rows]
        warm = columns["rhythm_seen"][rows] > self._warmup
        limit = self._gain * errors[:, 0]
        week = warm & (errors[:, 2] < limit) & (errors[:, 2] < errors[:, 1])
        day = warm & (errors[:, 1] < limit)
        return np.where(week, by_week, np.where(day, by_day, columns["rhythm_mean"][rows]))

    def learn(self, columns: State, rows: Int64, values: Float, time_ms: Int64 | None) -> None:
        """Move each series' profiles on by its value, shape ``(m,)``."""
        mean = columns["rhythm_mean"][rows]
        seen = columns["rhythm_seen"][rows] + 1.0
        mean = np.where(seen == 1.0, values, mean)
        if time_ms is not None:
            by_day, by_week = self._profiles(columns, rows, time_ms)
            first = seen == 1.0
            forecasts = (mean, np.where(first, values, by_day), np.where(first, values, by_week))
            for j, forecast in enumerate(forecasts):
                error = values - forecast
                columns["rhythm_errors"][rows, j] = self._keep * columns["rhythm_errors"][rows, j] + error * error
            day, week = _bins(time_ms)
            _follow(columns, "rhythm_day", (rows, day), values, _DAY_SEEN)
            _follow(columns, "rhythm_week", (rows, week), values, _WEEK_SEEN)
        columns["rhythm_mean"][rows] = mean + (values - mean) / np.minimum(seen, _MEAN_SEEN)
        columns["rhythm_seen"][rows] = seen

    @staticmethod
    def _profiles(columns: State, rows: Int64, time_ms: Int64) -> tuple[Float, Float]:
        """Means of the half-hours of the day and of the week; of what is known, where one was never seen."""
        day, week = _bins(time_ms)
        by_day = np.where(
            columns["rhythm_day_seen"][rows, day] > 0.0, columns["rhythm_day"][rows, day], columns["rhythm_mean"][rows]
        )
        known = columns["rhythm_week_seen"][rows, week] > 0.0
        return by_day, np.where(known, columns["rhythm_week"][rows, week], by_day)


def _bins(time_ms: Int64) -> tuple[Int64, Int64]:
    half_hour = time_ms // _BIN_MS
    return half_hour % DAY_BINS, half_hour % WEEK_BINS


def _follow(columns: State, name: str, at: tuple[Int64, Int64], values: Float, most: float) -> None:
    seen = np.minimum(columns[f"{name}_seen"][at] + 1.0, most)
    columns[f"{name}_seen"][at] = seen
    columns[name][at] += (values - columns[name][at]) / seen
