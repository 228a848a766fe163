"""Lists and flows in shards: any cut, any restart, several partitions, and beside each other."""

import pytest

from agents.events import TopicPartition
from load.patterns import staged
from pipeline.config import load_config
from pipeline.plan import plans, source_topics
from pipeline.shard import Shard
from tests.bench.patterns import config_of
from tests.pipeline.shards import build_shard, chunk_of, feed, payload

CASES = ("allow_list", "block_list", "circular_flow", "impossible_travel", "new_account", "pass_through")
SOURCE = TopicPartition("payments", 0)


def alerts_of(outputs):
    return [alert for output in outputs for alert in output.alerts]


@pytest.mark.parametrize("case", CASES)
def test_alerts_do_not_depend_on_cuts_and_restarts(tmp_path, case):
    """The same alerts come of one chunk, of many, and of a shard that goes on from stored state in the middle."""
    config = load_config(config_of(tmp_path, case), {})
    values = [payload(record) for record in staged(case, share=0.01, seed=31)[0]]
    whole = build_shard(config, SOURCE).process(chunk_of(values)).alerts
    assert whole
    assert alerts_of(feed(build_shard(config, SOURCE), values, [997, 1, 3_000])) == whole
    first, stored = build_shard(config, SOURCE), {}
    middle = next(at for at in range(len(values)) if f'"r{at}"' == f'"{whole[len(whole) // 2].source.id}"')
    found, start = [], 0
    for stop in (middle // 2, middle):
        found += first.process(chunk_of(values[start:stop], start=start)).alerts
        stored |= first.dirty()
        start = stop
    second = build_shard(config, SOURCE)
    second.restore({name: slab for name, slab in stored.items() if slab is not None})
    second.remember(chunk_of(values[max(0, middle - second.history) : middle], start=max(0, middle - second.history)))
    assert found + second.process(chunk_of(values[middle:], start=middle)).alerts == whole


def split(config, records):
    """The records as partitions of their topic, by key."""
    partitions = [[] for _ in range(config.streams["payments"].partitions)]
    for record in records:
        partitions[sum(record["account"].encode()) % len(partitions)].append(payload(record))
    return partitions


def drained(config, records, order):
    """What an internal topic holds after partitions were drained one after the other, in pieces as ``order`` says."""
    made = plans(config)
    shards = [Shard(made["payments"], number) for number in range(4)]
    partitions, sent = split(config, records), {}
    for number, size in order:
        shard = shards[number]
        piece = partitions[number][shard.position : shard.position + size]
        if piece:
            for out in shard.process(chunk_of(piece, partition=number, start=shard.position)).outgoing:
                sent.setdefault((out.topic, out.partition), []).extend(out.records.values)
    return sent


EVENLY = [(number, 300) for _ in range(40) for number in range(4)]
UNEVENLY = [(number, 10**6) for number in (2, 0, 3, 1)]


@pytest.mark.parametrize(
    ("case", "order"), [("circular_flow", EVENLY), ("circular_flow", UNEVENLY), ("pass_through", EVENLY)]
)
def test_money_is_followed_between_partitions(tmp_path, case, order):
    """Through one partition, campaigns are found however far apart the others are when they are read."""
    path = config_of(tmp_path, case)
    path.write_text(path.read_text().replace("partitions = 1", "partitions = 4"))
    config = load_config(path, {})
    records, truth = staged(case, share=0.01, seed=32)
    assert source_topics(config)["shop-payments-flows"] == 1
    sent = drained(config, records, order)
    assert set(sent) == {("shop-payments-flows", 0)}
    shard = Shard(plans(config)["shop-payments-flows"], 0)
    alerts = alerts_of(feed(shard, sent["shop-payments-flows", 0], [5]))
    right = {truth[alert.source.id] for alert in alerts if alert.source.id in truth}
    assert len(right) >= 0.95 * len(set(truth.values()))


def test_a_list_by_another_key_stands_where_its_records_are(tmp_path):
    """Entries and records meet in the internal topic of the list's key, which exists for its sake alone."""
    path = config_of(tmp_path, "block_list")
    text = path.read_text().replace("partitions = 1", "partitions = 4").replace('key = "account"', 'key = "device"')
    path.write_text(text)
    config = load_config(path, {})
    records, truth = staged("block_list", share=0.01, seed=33)
    records = [record | {"device": "d"} if "list" in record else record for record in records]
    sent = drained(config, records, [(number, 10**6) for number in range(4)])
    topic = "shop-payments-by-account-repartition"
    assert {name for name, _ in sent} == {topic}
    alerts = []
    for (_, number), values in sent.items():
        alerts += alerts_of(feed(Shard(plans(config)[topic], number), values, []))
    assert alerts
    assert all(alert.values["reason"] == "chargeback" for alert in alerts)
    assert {truth.get(alert.source.id) for alert in alerts} <= {*truth.values(), None}


def test_state_of_a_changed_pattern_is_dropped(tmp_path):
    """Another window starts the memory of transfers anew, says so, and takes the old slabs away."""
    values = [payload(record) for record in staged("circular_flow", share=0.01, seed=31)[0][:2_000]]
    shard = build_shard(load_config(config_of(tmp_path, "circular_flow"), {}), SOURCE)
    shard.process(chunk_of(values))
    stored = {name: slab for name, slab in shard.dirty().items() if slab is not None}
    changed = build_shard(load_config(config_of(tmp_path, "circular_flow", 'window = "2d"\n'), {}), SOURCE)
    changed.restore(stored)
    assert any("found was changed" in notice for notice in changed.notices)
    gone = {name for name, slab in changed.dirty().items() if slab is None}
    assert gone == {name for name in stored if name.startswith(b"pattern/")}
