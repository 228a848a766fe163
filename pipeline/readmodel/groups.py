"""Where the other consumer groups of the log stand: subscribers, deliveries, other programs."""

from collections import deque
from typing import Final

from pipeline.errors import UsageError
from pipeline.health.lag import LagRow, read_lag, with_rates
from pipeline.log.api import Log

EVERY_MS: Final = 5_000
LOOKS: Final = 3


class OtherGroups:
    """Look at the groups of a log now and then, seldom enough not to be felt where there are many.

    Args:
        log: The log; only read.
        own: Group that somebody else looks at.

    Cost: a few requests for each group every ``EVERY_MS``.
    """

    def __init__(self, log: Log, *, own: str) -> None:
        self._log = log
        self._own = own
        self._looks: deque[list[LagRow]] = deque(maxlen=LOOKS)
        self._looked_ms = -EVERY_MS
        self.rows: list[LagRow] = []

    async def refresh(self, now_ms: int) -> bool:
        """Look again if it is time; whether it was.

        Raises:
            LogError: If the log can't be read.
        """
        if now_ms - self._looked_ms < EVERY_MS:
            return False
        self._looked_ms = now_ms
        found: list[LagRow] = []
        for group in sorted(set(await self._log.groups()) - {self._own}):
            try:
                found += await read_lag(self._log, group, now_ms)
            except UsageError:
                continue  # it has members and no position yet, or is gone since
        self.rows = with_rates(self._looks[0], found) if self._looks else found
        self._looks.append(found)
        return True
