"""A worker over a log and a backtest over the same records give the same scores and alerts, bit for bit."""

import asyncio
import math
from dataclasses import replace

import pytest

from agents.events import Outgoing, Records
from pipeline.alerts import encode_alert, read_alert
from pipeline.backtest.engine import Engine
from pipeline.backtest.lines import Lines
from pipeline.backtest.recorded import find_range, read_range
from pipeline.log.follow import follow
from pipeline.log.opening import open_log
from pipeline.log.partitioner import murmur2
from pipeline.plan import plans, topic_specs
from pipeline.shard import Shard
from pipeline.worker import build_app, serve
from tests.pipeline.backtest.recordings import backtest, config_of, lines_of, recording

OF_ONE_PARTITION = [name for name in (f"a{i}" for i in range(60)) if (murmur2(name.encode()) & 0x7FFFFFFF) % 3 == 0]


async def live(config, log, lines):
    """Append the records as they were recorded, process them with a worker; its scores and alerts."""
    for spec in topic_specs(config):
        await log.create_topic(spec)
    for at, feeds in enumerate(Lines(dict(config.streams), print, step=97).steps(lines)):
        for chunk, _ in feeds:
            stamps = chunk.timestamps_ms if at % 2 else chunk.timestamps_ms.tolist()
            records = Records(values=chunk.values, keys=chunk.keys, timestamps_ms=stamps)
            await log.append([Outgoing(chunk.topic, chunk.partition, records)])
    scores, made = {}, plans(config)

    def hear(by, batch, score):
        pairs = zip(batch.columns["id"], score.tolist(), strict=True)
        scores.update({(by, name): value for name, value in pairs if not math.isnan(value)})

    app = build_app(
        config, log, build=lambda source: Shard(made[source.topic], source.partition, on_scores=hear), ttl_ms=5_000
    )
    assert await serve(app, asyncio.Event(), until_idle=True) == 0
    chunks = [chunk async for chunk in follow(log, config.alerts_topic, start="start", until_end=True)]
    return scores, [read_alert(value).alert for chunk in chunks for value in chunk.values]


async def from_topics(config, log):
    """Scores and alerts of a backtest over the log's topics."""
    engine = Engine(config)
    wanted = await find_range(log, [stream.topic for stream in config.streams.values()], None, None)
    steps = [engine.step(feeds) async for feeds in read_range(log, wanted)]
    steps.append(engine.finish())
    scored = [scored for happened in steps for scored in happened.scored]
    return (
        {(each.by, name): score for each in scored for name, score in zip(each.ids, each.score.tolist(), strict=True)},
        [alert for happened in steps for _, alert in happened.alerts],
    )


def both(config, lines):
    """What a worker gave, and a backtest of its topics."""

    async def work():
        log = open_log(config.log)
        try:
            return await live(config, log, lines), await from_topics(config, log)
        finally:
            await log.close()

    return asyncio.run(work())


def by_id(alerts, *, without=()):
    """As they are written, in an order that does not depend on partitions."""
    told = [read_alert(encode_alert(alert, detected_ms=0, app="shop").value).alert for alert in alerts]
    return sorted((alert for alert in told if alert.rule not in without), key=lambda alert: alert.id)


@pytest.mark.parametrize(
    ("accounts", "without"),
    # In which order rows of several partitions meet at another key is chance in a live run: one partition has no such.
    [(None, {"crowd"}), (OF_ONE_PARTITION, set())],
    ids=["all-partitions", "other-keys-too"],
)
def test_a_backtest_gives_what_a_worker_gave(tmp_path, accounts, without):
    """Every score and every alert with all its evidence, of a file and of the log's topics."""
    config = replace(config_of(tmp_path), health=False)
    lines = lines_of(recording(accounts=accounts))
    (live_scores, live_alerts), (topic_scores, topic_alerts) = both(config, lines)
    scores, alerts, bad = backtest(config, lines)
    expected = by_id(live_alerts, without=without)
    assert (bad, len(live_scores) > 300, len(expected) > 30) == ([], True, True)
    assert {alert.rule for alert in live_alerts} == {"abroad", "large", "crowd", "odd", "spend"}
    assert scores == topic_scores == live_scores
    assert by_id(alerts, without=without) == expected
    assert by_id(topic_alerts, without=without) == expected


def test_a_range_of_append_times_is_read_alone(tmp_path):
    """From the first moment on and before the second one, whatever was appended in between, in order."""
    config = replace(config_of(tmp_path), health=False)
    lines = lines_of(recording())

    async def work():
        log = open_log(config.log)
        try:
            await live(config, log, lines)
            stamps = [
                int(t) for f in Lines(dict(config.streams), print).steps(lines) for c, _ in f for t in c.timestamps_ms
            ]
            low, high = sorted(stamps)[300], sorted(stamps)[900]
            wanted = await find_range(log, ["payments", "samples"], low, high)
            feeds = [feed async for step in read_range(log, wanted) for feed in step]
            return low, high, stamps, wanted, feeds
        finally:
            await log.close()

    low, high, stamps, wanted, feeds = asyncio.run(work())
    expected = sorted(stamp for stamp in stamps if low <= stamp < high)
    placed = sorted(
        zip((o for f in feeds for o in f.order), (t for f in feeds for t in f.chunk.timestamps_ms), strict=True)
    )
    assert [order for order, _ in placed] == list(range(1, len(expected) + 1))
    assert [stamp for _, stamp in placed] == expected
    assert wanted.records == len(expected)
