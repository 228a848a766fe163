"""What must be in the log, by brute force from the committed records of the source topic.

::

    rows in the order of account, window, partition, offset
    account  7 7 7 7 7 7 8 8
    window   0 0 0 0 2 2 0 0
             └─ n=4 ─┘ └2┘ └2┘     alert where the rank within a group reaches MANY
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tests.crash.kafka.application import ACCOUNT_GRACE_MS, ACCOUNT_MS, MANY, MERCHANT_MS
from tests.crash.kafka.reading import committed

Window = tuple[str, str, int]
_NAMES = ("partition", "offset", "account", "merchant", "ts", "cents")


class _Payment(msgspec.Struct):
    account: str
    merchant: str
    ts: int
    amount_cents: int


class AlertKey(NamedTuple):
    """What tells one alert from another."""

    key: str
    window_start_ms: int


@dataclass(frozen=True, slots=True)
class Source:
    """The committed records of the source topic, as columns of length ``n``."""

    columns: dict[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.columns["ts"])

    @property
    def ends(self) -> dict[int, int]:
        """By partition, the offset after its last committed record."""
        partition, offset = self.columns["partition"], self.columns["offset"]
        return {int(each): int(offset[partition == each].max()) + 1 for each in np.unique(partition)}

    @property
    def late(self) -> int:
        """Records that come later than their table allows; there should be none."""
        late = 0
        for each in np.unique(self.columns["partition"]):
            rows = np.flatnonzero(self.columns["partition"] == each)
            times = self.columns["ts"][rows[np.argsort(self.columns["offset"][rows])]]
            late += int((times < np.maximum.accumulate(times) - ACCOUNT_GRACE_MS).sum())
        return late

    def without(self, places: Collection[tuple[int, int]]) -> "Source":
        """The source without the records at these partitions and offsets."""
        gone = np.array(sorted(places), np.int64).reshape(-1, 2)
        kept = np.ones(len(self), bool)
        for partition in np.unique(gone[:, 0]):
            is_gone = np.isin(self.columns["offset"], gone[gone[:, 0] == partition, 1])
            kept &= ~(is_gone & (self.columns["partition"] == partition))
        return Source({name: column[kept] for name, column in self.columns.items()})

    def windows(self, table: str) -> Iterator[tuple[Window, dict[str, int]]]:
        """Totals of each key and window of a table."""
        name, size_ms = {"by_account": ("account", ACCOUNT_MS), "by_merchant": ("merchant", MERCHANT_MS)}[table]
        order, keys, starts, first, count = self._groups(name, size_ms)
        spent = np.add.reduceat(self.columns["cents"][order], first).tolist() if len(first) else []
        for key, start_ms, n, cents in zip(keys, starts, count, spent, strict=True):
            yield (table, f"{name[0]}{key}", start_ms), {"n": n, "spent": cents}

    def alerts(self, version: str, topic: str) -> Iterator[tuple[AlertKey, dict[str, Any]]]:
        """Each alert of the rule ``busy``, whose version is given, and its facts."""
        order, keys, starts, first, count = self._groups("account", ACCOUNT_MS)
        for key, start_ms, at, n in zip(keys, starts, first.tolist(), count, strict=True):
            if n >= MANY:
                row = order[at + MANY - 1]
                partition, offset, ts = (int(self.columns[name][row]) for name in ("partition", "offset", "ts"))
                yield (
                    AlertKey(f"a{key}", start_ms),
                    {
                        "id": alert_id("busy", version, f"a{key}", topic, str(partition), str(offset)),
                        "table": "by_account",
                        "event_time_ms": ts,
                        "window_end_ms": start_ms + ACCOUNT_MS,
                        "n": MANY,
                        "partition": partition,
                        "offset": offset,
                    },
                )

    def _groups(self, name: str, size_ms: int) -> Any:
        """Rows in order, and of each key and window: the key, the start, the first row in that order, how many."""
        columns = self.columns
        starts = columns["ts"] // size_ms * size_ms
        order = np.lexsort((columns["offset"], columns["partition"], starts, columns[name]))
        keys, starts = columns[name][order], starts[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = (np.diff(keys) != 0) | (np.diff(starts) != 0)
        first = np.flatnonzero(is_first)
        count = np.diff(np.append(first, len(order)))
        return order, keys[first].tolist(), starts[first].tolist(), first, count.tolist()


def alert_id(*parts: str) -> str:
    """The id of an alert: rule, version, key, topic, partition and offset of the record that fired."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part.encode()).to_bytes(4, "big") + part.encode())
    return digest.hexdigest()


def read_source(servers: str, topic: str) -> Source:
    """The source topic as an independent reader of committed records sees it."""
    decode = msgspec.json.Decoder(_Payment).decode
    parts = []
    for messages in committed(servers, topic):
        rows = []
        for message in messages:
            payment = decode(message.value())
            where = (message.partition(), message.offset(), int(payment.account[1:]), int(payment.merchant[1:]))
            rows.append((*where, payment.ts, payment.amount_cents))
        parts.append(np.array(rows, np.int64).reshape(-1, len(_NAMES)))
    table = np.concatenate(parts)
    return Source({name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(_NAMES)})
