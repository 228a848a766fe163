"""Who raised an alert when, for agents whose alerts are rare."""

import numpy as np

from tables.slab import Slab

_MOST = 65_536


class Cooldown:
    """Event time of the last alert of each key, by its hash; of the latest 65,536 keys that raised one.

    Args:
        cooldown_ms: Two alerts of a key are at least so far apart in event time.
    """

    def __init__(self, cooldown_ms: int) -> None:
        self._cooldown_ms = cooldown_ms
        self._fired: dict[int, int] = {}
        self._is_new = False  # whether that changed since it was stored

    def fires(self, key: int, time_ms: int) -> bool:
        """Whether ``key`` may raise an alert for a record of ``time_ms``; that it does is noted."""
        last_ms = self._fired.get(key, time_ms - self._cooldown_ms)
        if abs(time_ms - last_ms) < self._cooldown_ms:
            return False
        self._fired.pop(key, None)
        self._fired[key], self._is_new = max(time_ms, last_ms), True
        if len(self._fired) > _MOST:
            del self._fired[next(iter(self._fired))]
        return True

    def take_dirty(self, applied: int) -> Slab | None:
        """Everything, if it changed since the last call."""
        if not self._is_new:
            return None
        self._is_new = False
        keys, times = (np.array(list(each), np.int64) for each in (self._fired, self._fired.values()))
        return Slab(applied=applied, arrays={"key": keys, "fired_ms": times})

    def load(self, slab: Slab) -> None:
        """Restore from the latest slab."""
        columns = (slab.arrays[name].tolist() for name in ("key", "fired_ms"))
        self._fired = dict(zip(*columns, strict=True))
