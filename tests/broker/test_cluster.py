"""A cluster keeps what it promised through kills, pauses and restarts."""

import os

import pytest

from tests.broker.clients import create_topic, read, write
from tests.broker.cluster import Cluster
from tests.broker.errors import BrokerError
from tests.broker.plugin import kafka_or_skip
from tests.broker.probe import live_brokers

VALUES = [f"v{n}".encode() for n in range(20)]


@pytest.fixture(scope="module")
def single():
    with kafka_or_skip() as cluster:
        yield cluster


def port(cluster, node=1):
    return int(cluster.bootstrap.split(",")[node - 1].rpartition(":")[2])


def test_the_shared_broker_keeps_what_is_written(kafka, kafka_prefix):
    """What is written to the session's broker is read back."""
    create_topic(kafka, kafka_prefix)
    write(kafka, kafka_prefix, VALUES)
    assert read(kafka, kafka_prefix, len(VALUES)) == VALUES


def test_data_and_addresses_outlive_a_kill(single, kafka_prefix):
    """After SIGKILL and a restart, what was acknowledged is read at the same address."""
    create_topic(single.access(), kafka_prefix)
    write(single.access(), kafka_prefix, VALUES)
    before = single.bootstrap
    single.kill()
    assert live_brokers(port(single)) == set()
    single.restart()
    assert single.bootstrap == before
    assert read(single.access(), kafka_prefix, len(VALUES)) == VALUES


def test_a_paused_broker_is_silent_until_it_is_resumed(single):
    """SIGSTOP: nobody answers; SIGCONT: the same process does."""
    pid = single.pid()
    single.pause()
    assert live_brokers(port(single), timeout_s=0.3) == set()
    single.resume()
    assert live_brokers(port(single), timeout_s=30) == {1}
    assert single.pid() == pid


@pytest.mark.slow
def test_one_node_of_three_may_die(kafka_prefix):
    """With one node killed, writes to all replicas and groups go on, and the node comes back with its data."""
    with kafka_or_skip(nodes=3) as cluster:
        access = cluster.access()
        create_topic(access, kafka_prefix, partitions=3, replicas=3)
        write(access, kafka_prefix, VALUES[:10])
        cluster.kill(2)
        write(access, kafka_prefix, VALUES[10:])
        assert sorted(read(access, kafka_prefix, len(VALUES), group=kafka_prefix)) == sorted(VALUES)
        cluster.restart(2)
        assert live_brokers(port(cluster, 2)) == {1, 2, 3}


def test_a_broker_that_cannot_start_shows_its_log(single, tmp_path):
    """The error ends with what the broker itself said."""
    said = r"(?s)node 1 could not be formatted.*Invalid value 0 for configuration num\.io\.threads"
    with pytest.raises(BrokerError, match=said):
        Cluster.start(version=single.version, overrides={"num.io.threads": "0"}, folder=tmp_path / "broken")
    assert not (tmp_path / "broken").exists()


def test_stopping_leaves_neither_process_nor_data(single):
    """After the end there is no process and no folder, and stopping again does nothing.

    The last test here, as it ends what the others share.
    """
    pid = single.pid()
    assert single.log().stat().st_size
    single.stop()
    assert not single.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    single.stop()
