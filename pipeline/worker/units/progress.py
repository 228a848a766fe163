"""How far the restoring of state has come, and how long it will take."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.events import Outgoing, TopicPartition
from pipeline.health.events import encode_event, outgoing


@dataclass(slots=True)
class _Part:
    began: float
    done: int = 0
    total: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """How far restoring is.

    Args:
        sources: What is being restored.
        share: Of what there is to read, 0-1.
        size_bytes: Read so far.
        eta_ms: How much longer at this pace; ``None`` before there is one.
    """

    sources: tuple[TopicPartition, ...]
    share: float
    size_bytes: int
    eta_ms: int | None

    def __str__(self) -> str:
        left = "" if self.eta_ms is None else f", {self.eta_ms / 1000:.1f} s left"
        return (
            f"restoring {len(self.sources)} partitions: {self.share:.0%}, {self.size_bytes / 1e6:,.0f} MB so far{left}"
        )


class RestoreProgress:
    """Follows all restores of a worker; one that has ended counts until all have.

    Times are on the loop's clock, in seconds.
    """

    def __init__(self) -> None:
        self._parts: dict[TopicPartition, _Part] = {}
        self._ended: set[TopicPartition] = set()
        self.steps = 0  # grows whenever any of them gets on

    def begin(self, source: TopicPartition, now: float) -> None:
        """Note that a restore waits or begins."""
        self._parts[source] = _Part(now)
        self._ended.discard(source)

    def advance(self, source: TopicPartition, *, done: int, total: int, size_bytes: int) -> None:
        """Note what was read: offsets of the state topic, and bytes."""
        self.steps += 1
        part = self._parts.get(source)
        if part is not None:
            part.done, part.total, part.size_bytes = done, total, size_bytes

    def end(self, source: TopicPartition) -> None:
        """Note that a restore is over, well or not."""
        self.steps += 1
        self._ended.add(source)
        if self._ended >= self._parts.keys():
            self._parts.clear()
            self._ended.clear()

    def report(self, now: float) -> Report | None:
        """How far all is; ``None`` if nothing is being restored."""
        if not self._parts:
            return None
        known = [part for part in self._parts.values() if part.total]
        done, total = sum(part.done for part in known), sum(part.total for part in known)
        # Partitions whose turn has not come yet are taken to be as large as the others.
        share = done / total * len(known) / len(self._parts) if total else 0.0
        elapsed = now - min(part.began for part in self._parts.values())
        return Report(
            sources=tuple(sorted(self._parts.keys() - self._ended)),
            share=share,
            size_bytes=sum(part.size_bytes for part in self._parts.values()),
            eta_ms=int(elapsed * (1 / share - 1) * 1000) if share else None,
        )


def restore_events(app: str, report: Report, now_ms: int) -> Sequence[Outgoing]:
    """A report as health events, one for each partition that is being restored."""
    values = {"restored": report.share, "restore_eta_ms": report.eta_ms}
    return outgoing(app, [encode_event(source, now_ms, values) for source in report.sources])
