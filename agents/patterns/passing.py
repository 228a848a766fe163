"""Money that comes in and goes out again soon."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.patterns.circles import walk
from agents.patterns.spec import FAN
from tables.edges import Edges, Newest

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Passed:
    """What an account passed on.

    Args:
        numbers: Of the transfers in and out, ascending, the one that was found last.
        received: What came in.
        sent: What went out since the first of it came.
        since_ms: When that was.
    """

    numbers: list[int]
    received: float
    sent: float
    since_ms: int


@dataclass(frozen=True, slots=True)
class _Ends:
    """Transfers at one end of accounts, newest first, as matrices of shape ``(m, 17)``; what is not there is 0."""

    numbers: Int64
    time_ms: Int64
    amount: Float64

    @classmethod
    def gathered(
        cls, edges: Edges, heads: Int64, link: str, oldest: Int64, since_ms: Int64, until_ms: Int64
    ) -> "_Ends":
        shape = (len(heads), FAN + 1)
        made = cls(np.full(shape, -1), np.full(shape, _NEVER), np.zeros(shape))
        for step, (rows, numbers) in enumerate(walk(edges, heads, link, oldest, since_ms, steps=FAN + 1)):
            time_ms = edges.column("time_ms", numbers)
            seen = time_ms <= until_ms[rows]
            at = (rows[seen], step)
            made.numbers[at], made.time_ms[at] = numbers[seen], time_ms[seen]
            made.amount[at] = edges.amount(numbers[seen])
        return made

    @property
    def is_busy(self) -> NDArray[np.bool_]:
        """Whether there may be more than were looked at."""
        return np.asarray((self.numbers >= 0).all(axis=1))

    def take(self, rows: NDArray[np.bool_]) -> "_Ends":
        return _Ends(self.numbers[rows], self.time_ms[rows], self.amount[rows])

    def since(self, time_ms: Int64) -> Float64:
        """The sum of the amounts from each of ``time_ms``, shape ``(m, k)``, on, of the same shape."""
        counts = self.time_ms[:, None, :] >= time_ms[:, :, None]
        return np.asarray(np.where(counts, self.amount[:, None, :], 0.0).sum(axis=2))


@dataclass(frozen=True, kw_only=True, slots=True)
class PassingSearch:
    """Finds accounts that send what they have just received.

    At each transfer its sender is looked at: from some transfer to it on, at least ``least`` came in, and at least
    ``share`` and at most ``most`` of that went out, this transfer included, all within ``window_ms`` before it. What
    the account spent before the money came is no part of it.

    What is missed: an account with more than 16 transfers at either end within the window, which is a business rather
    than a mule; money that leaves mixed with much of the account's own.

    Args:
        window_ms: See above.
        least: See above.
        share: See above.
        most: See above.

    Cost: a look-up for each transfer, 0.3 us; 5 us for each whose sender has received as much.
    """

    window_ms: int
    least: float
    share: float
    most: float

    def find(self, edges: Edges, newest: Newest, numbers: Int64) -> dict[int, Passed]:
        """Transfers by which money is passed on, by their place in the batch; see ``CircleSearch.find``."""
        heads = newest.before(edges.column("source", numbers), numbers)
        oldest = np.maximum(edges.oldest(numbers), edges.first)
        at = np.flatnonzero(heads >= oldest)
        if not len(at):
            return {}
        numbers, oldest = numbers[at], oldest[at]
        until_ms = edges.column("time_ms", numbers)
        since_ms = until_ms - self.window_ms
        came = _Ends.gathered(edges, heads[at], "into", oldest, since_ms, until_ms)
        rich = (came.amount.sum(axis=1) >= self.least) & ~came.is_busy
        came, at, numbers, until_ms = came.take(rich), at[rich], numbers[rich], until_ms[rich]
        before = edges.column("out_of", numbers)
        went = _Ends.gathered(edges, before, "out_of", oldest[rich], since_ms[rich], until_ms)
        received = came.since(came.time_ms)
        sent = went.since(came.time_ms) + edges.amount(numbers)[:, None]
        fits = (came.numbers >= 0) & (received >= self.least) & ~went.is_busy[:, None]
        fits &= (sent >= self.share * received) & (sent <= self.most * received)
        best = np.argmax(np.where(fits, received, -1.0), axis=1)
        found = {}
        for row in np.flatnonzero(fits.any(axis=1)).tolist():  # few
            k = best[row]
            since = came.time_ms[row, k]
            parts = [
                ends.numbers[row][(ends.time_ms[row] >= since) & (ends.numbers[row] >= 0)] for ends in (came, went)
            ]
            found[int(at[row])] = Passed(
                [*np.sort(np.concatenate(parts)).tolist(), int(numbers[row])],
                float(received[row, k]),
                float(sent[row, k]),
                int(since),
            )
        return found
