"""The load as a process of its own, by a client that is not ours, in transactions of which some are aborted.

``python -m tests.crash.kafka.producer SERVERS TOPIC REPORT --rate N --seconds N --seed N``. What it sent stands in the
file ``REPORT`` at the end.

Aborted records would be seen if they counted: their times lie minutes ahead, so that all others would be late, and
their amounts are huge.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import KafkaException, Producer

from tests.crash.kafka.application import ACCOUNTS, JITTER_MS, MERCHANTS

_STEP_S = 0.2
_ABORTED_SHARE = 0.1
_AHEAD_MS, _HUGE_CENTS = 300_000, 1_000_000_000
_PAUSE_S = 0.2


class Payments:
    """Records by number: the same seed gives the same ones.

    Args:
        seed: Of all chance.
        rate_per_s: How many are due each second.
        start_ms: Event time of the first one.
    """

    def __init__(self, seed: int, rate_per_s: float, start_ms: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._ms = 1000 / rate_per_s
        self._start_ms = start_ms
        shares = 1 / (np.arange(ACCOUNTS) + 20)
        self._shares = np.cumsum(shares / shares.sum())

    def some(self, first: int, count: int, *, doomed: bool) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of ``count`` records from the number ``first`` on."""
        rng = self._rng
        accounts = np.searchsorted(self._shares, rng.random(count)).tolist()
        merchants = rng.integers(0, MERCHANTS, count).tolist()
        cents = (rng.integers(1, 20_000, count) + _HUGE_CENTS * doomed).tolist()
        times = self._start_ms + ((first + np.arange(count)) * self._ms).astype(np.int64) + _AHEAD_MS * doomed
        times_ms = (times - rng.integers(0, JITTER_MS, count)).tolist()
        for account, merchant, ts, amount in zip(accounts, merchants, times_ms, cents, strict=True):
            key = b"a%d" % account
            yield key, b'{"account":"%b","merchant":"m%d","ts":%d,"amount_cents":%d}' % (key, merchant, ts, amount)


class Upstream:
    """A transactional producer that gets over brokers that go and come back.

    Args:
        servers: ``HOST:PORT,…``.
        topic: Where the records go.
    """

    def __init__(self, servers: str, topic: str) -> None:
        self.sent: Counter[str] = Counter()
        self._servers = servers
        self._topic = topic
        self._producer = self._started()

    def _started(self) -> Producer:
        producer = Producer(
            {
                "bootstrap.servers": self._servers,
                "transactional.id": f"upstream-{self._topic}",
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
            }
        )
        _again(lambda: producer.init_transactions(10))
        return producer

    def transact(self, records: Iterator[tuple[bytes, bytes]], count: int, *, doomed: bool) -> None:
        """Send records in one transaction and commit it, or abort it once the brokers have them."""
        producer = self._producer
        try:
            producer.begin_transaction()
            for key, value in records:
                self._produce(key, value)
            if doomed:
                while producer.flush(1):
                    pass
                _again(lambda: producer.abort_transaction(10))
            else:
                _again(lambda: producer.commit_transaction(10))
        except KafkaException as error:
            self._recover(error)
            self.sent["failed"] += count
        else:
            self.sent["aborted" if doomed else "committed"] += count

    def _produce(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key)
            except BufferError:
                self._producer.poll(_PAUSE_S)
            else:
                return

    def _recover(self, error: KafkaException) -> None:
        """Abort, or begin anew: the outcome of a transaction that was being committed is then unknown."""
        failure = error.args[0]
        if failure.txn_requires_abort():
            _again(lambda: self._producer.abort_transaction(10))
        else:
            self._producer = self._started()


def _again(work: Callable[[], Any]) -> None:
    """Do ``work``, again and again while brokers are away."""
    while True:
        try:
            work()
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def main(given: argparse.Namespace) -> None:
    """Send what is due by the clock, whatever brokers or workers are at."""
    began, start_ms = time.monotonic(), time.time_ns() // 1_000_000
    payments = Payments(given.seed, given.rate, start_ms)
    upstream = Upstream(given.servers, given.topic)
    chance = np.random.default_rng(given.seed + 1)
    number, total = 0, int(given.rate * given.seconds)
    while number < total:
        time.sleep(max(0.0, began + (number / given.rate) + _STEP_S - time.monotonic()))
        due = min(int((time.monotonic() - began) * given.rate), total, number + int(2 * given.rate))
        doomed = bool(chance.random() < _ABORTED_SHARE)
        upstream.transact(payments.some(number, due - number, doomed=doomed), due - number, doomed=doomed)
        number = due
    report = dict(upstream.sent) | {"seconds": round(time.monotonic() - began, 1)}
    given.report.write_text(json.dumps(report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("report", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    sys.exit(main(parser.parse_args()))
