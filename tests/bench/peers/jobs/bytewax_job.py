"""The reference job in Bytewax: windows by hand in keyed state, recovery on. SERVERS TOPIC ALERTS APP FOLDER.

Its own window operator, with event times as datetime objects, takes eight times as long.
"""

import sys
from datetime import timedelta
from pathlib import Path

import orjson
from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

SERVERS, TOPIC, ALERTS, _, FOLDER = sys.argv[1:]
WINDOW_MS, LIMIT = 60_000, 20
COMMIT = timedelta(seconds=1)


def parse(messages):
    """Account and payment of each message of a batch."""
    payments = [orjson.loads(message.value) for message in messages]
    return [(payment["account"], payment) for payment in payments]


def count(windows, payment):
    """Add a payment to its window; at the limit give window, count and sum. Windows long over are dropped."""
    if windows is None:
        windows = {}
    start = payment["ts"] // WINDOW_MS * WINDOW_MS
    totals = windows.get(start)
    if totals is None:
        for old in [each for each in windows if each < start - WINDOW_MS]:
            del windows[old]
        totals = windows[start] = [0, 0]
    totals[0] += 1
    totals[1] += payment["amount_cents"]
    return windows, [(start, *totals)] if totals[0] == LIMIT else []


def message(keyed):
    """An alert as a record."""
    account, (start, n, cents) = keyed
    value = {"account": account, "window_start": start, "count": n, "sum": cents}
    return KafkaSinkMessage(account.encode(), orjson.dumps(value))


def flow():
    """From payments to alerts."""
    made = Dataflow("reference")
    tuned = {"fetch.queue.backoff.ms": "5", "queued.min.messages": "1000000"}
    payments = op.input("payments", made, KafkaSource([SERVERS], [TOPIC], add_config=tuned, batch_size=1_000))
    by_account = op.flat_map_batch("parse", payments, parse)
    found = op.stateful_flat_map("windows", by_account, count)
    op.output("alerts", op.map("message", found, message), KafkaSink([SERVERS], ALERTS))
    return made


if __name__ == "__main__":
    folder = Path(FOLDER)
    init_db_dir(folder, 1)
    cli_main(flow(), epoch_interval=COMMIT, recovery_config=RecoveryConfig(folder))
