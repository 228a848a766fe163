"""The load as a process of its own, by a client that is not ours, open loop.

``python -m tests.bench.kafka.payments SERVERS TOPIC REPORT --rate N --seconds N``. Each 5 ms what is due is sent,
stamped with when it was due: should the producer or the broker hold it up, that counts as latency.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

ACCOUNTS, MERCHANTS = 10_000, 2_000
TICK_S = 0.005
_COUNTRIES = (b"US", b"GB", b"DE", b"FR")


class Payments:
    """Payments of about 176 bytes, their accounts after Zipf's law: the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._made = 0

    def some(self, count: int, ts_ms: int) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of the next ``count``, all at the event time ``ts_ms``."""
        accounts = (self._rng.zipf(1.3, count) % ACCOUNTS).tolist()
        cents = self._rng.integers(100, 20_000, count).tolist()
        for at, (account, amount) in enumerate(zip(accounts, cents, strict=True), start=self._made):
            key = b"acct-%05d" % account
            yield (
                key,
                (
                    b'{"id":"evt-%012d","type":"payment","ts":%d,"account":"%b","merchant":"m-%04d","device":"d-%06d",'
                    b'"country":"%b","amount_cents":%d,"currency":"USD"}'
                    % (at, ts_ms, key, at * 7919 % MERCHANTS, account * 3 + at % 3, _COUNTRIES[at & 3], amount)
                ),
            )
        self._made += count


def producer(servers: str) -> Producer:
    """A producer that does not wait for more."""
    return Producer(
        {
            "bootstrap.servers": servers,
            "linger.ms": 0.5,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 2_000_000,
            "log_level": 0,
        }
    )


def send(client: Producer, topic: str, records: Iterator[tuple[bytes, bytes]], stamp_ms: int = 0) -> None:
    """Hand records over; a full queue is waited for."""
    for key, value in records:
        while True:
            try:
                client.produce(topic, value, key, timestamp=stamp_ms)
            except BufferError:
                client.poll(0.05)
            else:
                break
    client.poll(0)


def main(given: argparse.Namespace) -> None:
    """Send what is due by the clock, whatever the brokers are at."""
    client, payments = producer(given.servers), Payments(seed=3)
    client.list_topics(given.topic, 30)  # connects
    began, began_ms = time.perf_counter(), time.time() * 1000
    late_ms, sent = [], 0
    for tick in range(1, int(given.seconds / TICK_S) + 1):
        due_s = tick * TICK_S
        time.sleep(max(0.0, began + due_s - time.perf_counter()))
        late_ms.append((time.perf_counter() - began - due_s) * 1000)
        stamp_ms, due = round(began_ms + due_s * 1000), int(due_s * given.rate)
        send(client, given.topic, payments.some(due - sent, stamp_ms), stamp_ms)
        sent = due
    client.flush(30)
    took_s = time.perf_counter() - began
    report = {"sent": sent, "per_s": round(sent / took_s), "began_ms": round(began_ms), "late_ms": late_ms}
    given.report.write_text(json.dumps(report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("report", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    sys.exit(main(parser.parse_args()))
