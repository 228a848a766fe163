"""From append to alert at a steady rate: the reference job, with producer, worker and subscriber as processes."""

import asyncio
import json
import signal
from typing import Any

from tests.bench.kafka.ground import Ground, cpu_s, finished, opened, until_said
from tests.bench.kafka.result import Result, quantiles
from tests.bench.kafka.subscriber import READY, Seen
from tests.crash.fleet import Child

_SETTLE_S = 1.0
_TOML = """
[app]
name = "{app}"
log = "kafka://{servers}"
alerts = "{app}-alerts"
health = false

[streams.payments]
topic = "{app}-payments"
key = "account"
time = "ts"
partitions = 4
fields = {{ id = "str", account = "str", ts = "int", amount_cents = "int" }}

[tables.account_60s]
stream = "payments"
by = "account"
window = {{ tumbling = "60s", grace = "5s" }}
measures = {{ n = "count()", spent = "sum(amount_cents)" }}

[rules.busy]
table = "account_60s"
when = "n >= 20"
severity = "high"
"""


async def measure(ground: Ground) -> Result:
    """Latencies of alerts, after the warm-up."""
    options = ground.options
    app = ground.app("latency")
    file, config = ground.config(app, _TOML.format(app=app, servers=ground.servers))
    sent, seen = ground.folder / "sent.json", ground.folder / "seen.json"
    topic = config.streams["payments"].topic
    async with opened(config):
        worker = ground.worker("latency", file)
        await until_said(worker, "opened")
        subscriber = ground.python("subscriber", "tests.bench.kafka.subscriber", config.log, config.alerts_topic, seen)
        await until_said(subscriber, READY)
        seconds = options.warm_s + options.seconds
        load = ("--rate", options.rate_per_s, "--seconds", seconds)
        producer = ground.python("payments", "tests.bench.kafka.payments", ground.servers, topic, sent, *load)
        await asyncio.sleep(options.warm_s)  # the load runs by the clock
        share = await _cpu_share(worker, options.seconds)
        await finished(producer, 60)
        await asyncio.sleep(_SETTLE_S)
        for child in (subscriber, worker):
            child.send(signal.SIGTERM)
            await finished(child, 30)
    return _result(
        json.loads(sent.read_text()), [Seen(*each) for each in json.loads(seen.read_text())], share, options.warm_s
    )


async def _cpu_share(worker: Child, seconds: float) -> float:
    used, began = cpu_s(worker), asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)
    return (cpu_s(worker) - used) / (asyncio.get_running_loop().time() - began)


def _result(sent: dict[str, Any], seen: list[Seen], share: float, warm_s: float) -> Result:
    kept = [each for each in seen if each.appended_ms >= sent["began_ms"] + warm_s * 1000]
    subscriber = quantiles(each.visible_ms - each.appended_ms for each in kept)
    detected = quantiles(each.detected_ms - each.appended_ms for each in kept)
    late = quantiles(sent["late_ms"])
    rows = [
        ["append to subscriber", *subscriber.values()],
        ["append to detected", *detected.values()],
        ["producer behind its clock", *late.values()],
    ]
    facts = {
        "append_to_subscriber_ms": subscriber,
        "append_to_detected_ms": detected,
        "producer_late_ms": late,
        "alerts": len(kept),
        "sent_per_s": sent["per_s"],
        "worker_cpu_share": round(share, 3),
    }
    title = f"ms at {sent['per_s']:,} records/s, {len(kept):,} alerts; the worker takes {share:.0%} of a core"
    return Result(tool="latency", title=title, columns=["", *subscriber], rows=rows, facts=facts)
