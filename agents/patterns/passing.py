"""Money that comes in and goes out again soon."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.patterns.circles import joined, walk
from agents.patterns.spec import FAN
from tables.edges import Edges
from tables.newest import Ends

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Passed:
    """What an account passed on.

    Args:
        numbers: Of the transfers in and out, ascending, the one that was found last.
        account: Number of a transfer from the account.
        received: What came in.
        sent: What went out since the first of it came.
        since_ms: When that was.
    """

    numbers: list[int]
    account: int
    received: float
    sent: float
    since_ms: int


@dataclass(frozen=True, slots=True)
class _Matrix:
    """Transfers at one end of accounts, newest first, as matrices of shape ``(m, 17)``; what is not there is 0."""

    numbers: Int64
    time_ms: Int64
    amount: Float64

    @classmethod
    def gathered(
        cls, edges: Edges, heads: Int64, link: str, oldest: Int64, bounds_ms: tuple[Int64, Int64]
    ) -> "_Matrix":
        """What leads back from ``heads``, with event times within ``bounds_ms``, both inclusive."""
        shape, (since_ms, until_ms) = (len(heads), FAN + 1), bounds_ms
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

    def take(self, rows: NDArray[np.bool_]) -> "_Matrix":
        return _Matrix(self.numbers[rows], self.time_ms[rows], self.amount[rows])

    def since(self, time_ms: Int64) -> Float64:
        """The sum of the amounts from each of ``time_ms``, shape ``(m, k)``, on, of the same shape."""
        counts = self.time_ms[:, None, :] >= time_ms[:, :, None]
        return np.asarray(np.where(counts, self.amount[:, None, :], 0.0).sum(axis=2))


@dataclass(frozen=True, slots=True)
class _Cases:
    """Accounts that transfers of the batch concern, and moments at which these sent something: columns of length ``m``.

    Args:
        record: Place of the transfer in the batch.
        into: Number of the newest transfer to the account.
        out_of: Number of the newest transfer from the account.
        oldest: Number of the oldest transfer that may be seen.
        moment_ms: When something was sent.
    """

    record: Int64
    into: Int64
    out_of: Int64
    oldest: Int64
    moment_ms: Int64

    def take(self, rows: NDArray[np.bool_] | Int64) -> "_Cases":
        return _Cases(*(getattr(self, name)[rows] for name in _Cases.__slots__))


@dataclass(frozen=True, kw_only=True, slots=True)
class PassingSearch:
    """Finds accounts that send what they have just received.

    An account passes on when at some moment it sends something and, from some transfer to it on, at least ``least``
    came in, and at least ``share`` and at most ``most`` of that went out, all up to that moment and within
    ``window_ms`` before it. What the account spent before the money came is no part of it. It is found at whichever of
    these transfers comes last in the stream, so that it does not matter in which order partitions drain.

    What is missed: an account with more than 16 transfers at either end within the window, which is a business rather
    than a mule; money that leaves mixed with much of the account's own.

    Args:
        window_ms: See above.
        least: See above.
        share: See above.
        most: See above.

    Cost: some look-ups for each transfer, 1 us; 5 us for each whose account has received as much.
    """

    window_ms: int
    least: float
    share: float
    most: float

    def find(self, edges: Edges, newest: Ends, numbers: Int64) -> dict[int, Passed]:
        """Transfers by which it turns out that money is passed on, by their place; see ``CircleSearch.find``."""
        cases = self._cases(edges, newest, numbers)
        bounds_ms = (cases.moment_ms - self.window_ms, cases.moment_ms)
        came = _Matrix.gathered(edges, cases.into, "into", cases.oldest, bounds_ms)
        rich = (came.amount.sum(axis=1) >= self.least) & ~came.is_busy
        came, cases = came.take(rich), cases.take(rich)
        bounds_ms = (cases.moment_ms - self.window_ms, cases.moment_ms)
        went = _Matrix.gathered(edges, cases.out_of, "out_of", cases.oldest, bounds_ms)
        received, sent = came.since(came.time_ms), went.since(came.time_ms)
        fits = (came.numbers >= 0) & (received >= self.least) & ~went.is_busy[:, None]
        fits &= (sent >= self.share * received) & (sent <= self.most * received)
        best = np.where(fits, received, -1.0)
        found: dict[int, Passed] = {}
        for row in np.flatnonzero(fits.any(axis=1)).tolist():  # few
            record, k = int(cases.record[row]), int(np.argmax(best[row]))
            if record not in found or found[record].received < best[row, k]:
                since, last = came.time_ms[row, k], int(numbers[record])
                parts = [
                    each.numbers[row][(each.time_ms[row] >= since) & (each.numbers[row] >= 0)] for each in (came, went)
                ]
                others = np.setdiff1d(np.concatenate(parts), [last])
                found[record] = Passed(
                    [*others.tolist(), last],
                    int(cases.out_of[row]),
                    float(received[row, k]),
                    float(sent[row, k]),
                    int(since),
                )
        return found

    def _cases(self, edges: Edges, newest: Ends, numbers: Int64) -> _Cases:
        """Both ends of each transfer, at its own moment and at later ones at which the account sent something.

        In a stream in the order of event time there is but one: the sender's, now.
        """
        n, time_ms = len(numbers), edges.column("time_ms", numbers)
        source, target = edges.column("source", numbers), edges.column("target", numbers)
        oldest = np.maximum(edges.oldest(numbers), edges.first)
        record = np.tile(np.arange(n), 2)
        into = np.concatenate((newest.into.before(source, numbers), numbers))
        out_of = np.concatenate((numbers, newest.out_of.before(target, numbers)))
        ends = _Cases(record, into, out_of, oldest[record], time_ms[record])
        ends = ends.take((into >= ends.oldest) & (out_of >= ends.oldest))
        sent = walk(edges, ends.out_of, "out_of", ends.oldest, ends.moment_ms)
        rows, at = joined(sent)
        moment_ms = edges.column("time_ms", at)
        is_near = moment_ms <= ends.moment_ms[rows] + self.window_ms
        return replace(ends.take(rows[is_near]), moment_ms=moment_ms[is_near])
