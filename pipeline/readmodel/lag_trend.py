"""How the lag of each partition went of late: few numbers, for a small drawing."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from pipeline.health.lag import LagRow

STEP_MS: Final = 10_000
STEPS: Final = 30


class LagTrends:
    """Keep the most records that waited in each partition in each ``STEP_MS``, ``STEPS`` of them.

    A step shows once it is over, so that a drawing changes once a step and not with each look.

    Cost: under 1 kB a partition and group.
    """

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str, int], deque[tuple[int, int]]] = {}

    def add(self, rows: Iterable[LagRow]) -> None:
        """Take a look at partitions; one that is looked at no more is forgotten with the next look."""
        kept: dict[tuple[str, str, int], deque[tuple[int, int]]] = {}
        for row in rows:
            name = (row.group, row.topic, row.partition)
            steps = self._steps.get(name)
            if steps is None:
                steps = deque(maxlen=STEPS + 1)
            start_ms = row.time_ms // STEP_MS * STEP_MS
            if steps and steps[-1][0] == start_ms:
                steps[-1] = (start_ms, max(steps[-1][1], row.lag_records))
            else:
                steps.append((start_ms, row.lag_records))
            kept[name] = steps
        self._steps = kept

    def of(self, row: LagRow) -> list[float | None]:
        """Records that waited, oldest first; ``None`` where nobody looked."""
        steps = dict(self._steps.get((row.group, row.topic, row.partition), ()))
        if not steps:
            return []
        newest = max(steps)
        values = [steps.get(newest - back * STEP_MS) for back in range(STEPS, 0, -1)]
        return [None if value is None else float(value) for value in values]
