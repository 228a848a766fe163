"""``streamgauge lag`` of groups that other clients make, whatever protocol they speak."""

import asyncio
import contextlib

import confluent_kafka
import pytest

from agents.events import Outgoing, Records
from pipeline.log import TopicSpec
from pipeline.log.opening import open_log
from tests.pipeline.cli.conftest import CONFIG, Shell
from tests.pipeline.kafka.others import PATIENCE_S

RECORDS, READ = 10, 4


async def fill(url, topic):
    log = open_log(url)
    try:
        await log.create_topic(TopicSpec(name=topic, partitions=1))
        await log.append([Outgoing(topic, 0, Records(values=[b"x"] * RECORDS))])
    finally:
        await log.close()


@contextlib.contextmanager
def reading(servers, topic, group, protocol):
    """A member of another client's group, which has committed some of the records."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    try:
        consumer.subscribe([topic])
        for _ in range(READ):
            record = consumer.poll(PATIENCE_S)
            assert record is not None
            assert record.error() is None
        consumer.commit(message=record, asynchronous=False)
        yield
    finally:
        consumer.close()


@pytest.fixture
def shell(kafka, kafka_prefix, tmp_path):
    made = Shell(tmp_path, tmp_path / "shop.toml")
    made.config.write_text(CONFIG.format(log="unused.db").replace("local://unused.db", kafka.url))
    asyncio.run(fill(kafka.url, kafka_prefix))
    return made


@pytest.fixture(params=["consumer"])
def protocol(request, kafka_version):
    """A group's protocol. Brokers before 4.0 have the new one, of KIP-848, as a preview only."""
    if request.param == "consumer" and kafka_version.startswith("3."):
        pytest.skip("these brokers have no new protocol")
    return request.param


@pytest.mark.parametrize(("protocol", "lease"), [("classic", "held"), ("consumer", "none")], indirect=["protocol"])
def test_lag_of_another_client_s_group(shell, kafka, kafka_prefix, protocol, lease):
    """Lag is right in either protocol; the new one's owners are not told, and when a commit was is told by neither."""
    with reading(kafka.bootstrap, kafka_prefix, kafka_prefix, protocol):
        (row,) = shell.ok("lag", "--group", kafka_prefix)
        people = shell.run("lag", "--group", kafka_prefix, "--format", "table", "--no-rates").stdout
    assert (row["committed"], row["end"], row["lag_records"]) == (READ, RECORDS, RECORDS - READ)
    assert (row["owner"], row["lease"], row["committed_ms"], row["status"]) == (
        "rdkafka" if protocol == "classic" else None,
        lease,
        None,
        "OK",
    )
    assert people.splitlines()[1].rstrip().endswith(" OK")


def test_lag_of_all_groups(shell, kafka, kafka_prefix, protocol):
    """``--all`` shows the groups of every client."""
    with reading(kafka.bootstrap, kafka_prefix, f"{kafka_prefix}-a", "classic"):
        pass
    with reading(kafka.bootstrap, kafka_prefix, f"{kafka_prefix}-b", protocol):
        rows = shell.ok("lag", "--all", "--no-rates")
    found = {row["group"]: row["lag_records"] for row in rows if row["group"].startswith(kafka_prefix)}
    assert found == {f"{kafka_prefix}-a": RECORDS - READ, f"{kafka_prefix}-b": RECORDS - READ}
