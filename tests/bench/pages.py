"""Pages of a web view over a table of a million rows: how long each takes, from the request to its last byte.

::

    python -m tests.bench.pages [--keys 1000000] [--alerts 20000] [--url postgresql://…] [--postgres] [--runs 20]

A real worker works a backlog through that leaves so many keys, alerts and incidents; ``streamgauge web``, as a process
of its own, reads that into its store; then each page and each answer of the API is asked for over HTTP, one after the
other, and Chromium opens a table and waits for its rows. Prints Markdown, times in milliseconds.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import orjson

from agents.events import Outgoing, Records
from pipeline.config import load_config
from pipeline.log.opening import open_log
from pipeline.log.partitioner import partition_column
from pipeline.plan import topic_specs
from tests.bench.browsers import cpu_s
from tests.pipeline.store.server import Server, binaries
from tests.pipeline.web.running import CHROMIUM, DRIVER, browser

JOB = """
[app]
name = "pages"
log = "local://{folder}/log.db"

[web]
store = "{store}"
users = "{folder}/access.db"

[streams.payments]
partitions = 4
key = "account"
time = "ts"
fields = {{ id = "str", account = "str", ts = "int", amount_cents = "int" }}

[tables.account_10m]
stream = "payments"
by = "account"
window = {{ sliding = "10m", pane = "10s", grace = "30s" }}

[tables.account_10m.measures]
n = "count()"
spent = "sum(amount_cents)"
large = "count(amount_cents >= 20000)"
mean = "mean(amount_cents)"
sd = "std(amount_cents)"

[rules.large]
table = "account_10m"
when = "amount_cents >= 5000000"
severity = "high"

[rules.often]
table = "account_10m"
when = "large >= 2"
severity = "medium"

[incidents]
"""
SPAN_MS = 300_000
BATCH = 50_000


def payments(keys, alerts):
    """One payment of each key within five minutes up to now, then pairs that fire; some that can't be read."""
    start_ms = time.time_ns() // 1_000_000 - SPAN_MS
    for at in range(keys):
        number = at * 7_919 % keys
        yield number, start_ms + at * SPAN_MS // keys, 100 + at * 104_729 % 15_000
    for at in range(alerts // 2):
        yield at * 37 % keys, start_ms + SPAN_MS, 5_000_000 + at
        yield at * 37 % keys, start_ms + SPAN_MS, 20_000 + at


async def fill(config, keys, alerts):
    """Make the topics and append the payments."""
    log = open_log(config.log)
    for spec in topic_specs(config):
        await log.create_topic(spec)

    async def flush(batch):
        names = [f"acct-{number:08d}" for number, _, _ in batch]
        parts = partition_column([name.encode() for name in names], 4, 0)
        outgoing = []
        for part in range(4):
            chosen = [at for at in range(len(batch)) if parts[at] == part]
            values = [
                orjson.dumps({"id": f"p{at}", "account": names[at], "ts": batch[at][1], "amount_cents": batch[at][2]})
                for at in chosen
            ]
            outgoing.append(
                Outgoing("payments", part, Records(values=values, keys=[names[at].encode() for at in chosen]))
            )
        await log.append([each for each in outgoing if each.records.values])

    batch = []
    for each in payments(keys, alerts):
        batch.append(each)
        if len(batch) == BATCH:
            await flush(batch)
            batch = []
    await flush(batch)
    await log.append([Outgoing("payments", 0, Records(values=[b"{"] * 2_000))])
    await log.close()


def command(file, *words):
    """A command of the product."""
    return [sys.executable, "-m", "pipeline.cli.main", *words, "-c", str(file)]


@contextlib.contextmanager
def served(file, keys):
    """Address and process of a web view that has read everything, and how long that took, s."""
    began = time.perf_counter()
    with subprocess.Popen(command(file, "web", "--port", "0"), stdout=subprocess.PIPE, text=True) as running:
        try:
            address = running.stdout.readline().removeprefix("web view: ").strip().rstrip("/")
            with httpx.Client(base_url=address, timeout=120) as client:
                while True:
                    told = client.get("/api/tables/account_10m").json()
                    if told["total"] >= keys and not any(each["behind"] for each in told["freshness"]):
                        break
                    time.sleep(0.5)  # another process builds: there is no event to wait for
                built_s = time.perf_counter() - began
                time.sleep(20)  # until indexes are made, and nothing is being written
            yield address, running.pid, built_s
        finally:
            running.terminate()


def pages(client, keys):
    """Addresses of pages and answers, by name."""
    incident = client.get("/api/incidents").json()["incidents"][0]["id"]
    alert = client.get("/api/alerts").json()["alerts"][0]["id"]
    table = "/tables/account_10m"
    return {
        "overview": "/",
        "incidents": "/incidents",
        "one incident": f"/incidents/{incident}",
        "alerts": "/alerts",
        "one alert": f"/alerts/{alert}",
        "tables": "/tables",
        "a table": table,
        "sorted by a measure": f"{table}?sort=-spent",
        "smallest mean first": f"{table}?sort=mean",
        "sorted by key": f"{table}?sort=key",
        "a part of a key": f"{table}?q=00777&sort=-spent",
        "a comparison": f"{table}?q=spent%3E1M",
        "a part and a comparison": f"{table}?q=777+spent%3E9k&sort=-n",
        "page in the middle": f"{table}?sort=-spent&offset={keys // 2}",
        "last page": f"{table}?sort=-spent&offset={keys - 25}",
        "key history": f"{table}/key?key=acct-00000037",
        "rules": "/rules",
        "dead letters": "/dead-letters",
        "lag": "/lag",
        "system": "/system",
        "API: incidents": "/api/incidents",
        "API: search of incidents": "/api/incidents?q=00037",
        "API: one incident": f"/api/incidents/{incident}",
        "API: alerts": "/api/alerts",
        "API: search of alerts": "/api/alerts?q=00037",
        "API: rows by a measure": f"/api{table}?sort=-spent",
        "API: rows with a part of a key": f"/api{table}?q=00777",
        "API: one key": f"/api{table}/keys/acct-00000037",
        "API: rules": "/api/rules",
        "API: dead letters": "/api/dead-letters",
        "API: lag": "/api/lag",
        "API: status": "/api/status",
    }


def measure(client, pid, path, runs):
    """Milliseconds from request to last byte, sorted, and those of a processor that the view takes for one."""
    took = []
    spent_s = 0.0
    for turn in range(runs + 1):
        began, spent_s = time.perf_counter(), spent_s if turn > 1 else cpu_s(pid)
        answer = client.get(path)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text[:200]}")
        if turn:
            took.append((time.perf_counter() - began) * 1_000)
    return sorted(took), (cpu_s(pid) - spent_s) / runs * 1_000


