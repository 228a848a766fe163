"""One partition on a virtual clock: what a live worker's unit does with it, without a log and without waiting."""

import itertools
from collections.abc import Iterator

import numpy as np

from agents.events import Chunk, Int64, Output
from pipeline.plan import SourcePlan
from pipeline.shard import Shard
from pipeline.shard_output import OnScores
from pipeline.worker.units import chunks


class Lane:
    """A shard, whose event time follows the virtual clock while its partition is idle.

    ::

        records    a ........................ b          b was appended idle_advance or more after a:
        advance                             |            event time comes to b - idle_advance before b does

    Args:
        plan: What to do for the topic.
        partition: Which partition of it.
        on_scores: Told the score of each record.
    """

    def __init__(self, plan: SourcePlan, partition: int, *, on_scores: OnScores | None = None) -> None:
        self.shard = Shard(plan, partition, on_scores=on_scores)
        self._idle_ms = plan.stream.idle_advance_ms
        self._fed_ms: int | None = None

    def process(self, chunk: Chunk) -> Iterator[Output]:
        """Apply a chunk, whose append times are the clock."""
        if not len(chunk):  # nothing to be seen up to its next offset
            yield self.shard.process(chunk)
        for start, stop in self.stretches(chunk.timestamps_ms):
            yield from self.wait(int(chunk.timestamps_ms[start]))
            part = chunk if stop - start == len(chunk) else chunks.tail(chunks.head(chunk, stop), start)
            yield self.shard.process(part)

    def stretches(self, now_ms: Int64) -> Iterator[tuple[int, int]]:
        """Records between which the partition is not idle: start inclusive, stop exclusive.

        Args:
            now_ms: Append times, Unix ms, shape ``(n,)``; each stretch is to be processed before the next is asked for.
        """
        clock = np.maximum.accumulate(now_ms)
        cuts = [] if self._idle_ms is None else (np.flatnonzero(np.diff(clock) >= self._idle_ms) + 1).tolist()
        for start, stop in itertools.pairwise([0, *cuts, len(clock)] if len(clock) else []):
            yield start, stop
            self._fed_ms = max(int(clock[stop - 1]), self._fed_ms or 0)

    def wait(self, now_ms: int) -> Iterator[Output]:
        """Let the clock come to ``now_ms`` without a record."""
        if self._idle_ms is not None and self._fed_ms is not None and now_ms - self._fed_ms >= self._idle_ms:
            yield self.shard.advance(now_ms - self._idle_ms)
