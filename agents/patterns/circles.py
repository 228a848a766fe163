"""Money that comes back to where it began: circles of transfers, searched backwards from the one that closes each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.patterns.spec import FAN
from tables.edges import Edges
from tables.newest import Ends

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
_SHORTEST = 3


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle of transfers.

    Args:
        numbers: Of the transfers, in the order in which the money went, the one that closes it last.
        share: The smallest amount, as a share of the largest.
        span_ms: From the first to the last.
    """

    numbers: list[int]
    share: float
    span_ms: int


@dataclass(frozen=True, slots=True)
class _Paths:
    """Ways back from transfers of the batch: columns of length ``m``, and one more transfer for each step.

    Args:
        record: Place in the batch of the transfer that each way began with.
        numbers: The transfers on the way, newest step last, shape ``(m, steps)``.
        accounts: Those that it came by, shape ``(m, steps + 1)``; the last is where it has come to.
        low: Smallest amount.
        high: Largest.
        first_ms: Earliest time.
        last_ms: Latest.
    """

    record: Int64
    numbers: Int64
    accounts: Int64
    low: Float64
    high: Float64
    first_ms: Int64
    last_ms: Int64

    def take(self, rows: NDArray[np.bool_] | Int64) -> "_Paths":
        return _Paths(*(getattr(self, name)[rows] for name in _Paths.__slots__))


@dataclass(frozen=True, kw_only=True, slots=True)
class CircleSearch:
    """Finds circles of 3 to ``hops`` different accounts.

    All transfers of a circle lie within ``window_ms`` of event time, the smallest amount is at least ``share`` of the
    largest, and from some transfer on their times ascend all the way round. It is found at whichever of them comes
    last in the stream, so that it does not matter in which order partitions drain. Of several the shortest is told.

    What is missed: a circle in which an account has received more than 16 transfers, however small, between one of the
    circle and the one that closes it; one with a fee beyond ``share``; one that is split into parts on the way.

    Args:
        window_ms: See above.
        share: See above.
        hops: See above.

    Cost: a look-up for each transfer, 0.3 us; up to 16 steps for each further one that its sender has received.
    """

    window_ms: int
    share: float
    hops: int

    def find(self, edges: Edges, newest: Ends, numbers: Int64) -> dict[int, Circle]:
        """Circles that transfers close, by their place in the batch.

        Args:
            edges: Holds the batch already.
            newest: What was newest at either end of accounts.
            numbers: Of the batch's transfers, shape ``(n,)``.
        """
        time_ms, amount = edges.column("time_ms", numbers), edges.amount(numbers)
        ends = edges.column("target", numbers)
        oldest = np.maximum(edges.oldest(numbers), edges.first)
        since_ms = time_ms - self.window_ms
        paths = _Paths(
            np.arange(len(numbers)),
            np.empty((len(numbers), 0), np.int64),
            edges.column("source", numbers)[:, None],
            *(amount, amount, time_ms, time_ms),
        )
        found: dict[int, Circle] = {}
        for step in range(1, self.hops):
            heads = newest.into.before(paths.accounts[:, -1], numbers[paths.record])
            bounds = (oldest[paths.record], since_ms[paths.record])
            paths = self._extended(edges, paths, heads, bounds)
            if not len(paths.record):
                break
            is_closed = paths.accounts[:, -1] == ends[paths.record]
            if step + 1 >= _SHORTEST:
                self._note(edges, paths.take(is_closed), numbers, found)
            is_open = ~is_closed & ~(paths.accounts[:, :-1] == paths.accounts[:, -1:]).any(axis=1)
            if found:
                is_open &= ~np.isin(paths.record, list(found))
            paths = paths.take(is_open)
        return found

    def _extended(self, edges: Edges, paths: _Paths, heads: Int64, bounds: tuple[Int64, Int64]) -> _Paths:
        """Each way with each transfer that led to where it has come to, as far as these agree."""
        parent, number = joined(walk(edges, heads, "into", *bounds))
        amount, time_ms = edges.amount(number), edges.column("time_ms", number)
        longer = _Paths(
            paths.record[parent],
            np.column_stack((paths.numbers[parent], number)),
            np.column_stack((paths.accounts[parent], edges.column("source", number))),
            np.minimum(paths.low[parent], amount),
            np.maximum(paths.high[parent], amount),
            np.minimum(paths.first_ms[parent], time_ms),
            np.maximum(paths.last_ms[parent], time_ms),
        )
        return longer.take(
            (longer.low >= self.share * longer.high) & (longer.last_ms - longer.first_ms <= self.window_ms)
        )

    def _note(self, edges: Edges, closed: _Paths, numbers: Int64, found: dict[int, Circle]) -> None:
        """Keep the first circle of each transfer whose times ascend all the way round."""
        if not len(closed.record):
            return
        way = np.column_stack((closed.numbers[:, ::-1], numbers[closed.record]))
        times = edges.column("time_ms", way)
        descents = (np.diff(times, axis=1) < 0).sum(axis=1) + (times[:, 0] < times[:, -1])
        closed, way = closed.take(descents <= 1), way[descents <= 1]
        records, first = np.unique(closed.record, return_index=True)
        for record, at in zip(records.tolist(), first.tolist(), strict=True):
            share, span_ms = closed.low[at] / closed.high[at], closed.last_ms[at] - closed.first_ms[at]
            found[record] = Circle(way[at].tolist(), float(share), int(span_ms))


def walk(
    edges: Edges, heads: Int64, link: str, oldest: Int64, since_ms: Int64, *, steps: int = FAN
) -> Iterator[tuple[Int64, Int64]]:
    """The newest transfers of accounts, step by step backwards: whose, and their numbers.

    Args:
        edges: Holds them.
        heads: Number of the newest of each account, shape ``(m,)``; below ``oldest`` for none.
        link: ``into`` or ``out_of``.
        oldest: Number of the oldest that may be seen, shape ``(m,)``.
        since_ms: Event time before which they are passed over, shape ``(m,)``.
        steps: As many are looked at.
    """
    rows, at = np.arange(len(heads)), heads
    for _ in range(steps):
        held = at >= oldest[rows]
        rows, at = rows[held], at[held]
        if not len(rows):
            return
        seen = edges.column("time_ms", at) >= since_ms[rows]
        yield rows[seen], at[seen]
        at = edges.column(link, at)


def joined(steps: Iterator[tuple[Int64, Int64]]) -> tuple[Int64, Int64]:
    """All steps of a walk, one after the other."""
    rows, numbers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for row, number in steps:
        rows.append(row)
        numbers.append(number)
    return np.concatenate(rows), np.concatenate(numbers)