SHOWN = """
const done = arguments[arguments.length - 1];
const look = () => document.querySelectorAll(".ag-center-cols-container .ag-row").length
  ? done(performance.now()) : requestAnimationFrame(look);
look();
"""


def in_chromium(address, runs):
    """Milliseconds from navigation to rows, sorted."""
    took = []
    with tempfile.TemporaryDirectory() as profile, browser(profile) as driver:
        driver.set_script_timeout(60)
        for turn in range(runs + 1):
            driver.get(f"{address}/tables/account_10m?sort=-spent")
            shown_ms = driver.execute_async_script(SHOWN)
            if turn:  # the first one fetches scripts and styles
                took.append(shown_ms)
    return sorted(took)


def percentiles(took):
    """p50 and p95 of a sorted list."""
    return statistics.median(took), took[min(len(took) - 1, int(len(took) * 0.95))]


def run(store, options):
    """One store: its table in Markdown."""
    with tempfile.TemporaryDirectory(prefix="streamgauge-bench-") as folder:
        file = Path(folder) / "pages.toml"
        file.write_text(JOB.format(folder=folder, store=store or f"duckdb://{folder}/store.duckdb"))
        asyncio.run(fill(load_config(file), options.keys, options.alerts))
        subprocess.run(command(file, "worker", "--until-idle"), check=True, stdout=subprocess.DEVNULL)
        with (
            served(file, options.keys) as (address, pid, built_s),
            httpx.Client(base_url=address, timeout=120) as client,
        ):
            print(f"{options.keys:,} keys; the view had read and stored them after {built_s:.0f} s")
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
            print("| page | p50 ms | p95 ms | of a core, ms |\n|---|---|---|---|")
            for name, path in pages(client, options.keys).items():
                took, cpu_ms = measure(client, pid, path, options.runs)
                p50, p95 = percentiles(took)
                print(f"| {name} | {p50:.0f} | {p95:.0f} | {cpu_ms:.0f} |", flush=True)
            if CHROMIUM.exists() and DRIVER.exists():
                p50, p95 = percentiles(in_chromium(address, min(options.runs, 10)))
                print(f"| Chromium: a table, until its rows are visible | {p50:.0f} | {p95:.0f} | |")


def main():
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--alerts", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--url", default=None, help="a store; a DuckDB file of its own if not given")
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL server of its own, as the tests have it")
    options = parser.parse_args()
    if not options.postgres:
        run(options.url, options)
        return
    server = Server(binaries())
    try:
        run(server.url, options)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
