"""A real log, filled by the payments generator and a real worker."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from agents.events import Outgoing, Records
from load import PaymentsConfig, PaymentsLoad
from pipeline.config import load_config
from pipeline.log import Log
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs
from pipeline.worker import build_app, serve

EXAMPLE = Path(__file__).parents[3] / "examples" / "payments.toml"
SPAN_MS = 40_000
RATE_PER_S = 150
MALFORMED = [b"{", b'{"id": 1}', b"\xff\xfe", b"null"]


def example(url, **changes):
    """The payments example on another log, with its users and audit log beside it."""
    config = load_config(EXAMPLE)
    users = config.web.users or f"{url.removeprefix('local://')}-access.db"
    return replace(config, log=url, web=replace(config.web, users=users), **changes)


def now_ms():
    return time.time_ns() // 1_000_000


async def produce(log: Log, config):
    """Create the topics and append the last ``SPAN_MS`` of payments with fraud in it, and some malformed records."""
    for spec in topic_specs(config):
        await log.create_topic(spec)
    start_ms = now_ms() - SPAN_MS
    load = PaymentsLoad(PaymentsConfig(rate_per_s=RATE_PER_S, seed=7, start_ms=start_ms, accounts=400, merchants=60))
    payments = [outgoing for outgoing in load.until(start_ms + SPAN_MS) if outgoing.topic == "payments"]
    await log.append([*payments, Outgoing("payments", 0, Records(values=MALFORMED))])


async def fill(log: Log, config):
    """Let a real worker process everything that is there."""
    await produce(log, config)
    code = await serve(build_app(config, log, name="test"), asyncio.Event(), until_idle=True)
    assert code == 0


def on_log(url, work):
    """The result of ``work(log)`` with a log that is open for so long."""

    async def opened():
        log = open_log(url)
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(opened())
