"""What keys of a table take, and that catching up takes no more memory than is stated."""

import signal
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.config import AppConfig
from tests.bench.kafka.ground import Ground, caught_up, finished, opened, peak_bytes, rss_bytes, until_said
from tests.bench.kafka.payments import Payments, producer, send
from tests.bench.kafka.result import Result
from tests.crash.fleet import Child

START_MS = 1_700_000_000_000
TABLES = (1, 3)
_PER_CHUNK, _CHUNK_MS = 1_000, 500
_RECORD_BYTES = 400  # that waits for a commit: payload of 176 bytes, objects around it
_PENDING = 2 * 32_768
_FETCHED_BYTES, _FETCHED_COPIES = 1 << 20, 6  # as received, as records, as columns; and the next one
BOUND_BYTES = _PENDING * _RECORD_BYTES + _FETCHED_BYTES * _FETCHED_COPIES
"""What each owned partition may take besides its state: records that wait for a commit, and what was fetched."""
_NOTE = (
    f"Bound: {BOUND_BYTES / 1e6:.0f} MB for each owned partition on top of a worker without work: {_PENDING:,} records "
    "that wait for a commit, and fetches."
)
_APP = """
[app]
name = "{app}"
log = "kafka://{servers}"
alerts = "{app}-alerts"
commit = "{commit}"
health = false

[streams.source]
topic = "{app}-source"
key = "account"
time = "ts"
partitions = 4
fields = {{ account = "str", ts = "int", merchant = "str", amount_cents = "int" }}
"""
_TABLE = """
[tables.{name}]
stream = "source"
by = "{by}"
max_keys = 20000000
window = {{ {window} }}
measures = {{ n = "count()", spent = "sum(amount_cents)" }}
"""


async def measure(ground: Ground) -> Result:
    """Bytes per key for one table and for several, then the peak of catching up."""
    grown = {tables: await _keys(ground, tables) for tables in TABLES}
    few, many = TABLES
    per_key = {tables: grown[tables]["bytes_per_key"] for tables in TABLES}
    further = (per_key[many] - per_key[few]) / (many - few)
    backlog = await _backlog(ground)
    full = [
        [f"{found['keys']:,} keys, {tables} table(s), MB", found["full_bytes"] / 1e6] for tables, found in grown.items()
    ]
    rows = [
        ["worker without keys, MB", grown[few]["opened_bytes"] / 1e6],
        *full,
        ["first table, bytes a key", per_key[few]],
        ["each further one by the same key", further],
        [f"{backlog['records']:,} records behind: peak, MB", backlog["peak_bytes"] / 1e6],
        ["stated bound, MB", backlog["bound_bytes"] / 1e6],
    ]  # fmt: skip
    held = "is held" if backlog["peak_bytes"] <= backlog["bound_bytes"] else "IS EXCEEDED"
    return Result(
        tool="memory",
        title=f"RSS of a worker; the bound {held}",
        columns=["", "RSS"],
        rows=rows,
        facts={
            "tables": {str(tables): found for tables, found in grown.items()},
            "bytes_per_key_further_table": round(further),
            "backlog": backlog,
        },
        notes=[_NOTE],
    )


def _toml(app: str, servers: str, commit: str, tables: Mapping[str, tuple[str, str]]) -> str:
    parts = [_TABLE.format(name=name, by=by, window=window) for name, (by, window) in tables.items()]
    return _APP.format(app=app, servers=servers, commit=commit) + "".join(parts)


async def _keys(ground: Ground, tables: int) -> dict[str, Any]:
    """Memory before there are keys, with half of them, and with all."""
    app, keys = ground.app(f"memory-{tables}"), ground.options.keys
    kept = {f"t{at}": ("account", 'sliding = "1h", pane = "1h"') for at in range(tables)}
    file, config = ground.config(app, _toml(app, ground.servers, "1s", kept))
    async with opened(config) as log:
        worker = ground.worker(app, file)
        await until_said(worker, "opened")
        rss, half = [rss_bytes(worker)], keys // 2
        for first, stop in ((0, half), (half, keys)):
            _append(ground, config, _one_each(first, stop))
            await caught_up(log, config, config.streams["source"].topic, stop)
            rss.append(rss_bytes(worker))
        found = {
            "keys": keys,
            "opened_bytes": rss[0],
            "half_bytes": rss[1],
            "full_bytes": rss[2],
            "peak_bytes": peak_bytes(worker),
            "bytes_per_key": round((rss[2] - rss[0]) / keys),
        }
        await _stop(worker)
    return found


async def _backlog(ground: Ground) -> dict[str, Any]:
    """The peak while a backlog is caught up with: windows close, records are repartitioned, commits are rare."""
    app, records = ground.app("memory-backlog"), ground.options.backlog
    tables = {
        "by_account": ("account", 'tumbling = "10s", grace = "5s"'),
        "by_merchant": ("merchant", 'tumbling = "10s", grace = "5s"'),
    }
    file, config = ground.config(app, _toml(app, ground.servers, f"{ground.options.commit_s}s", tables))
    async with opened(config) as log:
        _append(ground, config, _payments(records))
        worker = ground.worker(app, file)
        await until_said(worker, "opened")
        before = rss_bytes(worker)
        await caught_up(log, config, config.streams["source"].topic, records)
        peak, after = peak_bytes(worker), rss_bytes(worker)
        await _stop(worker)
    units = 2 * config.streams["source"].partitions
    return {
        "records": records,
        "opened_bytes": before,
        "peak_bytes": peak,
        "after_bytes": after,
        "bound_bytes": before + units * BOUND_BYTES,
    }


def _append(ground: Ground, config: AppConfig, records: Iterator[tuple[bytes, bytes]]) -> None:
    client = producer(ground.servers)
    send(client, config.streams["source"].topic, records)
    client.flush(60)


def _one_each(first: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
    for at in range(first, stop):
        key = b"customer-%012d" % at
        yield key, b'{"account":"%b","ts":%d,"merchant":"m","amount_cents":%d}' % (key, START_MS + at // 1_000, at)


def _payments(count: int) -> Iterator[tuple[bytes, bytes]]:
    payments = Payments(seed=5)
    for at in range(0, count, _PER_CHUNK):
        yield from payments.some(min(_PER_CHUNK, count - at), START_MS + at // _PER_CHUNK * _CHUNK_MS)


async def _stop(worker: Child) -> None:
    worker.send(signal.SIGTERM)
    await finished(worker, 60)
