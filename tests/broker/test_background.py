"""The cluster in the background is started once, found again, and ended without touching anybody else's process."""

import os

import pytest

from tests.broker.background import Background, Running
from tests.broker.plugin import needing_kafka
from tests.broker.probe import live_brokers


@pytest.fixture
def background(tmp_path):
    background = Background(tmp_path / "cache")
    yield background
    background.stop()


@pytest.mark.slow
def test_it_is_started_once_and_ended_whole(background, tmp_path):
    """A second start finds the first one's; stop ends it, removes its data, and has nothing to do when called again."""
    with needing_kafka():
        running, is_new = background.start(nodes=1, version=None)
    assert is_new
    assert background.start(nodes=3, version=None) == (running, False)
    assert live_brokers(int(running.bootstrap.rpartition(":")[2])) == {1}
    (process,) = running.processes()
    assert background.stop() == running
    assert not process.is_running()
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["lock"]
    assert background.stop() is None


def test_a_process_id_that_is_now_another_s_is_left_alone():
    """Ids are reused: one whose command line is not the broker's is not taken for it."""
    known = Running(bootstrap="", version="", folder="", pids={str(os.getpid()): "/x/server.properties"})
    assert known.processes() == []
