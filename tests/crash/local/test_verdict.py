"""The checker finds what is wrong: a correct log is copied with one fault in it."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.events import Outgoing, Records, TopicPartition
from load.payments import PaymentsLoad
from pipeline.config import load_config
from pipeline.log.opening import open_log
from tests.crash.fleet import Fleet
from tests.crash.local.application import load, toml
from tests.crash.local.check import check
from tests.crash.local.observed import read_topic
from tests.crash.run import create_topics

APP, PARTITIONS = "crash", 2
_WRONG = ("lost", "repeated", "unexpected", "wrong_totals", "wrong_state", "wrong_alerts", "stuck_partitions")


@contextlib.asynccontextmanager
async def opened(config):
    log = open_log(config.log, kafka=config.kafka)
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The configuration of a log with some seconds of payments, processed by a worker that nothing happened to."""
    folder = tmp_path_factory.mktemp("original")
    file = folder / "crash.toml"
    file.write_text(toml(app=APP, log=f"local://{folder / 'events.db'}", partitions=PARTITIONS))
    config = load_config(file, {})

    async def produce():
        async with opened(config) as log:
            await create_topics(log, config)
            start_ms = time.time_ns() // 1_000_000 - 60_000
            source = PaymentsLoad(load(config.streams["payments"], rate_per_s=2_500, seed=3, start_ms=start_ms))
            for second in range(1, 9):
                await log.append(source.until(start_ms + 1_000 * second))

    async def work():
        with Fleet(folder) as fleet:
            return await fleet.worker("w1", str(file), "--until-idle").ended(60)

    asyncio.run(produce())
    assert asyncio.run(work()) == 0
    return config


async def copy(source, config, target, edit):
    """Every topic, record by record, as ``edit(topic, records)`` has them, and the positions of the group."""
    for spec in (await source.topics()).values():
        await target.create_topic(spec)
        records: dict[int, list[tuple]] = {}
        async for chunk in read_topic(source, spec.name):
            headers = chunk.headers or [()] * len(chunk)
            columns = zip(chunk.keys, chunk.values, headers, chunk.timestamps_ms.tolist(), strict=True)
            records.setdefault(chunk.partition, []).extend(columns)
        for partition, kept in sorted(edit(spec.name, records).items()):
            keys, values, headers, stamps = zip(*kept, strict=True)
            columns = Records(keys=keys, values=values, headers=headers, timestamps_ms=stamps)
            await target.append([Outgoing(spec.name, partition, columns)])
    committed = await source.committed(config.name)
    await target.commit_offsets(config.name, {each: known.offset for each, known in committed.items()})


def verdict_on(config, folder, edit):
    """What the checker says about an edited copy."""
    copied = replace(config, log=f"local://{folder / 'copy.db'}")

    async def work():
        async with opened(config) as source, opened(copied) as target:
            await copy(source, config, target, edit)
            return await check(target, copied)

    return asyncio.run(work())


def faults_of(verdict):
    return {name for name in _WRONG if getattr(verdict, name)}


def in_topic(name: str, change: Callable[[list[tuple]], list[tuple]]):
    """Change the records of the first partition of a topic that has any."""

    def edit(topic, records):
        if topic == f"{APP}-{name}":
            partition = min(records)
            records[partition] = change(records[partition])
        return records

    return edit


def with_value(change: Callable[[dict], None]):
    """Change the JSON of the first record."""

    def edit(records):
        key, value, headers, stamp = records[0]
        body = json.loads(value)
        change(body)
        return [(key, json.dumps(body).encode(), headers, stamp), *records[1:]]

    return edit


def without_first(records):
    return records[1:]


def first_twice(records):
    return [records[0], *records]


def without_state(records):
    """The slabs of one table are gone."""
    return [record for record in records if b"/table/account_20s@" not in record[0]]


def more(name):
    return with_value(lambda body: body.update({name: body[name] + 1}))


def nothing(_topic, records):
    return records


def test_a_correct_log_is_found_correct(original, tmp_path):
    """No fault is found where there is none, and there was something to look at."""
    verdict = verdict_on(original, tmp_path, nothing)
    assert verdict.examples == []
    assert faults_of(verdict) == set()
    assert verdict.is_good
    assert min(verdict.alerts, *(verdict.facts[name] for name in ("closed_windows", "late", "rejects"))) > 10
    assert len(verdict.facts["alerts_by_rule"]) >= 3


@pytest.mark.parametrize(
    ("topic", "change", "field", "times"),
    [
        ("alerts", without_first, "lost", 1),
        ("alerts", first_twice, "repeated", 1),
        ("alerts", with_value(lambda body: body.update(key="nobody")), "unexpected", 1),
        ("alerts", with_value(lambda body: body["records"].pop()), "wrong_alerts", 1),
        ("alerts", with_value(lambda body: body.update(id="0")), "wrong_alerts", 1),
        ("account_2s", without_first, "lost", 1),
        ("account_2s", first_twice, "repeated", 1),
        ("account_2s", more("spent"), "wrong_totals", 1),
        ("merchant_5s", more("n"), "wrong_totals", 1),
        ("payments.dead-letter", without_first, "lost", 1),
        ("payments.late", first_twice, "repeated", 1),
        ("payments-by-merchant-repartition", first_twice, "repeated", None),
        ("health", without_first, "wrong_totals", None),
        ("crash-payments-state", without_state, "wrong_state", None),
    ],
)
def test_each_fault_is_found(original, tmp_path, topic, change, field, times):
    """A missing, repeated or wrong record of any kind is counted as what it is."""
    verdict = verdict_on(original, tmp_path, in_topic(topic, change))
    assert not verdict.is_good
    assert any(line.startswith(f"{field}: ") for line in verdict.examples)
    assert getattr(verdict, field) >= 1
    if times is not None:
        assert getattr(verdict, field) == times


def test_a_partition_that_stands_still_is_found(original, tmp_path):
    """A position that is not at the end counts as stuck."""
    copied = replace(original, log=f"local://{tmp_path / 'copy.db'}")

    async def work():
        async with opened(original) as source, opened(copied) as target:
            await copy(source, original, target, nothing)
            await target.commit_offsets(APP, {TopicPartition(f"{APP}-payments", 1): 5})
            return await check(target, copied)

    verdict = asyncio.run(work())
    assert faults_of(verdict) == {"stuck_partitions"}
    assert f"stuck_partitions: {APP}-payments/1 is committed to 5" in verdict.examples[0]
