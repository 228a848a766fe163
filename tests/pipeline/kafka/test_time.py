"""Old events replayed while retention is on: what is said about them is as new as its detection, and stays."""

import asyncio
import time

import orjson
import pytest

from agents.events import Outgoing, Records
from pipeline.config import load_config
from pipeline.log import TopicSpec, follow
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs
from pipeline.worker import build_app, serve

T0 = 1_685_577_600_000  # 2023-06-01
MINUTE_MS, WEEK_MS = 60_000, 7 * 24 * 3_600_000
CONFIG = """
[app]
name = "{app}"
log = "kafka://{servers}"
alerts = "{app}-alerts"
health = false

[streams.payments]
topic = "{app}-payments"
partitions = 2
key = "account"
time = "ts"
fields = {{ account = "str", merchant = "str", ts = "int", cents = "int" }}

[tables.by_account]
stream = "payments"
by = "account"
window = {{ tumbling = "1m", grace = "5s" }}
measures = {{ n = "count()" }}

[tables.by_merchant]
stream = "payments"
by = "merchant"
window = {{ tumbling = "1m", grace = "5s" }}
measures = {{ spent = "sum(cents)" }}

[rules.busy]
table = "by_account"
when = "n >= 3"
severity = "high"

[rules.rich]
table = "by_merchant"
when = "spent >= 1000"
severity = "low"
"""
ACCOUNTS = 5


def payment(account, ts):
    return orjson.dumps({"account": account, "merchant": "m", "ts": ts, "cents": 100})


def replayed(topic):
    """Three payments of each account in one minute, one in a later minute, one that comes too late, and no JSON."""
    accounts = [f"a{number}" for number in range(ACCOUNTS)]
    values = [payment(account, T0 + at) for at in range(3) for account in accounts]
    values += [payment("a0", T0 + 10 * MINUTE_MS), payment("a0", T0), b"{"]
    return Outgoing(topic, 0, Records(values=values, timestamps_ms=[T0] * len(values)))


async def retention_ran(log, topic):
    """Return after the broker has removed an old record that came to ``topic`` just now."""
    await log.create_topic(TopicSpec(name=topic, partitions=1, retention_ms=WEEK_MS))
    await log.append([Outgoing(topic, 0, Records(values=[b"old"], timestamps_ms=[T0]))])
    async with asyncio.timeout(90):
        while (await log.partitions(topic))[0].start == 0:  # noqa: ASYNC110 - brokers don't tell
            await asyncio.sleep(0.1)


async def held(log, topic):
    """All records of a topic that are still there as (timestamp, value)."""
    found = []
    async for chunk in follow(log, topic, start="start", until_end=True):
        found += zip(chunk.timestamps_ms.tolist(), chunk.values, strict=True)
    return sorted(found)


async def replay(config, app):
    """What each topic of the application holds after the replay, before and after retention has gone over it."""
    log = open_log(config.log)
    try:
        source = config.streams["payments"].topic
        await log.create_topic(TopicSpec(name=source, partitions=2, retention_ms=None))  # how long is the user's choice
        await log.append([replayed(source)])
        code = await serve(build_app(config, log), asyncio.Event(), until_idle=True)
        assert code == 0
        topics = [spec.name for spec in topic_specs(config)]
        before = {topic: await held(log, topic) for topic in topics}
        for turn in range(2):  # the first may have begun before what was written last
            await retention_ran(log, f"{app}-old-{turn}")
        after = {topic: await held(log, topic) for topic in topics}
        settings = {name: spec for name, spec in (await log.topics()).items() if name in topics}
        return before, after, settings
    finally:
        await log.close()


@pytest.mark.slow
def test_what_is_said_about_old_events_survives_retention(kafka, kafka_prefix, tmp_path):
    """Alerts, closed windows, late and refused records of a topic from 2023 carry the time of their detection."""
    file = tmp_path / "payments.toml"
    file.write_text(CONFIG.format(app=kafka_prefix, servers=kafka.bootstrap))
    config = load_config(file, {})
    source, began_ms = config.streams["payments"].topic, time.time_ns() // 1_000_000
    before, after, settings = asyncio.run(replay(config, kafka_prefix))
    assert after == before
    counts = {topic.removeprefix(f"{kafka_prefix}-"): len(records) for topic, records in after.items()}
    assert counts["alerts"] == ACCOUNTS + 1
    assert counts["by_account"] == ACCOUNTS
    assert counts["by_merchant"] == 1
    assert counts["payments.late"] >= 1
    assert counts["payments.dead-letter"] == 1
    for topic, records in after.items():
        if topic != source:
            assert all(began_ms <= stamp <= began_ms + 120_000 for stamp, _ in records), topic
    assert {orjson.loads(value)["event_time_ms"] // MINUTE_MS for _, value in after[config.alerts_topic]} == {
        T0 // MINUTE_MS
    }
    deleting = {name: spec.retention_ms for name, spec in settings.items() if spec.cleanup == "delete"}
    assert deleting == dict.fromkeys(deleting, WEEK_MS) | {source: None, f"{kafka_prefix}-clocks": 3_600_000}
