"""What the application must have written, recomputed from the source topic by brute force.

Nothing of ``tables`` or ``agents`` takes part. Tables by account follow from the order of records in their source
partition alone. What reaches the tables by merchant depends on how the workers interleaved the source partitions; that
order stands in the repartition topic, so two facts are proved instead of one:

- the repartition topic holds each accepted record exactly once, with the clock of its source partition;
- the tables and alerts by merchant are what that order gives.

Tumbling windows by merchant close by the slowest source partition, so their totals don't depend on the order at all as
long as no partition falls further behind than the skew: ``overtaken`` counts the records for which that failed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from tests.crash.local.payments import Payment, Source
from tests.crash.local.windows import PACKED_REACH, REACH, Evidence, Firing, Row, Rule, Sliding, Table, Tumbling

SKEW_MS = 60_000
"""How far behind the fastest source partition the slowest may hold windows by merchant open."""


class Place(NamedTuple):
    """Where a record of the source topic stands."""

    partition: int
    offset: int


class Packed(NamedTuple):
    """One record of the repartition topic: its offset, and of each row the origin and that partition's clock."""

    offset: int
    rows: Sequence[tuple[Place, int]]


@dataclass(slots=True)
class Expected:
    """Everything that must be in the log, by what tells one from another.

    Args:
        alerts: By rule, key, and the record that fired.
        closed: Measures by table, key and start of the window.
        state: Of the windows that are still there, likewise.
        late: Clock by tables and record.
        counts: Accepted, late and refused records by kind of shard and partition.
        overtaken: By table, records that were late only because the windows had moved on with other source partitions.
    """

    alerts: dict[tuple[str, str, Place], dict[str, Any]] = field(default_factory=dict)
    closed: dict[tuple[str, str, int], dict[str, int]] = field(default_factory=dict)
    state: dict[tuple[str, str, int], dict[str, int]] = field(default_factory=dict)
    late: dict[tuple[str, Place], int] = field(default_factory=dict)
    counts: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)
    overtaken: Counter[str] = field(default_factory=Counter)


class Shard:
    """Tables, rules and evidence of one partition, by one key.

    Args:
        by: ``account`` or ``merchant``.
        partition: Its number.
        versions: Version of each rule, which its alerts' ids are made of.
        topic: The source topic.
    """

    def __init__(self, by: str, partition: int, versions: Mapping[str, str], topic: str) -> None:
        self.by, self.partition = by, partition
        self._versions, self._topic = versions, topic
        self.tables, self._rules = _definitions(by)
        self._evidence = Evidence(REACH if by == "account" else PACKED_REACH)
        self._late = self._records = 0

    def take(self, row: Row, payment: Payment, expected: Expected) -> None:
        """One record."""
        self._records += 1
        place = Place(payment.partition, payment.offset)
        self._evidence.add(row, place)
        late = []
        for table in self.tables:
            found = table.take(row)
            if found is None:
                late.append(table.name)
                expected.overtaken[table.name] += row.ts >= row.own_ms - table.grace_ms
                continue
            for rule in self._rules:
                if rule.table is table and (firing := rule.check(row, *found)) is not None:
                    alert = self._alert(row, payment, firing, table)
                    expected.alerts[rule.name, row.key, place] = alert
        if late:
            self._late += 1
            expected.late[",".join(sorted(late)), place] = row.own_ms

    def close(self, now_ms: int) -> None:
        """Event time has come to ``now_ms``."""
        for table in self.tables:
            table.close(now_ms)

    def finish(self, expected: Expected, refused: int) -> None:
        """What is left at the end."""
        for table in self.tables:
            for rows, closed in ((expected.closed, True), (expected.state, False)):
                rows.update({(table.name, *where): values for where, values in table.rows(closed=closed)})
        counts = {"records": self._records, "late": self._late, "rejects": refused}
        expected.counts[self.by, self.partition] = counts

    def _alert(self, row: Row, payment: Payment, firing: Firing, table: Table) -> dict[str, Any]:
        return {
            "id": self._id(firing.rule, row.key, payment),
            "table": table.name,
            "event_time_ms": payment.ts,
            "appended_ms": payment.appended_ms,
            "window_start_ms": firing.window_start_ms,
            "window_end_ms": firing.window_end_ms,
            "values": firing.values,
            "source_id": payment.id,
            "records": self._evidence.of(row, firing, table.grace_ms),
        }

    def _id(self, rule: str, key: str, payment: Payment) -> str:
        digest = blake2b(digest_size=16)
        parts = (rule, self._versions[rule], key, self._topic, str(payment.partition), str(payment.offset))
        for part in parts:
            digest.update(len(part.encode()).to_bytes(4, "big") + part.encode())
        return digest.hexdigest()


def _definitions(by: str) -> tuple[list[Table], list[Rule]]:
    """The tables and rules of ``application.toml``, said once more in plain Python."""
    if by == "account":
        windows = Tumbling("account_2s", 2_000, 1_000)
        trail = Sliding("account_20s", 20_000, 1_000, 3_000)
        return [windows, trail], [
            Rule("burst", windows, {"n": 25}, None),
            Rule("rapid-large", trail, {"large": 12, "others": 6}, 5_000),
            Rule("new-place", trail, {"is_new(country)": True, "n": 4}, 20_000, reads=("country",)),
        ]
    windows = Tumbling("merchant_5s", 5_000, 2_000)
    trail = Sliding("merchant_10s", 10_000, 500, 2_000)
    return [windows, trail], [
        Rule("busy-window", windows, {"others": 150}, None),
        Rule("crowd", trail, {"n": 300, "others": 200}, 10_000),
    ]


def expect(
    sources: Mapping[int, Source],
    repartitioned: Mapping[int, Iterable[Packed]],
    versions: Mapping[str, str],
    topic: str,
) -> Expected:
    """Everything that must be in the log.

    Args:
        sources: The source topic by partition.
        repartitioned: The repartition topic by partition, in order.
        versions: Version of each rule.
        topic: Name of the source topic.
    """
    expected = Expected()
    for partition, source in sources.items():
        shard = Shard("account", partition, versions, topic)
        for payment in source:
            clock_ms = payment.clock_ms
            shard.close(clock_ms)
            shard.take(_row(payment, payment.account, clock_ms, payment.offset), payment, expected)
        shard.finish(expected, len(source.refused))
    for partition, records in repartitioned.items():
        shard = Shard("merchant", partition, versions, topic)
        _replay(shard, records, sources, expected)
        shard.finish(expected, 0)
    return expected


def _replay(shard: Shard, records: Iterable[Packed], sources: Mapping[int, Source], expected: Expected) -> None:
    """Windows close by the slowest source partition, at the end of each packed record."""
    origins = dict.fromkeys(sources, 0)
    head_ms = 0
    for record in records:
        for payment in _payments(record, sources):
            clock_ms = payment.clock_ms
            origins[payment.partition] = clock_ms
            head_ms = max(head_ms, clock_ms)
            shard.close(head_ms - SKEW_MS)
            shard.take(_row(payment, payment.merchant, head_ms, record.offset), payment, expected)
        shard.close(max(min(origins.values()), head_ms - SKEW_MS))


def _payments(record: Packed, sources: Mapping[int, Source]) -> Iterator[Payment]:
    for (partition, offset), _ in record.rows:
        if offset in sources[partition]:  # what is not there is reported with the topic itself
            yield sources[partition].at(offset)


def _row(payment: Payment, key: str, head_ms: int, position: int) -> Row:
    other = payment.merchant if key is payment.account else payment.account
    return Row(key, other, payment.country, payment.ts, payment.amount_cents, payment.clock_ms, head_ms, position)
