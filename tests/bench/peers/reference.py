"""The reference job: its records, and by brute force the alerts that it must raise.

10,000 accounts after Zipf's law pay 2,000 times a second of event time, out of order by about 200 ms. Windows of 60 s
count and sum by account; the payment that makes a window's count 20 raises an alert, which holds the sum so far.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import orjson
from numpy.typing import NDArray

PARTITIONS = 4
ACCOUNTS, MERCHANTS = 10_000, 2_000
WINDOW_MS, LIMIT = 60_000, 20
_RATE_PER_S, _JITTER_MS = 2_000, 200
_INTO_MINUTE_MS = 20_000
_COUNTRIES = (b"US", b"GB", b"DE", b"FR")


class Alert(NamedTuple):
    """What an engine has to say about a window."""

    account: str
    window_start_ms: int
    count: int
    sum_cents: int


class Place(NamedTuple):
    """Where the payment stands that raises an alert, and what time its producer gave it, Unix ms."""

    partition: int
    offset: int
    stamped_ms: int


def recent_start_ms(count: int) -> int:
    """An event time from which ``count`` payments end in the last minutes.

    Recent ones, because brokers delete records, of changelogs too, that are stamped with a time long gone. Always as
    far into a minute, so that windows cut the payments, and alerts fall, in the same places each time.
    """
    took_ms = count * 1_000 // _RATE_PER_S
    return (int(time.time() * 1_000) - took_ms - 2 * WINDOW_MS) // WINDOW_MS * WINDOW_MS + _INTO_MINUTE_MS


@dataclass(frozen=True, kw_only=True, slots=True)
class Payments:
    """Payments of about 176 bytes as columns, in the order in which they are sent.

    Args:
        account: Number of the account, shape ``(n,)``.
        ts_ms: Event time, shape ``(n,)``.
        cents: Amount, shape ``(n,)``.
    """

    account: NDArray[np.int64]
    ts_ms: NDArray[np.int64]
    cents: NDArray[np.int64]

    @classmethod
    def make(cls, count: int, start_ms: int) -> Self:
        """The same ones for the same count, but for ``start_ms``."""
        rng = np.random.default_rng(7)
        account = rng.zipf(1.3, count) % ACCOUNTS
        cents = np.exp(rng.normal(3.2, 1.0, count)) * 100
        ts_ms = start_ms + np.cumsum(rng.exponential(1_000 / _RATE_PER_S, count)) + rng.normal(0, _JITTER_MS, count)
        return cls(account=account, ts_ms=ts_ms.astype(np.int64), cents=cents.astype(np.int64))

    def __len__(self) -> int:
        return len(self.account)

    def first(self, count: int) -> Self:
        """The first ``count`` of them."""
        return type(self)(account=self.account[:count], ts_ms=self.ts_ms[:count], cents=self.cents[:count])

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of each."""
        columns = (self.account.tolist(), self.ts_ms.tolist(), self.cents.tolist())
        for at, (account, ts_ms, cents) in enumerate(zip(*columns, strict=True)):
            key = b"acct-%05d" % account
            yield (
                key,
                b'{"id":"evt-%012d","type":"payment","ts":%d,"account":"%b","merchant":"m-%04d","device":"d-%06d",'
                b'"country":"%b","amount_cents":%d,"currency":"USD"}'
                % (at, ts_ms, key, at * 7919 % MERCHANTS, account * 3 + at % 3, _COUNTRIES[at & 3], cents),
            )


def brute_force(records: Iterable[tuple[Place, bytes]]) -> dict[Alert, Place]:
    """Every alert that there must be, and the payment that raises it, from the records of a topic in offset order."""
    windows: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    found = {}
    for place, value in records:
        payment = orjson.loads(value)
        account, start_ms = payment["account"], payment["ts"] - payment["ts"] % WINDOW_MS
        window = windows[account, start_ms]
        window[0] += 1
        window[1] += payment["amount_cents"]
        if window[0] == LIMIT:
            found[Alert(account, start_ms, *window)] = place
    return found
