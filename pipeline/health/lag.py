"""The lag of consumer groups straight from the log, so that it is right when every worker is dead."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.events import TopicPartition
from pipeline.errors import UsageError
from pipeline.health.burrow import Status, Verdict
from pipeline.health.look import Look, look
from pipeline.health.sampler import eta_ms, rates
from pipeline.health.stuck import Cause
from pipeline.log.api import Lease, Log

LeaseState = Literal["held", "expired", "free", "none"]

_SILENT_MS: Final = 15_000


@dataclass(frozen=True, kw_only=True, slots=True)
class LagRow:
    """Where a group stands in one partition.

    Args:
        group: The consumer group.
        topic: The topic.
        partition: Of that topic.
        time_ms: When this was read, Unix ms.
        start: First offset kept.
        end: Offset after the last record.
        committed: The group's position; ``None`` before its first commit.
        committed_ms: When it was written, Unix ms; ``None`` also where the log does not tell: Kafka doesn't, for other
            programs' groups.
        lag_records: Records kept that are not covered by a commit.
        lag_ms: True lag: how long the next of them has been waiting, 0 when there is none.
        owner: Member that owns or last owned the partition; ``None`` if there is none.
        lease: Of that member: ``held`` or ``expired``; ``free`` when other partitions of the group have owners;
            ``none`` when the group has no members, as that of a plain consumer.
        produce_per_s: Records appended a second, where known.
        consume_per_s: Records committed a second, where known.
        eta_ms: When the lag will be gone at this pace, -1 if never; ``None`` where the pace is unknown.
        status: As far as one look tells; see ``with_measured`` for more.
        reason: Why this status.
    """

    group: str
    topic: str
    partition: int
    time_ms: int
    start: int
    end: int
    committed: int | None
    committed_ms: int | None
    lag_records: int
    lag_ms: int
    owner: str | None
    lease: LeaseState
    produce_per_s: float | None = None
    consume_per_s: float | None = None
    eta_ms: int | None = None
    status: Status
    reason: str


async def read_lag(log: Log, group: str | None, now_ms: int, topics: Collection[str] = ()) -> list[LagRow]:
    """Read where groups stand, asking nobody but the log.

    Args:
        log: The log.
        group: One group, or ``None`` for all.
        now_ms: This moment, Unix ms.
        topics: Topics to show for ``group`` even if it never committed there.

    Returns:
        Rows by group, topic and partition.

    Raises:
        UsageError: If there is no such group, and no ``topics`` to show.
    """
    groups = sorted(await log.groups()) if group is None else [group]
    rows = [row for each in groups for row in await _read_group(log, each, now_ms, topics)]
    if group is not None and not rows:
        known = ", ".join(sorted(await log.groups())) or "none yet"
        raise UsageError(f"no consumer group {group!r} in this log; there is: {known}. Has a worker ever run?")
    return rows


async def _read_group(log: Log, group: str, now_ms: int, topics: Collection[str]) -> list[LagRow]:
    leases = {lease.source: lease for lease in await log.leases(group)}
    known = await log.topics()
    sources = [*leases, *await log.committed(group)]
    named = {source.topic for source in sources}.union(topics)
    looks = await look(log, group, sorted(named.intersection(known)), now_ms)
    return [_row(group, seen, leases) for seen in looks]


def _row(group: str, seen: Look, leases: Mapping[TopicPartition, Lease]) -> LagRow:
    lease = leases.get(seen.source)
    state: LeaseState = "free" if leases else "none"
    if lease is not None:
        state = "held" if lease.expires_ms > seen.time_ms else "expired"
    verdict = _judge(seen, lease, state)
    committed = seen.committed
    return LagRow(
        group=group,
        topic=seen.source.topic,
        partition=seen.source.partition,
        time_ms=seen.time_ms,
        start=seen.start,
        end=seen.end,
        committed=None if committed is None else committed.offset,
        committed_ms=seen.committed_ms,
        lag_records=seen.lag_records,
        lag_ms=seen.lag_ms,
        owner=None if lease is None else lease.member,
        lease=state,
        eta_ms=eta_ms(seen.lag_records, None, None),
        status=verdict.status,
        reason=verdict.reason,
    )


def _judge(seen: Look, lease: Lease | None, state: LeaseState) -> Verdict:
    """What one look tells: whether somebody works on what waits."""
    lag = seen.observation.lag
    if lag == 0:
        return Verdict(Status.OK, "nothing waits")
    waits = f"{lag} records wait"
    if state == "free":
        return Verdict(Status.STOP, f"{waits} and nobody owns the partition")
    if lease is not None and state == "expired":
        ago = _seconds(seen.time_ms - lease.expires_ms)
        return Verdict(Status.STOP, f"{waits} and the lease of {lease.member} expired {ago} ago")
    if seen.committed is None:
        silent_ms, said = seen.lag_ms, "nothing was ever committed"
    elif seen.committed_ms is None:
        return Verdict(Status.OK, f"{waits}, when the last commit was is not told")
    else:
        silent_ms = seen.time_ms - seen.committed_ms
        said = f"the last commit was {_seconds(silent_ms)} ago"
    # A position that is old but was at the end until a moment ago says nothing: both must be old.
    stopped = min(silent_ms, seen.lag_ms) > _SILENT_MS
    return Verdict(Status.STOP if stopped else Status.OK, f"{waits}, {said}")


def _seconds(span_ms: int) -> str:
    return f"{max(span_ms, 0) / 1_000:.1f} s"


def with_rates(before: Sequence[LagRow], after: Sequence[LagRow]) -> list[LagRow]:
    """The rows of a second look with rates and ETA, from the first look some time before (a second will do)."""
    earlier = {(row.group, row.topic, row.partition): row for row in before}
    return [_paced(earlier.get((row.group, row.topic, row.partition)), row) for row in after]


def _paced(before: LagRow | None, row: LagRow) -> LagRow:
    if before is None:
        return row
    consumed = (row.end - row.lag_records) - (before.end - before.lag_records)
    produced_per_s, consumed_per_s = rates(row.time_ms - before.time_ms, row.end - before.end, consumed)
    eta = eta_ms(row.lag_records, produced_per_s, consumed_per_s)
    return replace(row, produce_per_s=produced_per_s, consume_per_s=consumed_per_s, eta_ms=eta)


class Measured(Protocol):
    """A view of a health table: keys ``topic/partition``, and columns with a row for each key and window."""

    @property
    def keys(self) -> list[str]:
        """Key of each row."""

    @property
    def window_end_ms(self) -> NDArray[np.int64]:
        """End of each row's window, shape ``(n,)``."""

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Measures, each shape ``(n,)``."""


def with_measured(rows: Sequence[LagRow], group: str, view: Measured) -> list[LagRow]:
    """Rows of ``group`` with the rates, ETA and status that its workers measured, where they did so lately.

    The status is the worse of the measured one and that of the look: a dead worker can't say that it is dead.
    """
    newest: dict[str, int] = {}
    ends_ms, status = view.window_end_ms, view.columns["status"]
    for at in np.flatnonzero(~np.isnan(status)).tolist():
        key = view.keys[at]
        if key not in newest or ends_ms[at] > ends_ms[newest[key]]:
            newest[key] = at
    return [
        _overlaid(row, view, newest.get(f"{row.topic}/{row.partition}") if row.group == group else None) for row in rows
    ]


def _overlaid(row: LagRow, view: Measured, at: int | None) -> LagRow:
    if at is None or row.time_ms - int(view.window_end_ms[at]) > _SILENT_MS:
        return row
    found = {name: float(view.columns[name][at]) for name in ("produce_per_s", "consume_per_s", "eta_ms", "status")}
    status, reason = Status(int(found.pop("status"))), row.reason
    stuck = view.columns["stuck"][at]
    if not np.isnan(stuck) and stuck > 0:
        cause = Cause(int(stuck))
        status, reason = max(status, Status.STALL), f"{row.reason}; stuck in {cause.name.lower()}: {cause.sentence}"
    elif status > row.status:
        reason = f"{row.reason}; the workers measured {status.name}"
    known: dict[str, Any] = {name: value for name, value in found.items() if not np.isnan(value)}
    if "eta_ms" in known:
        known["eta_ms"] = int(known["eta_ms"])
    return replace(row, **known, status=max(status, row.status), reason=reason)


class Skew(NamedTuple):
    """How unevenly a topic's partitions are loaded.

    ``lag_ratio`` is the largest lag over the mean lag, 1 when all are equal or nothing waits; ``busiest`` the partition
    with the largest share of what is produced, and ``share`` that share, 0-1.
    """

    group: str
    topic: str
    partitions: int
    lag_ratio: float
    busiest: int
    share: float


def skew(rows: Sequence[LagRow]) -> list[Skew]:
    """Skew of each group and topic: of rates where they are known, else of the records kept."""
    by_topic: dict[tuple[str, str], list[LagRow]] = defaultdict(list)
    for row in rows:
        by_topic[row.group, row.topic].append(row)
    return [_skew(group, topic, members) for (group, topic), members in by_topic.items()]


def _skew(group: str, topic: str, rows: Sequence[LagRow]) -> Skew:
    lags = [row.lag_records for row in rows]
    produced = [row.produce_per_s for row in rows if row.produce_per_s is not None]
    if len(produced) < len(rows) or not any(produced):
        produced = [float(row.end - row.start) for row in rows]
    most, total = max(produced), sum(produced)
    return Skew(
        group=group,
        topic=topic,
        partitions=len(rows),
        lag_ratio=max(lags) * len(lags) / sum(lags) if any(lags) else 1.0,
        busiest=rows[produced.index(most)].partition,
        share=most / total if total else 1.0 / len(rows),
    )
