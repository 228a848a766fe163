"""What numba compiles of episodes: a sample at a time instead of a pass for each sample of the busiest series.

Imported only where it is used.
"""

from typing import Any

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]  # numba is untyped
def follow(
    columns: Any, limits: Any, rows: Any, begins: Any, score: Any, calibration: Any, found: Any
) -> None:  # pragma: no cover - compiled
    """Move series on by one score after the other, as ``Episodes.step`` does by one score of each.

    ``limits`` are the threshold, what is clear, the rest, and 1, -1 or 0 for the direction; ``calibration`` is empty
    where nobody calibrates; ``found`` takes what fires, the scores to report, and what ends.
    """
    firing, samples, beyond, raised = columns
    threshold, clear, rest, direction = limits
    fires, reported, ends = found
    for i in range(len(rows)):
        row = rows[i]
        if begins[i]:
            firing[row], samples[row], beyond[row], raised[row] = False, 0, -1, False
        own = score[i]
        odd = abs(own) if direction == 0 else direction * own
        over = odd >= threshold
        at, last = samples[row], beyond[row]
        resting = last >= 0 and at - last <= rest * (at + 1)
        starts = over and not firing[row] and not resting
        if len(calibration):
            starts = starts and at >= calibration[i]
        goes_on = over or (firing[row] and not odd < clear)
        fires[i], ends[i] = starts, raised[row] and not goes_on
        firing[row] = goes_on
        raised[row] = starts or (raised[row] and goes_on)
        if over:
            beyond[row] = at
        samples[row] = at + 1
        reported[i] = own
        if over and not starts:
            size = abs(own)
            reported[i] = (threshold if own > 0.0 else -threshold) * size / (threshold + size)
