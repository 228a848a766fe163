"""What the configuration says of a worker's membership in its group."""

import asyncio

import pytest

from pipeline.log.opening import open_log
from tests.pipeline.cli.conftest import CONFIG, Shell


@pytest.fixture
def shell(kafka, kafka_prefix, tmp_path):
    """A shell with an application of its own on Kafka."""
    made = Shell(tmp_path, tmp_path / "shop.toml")
    made.app = kafka_prefix
    text = CONFIG.format(log="x").replace('"local://x"', f'"{kafka.url}"\nalerts = "{kafka_prefix}-alerts"')
    text = text.replace('name = "shop"', f'name = "{kafka_prefix}"')
    for stream in ("orders", "samples"):
        text = text.replace(f"[streams.{stream}]", f'[streams.{stream}]\ntopic = "{kafka_prefix}-{stream}"')
    made.config.write_text(text)
    yield made
    made.close()


def members(url, group):
    async def ask():
        log = open_log(url)
        try:
            return await log.members(group)
        finally:
            await log.close()

    return asyncio.run(ask())


@pytest.mark.parametrize(("words", "stays"), [([], 0), (["--instance", "shop-1"], 1)])
def test_a_static_member_keeps_its_place(shell, kafka, words, stays):
    """With ``--instance`` the group keeps a worker's place after it was stopped, else the worker leaves."""
    worker = shell.start("worker", "--until-idle", *words)
    _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    found = members(kafka.url, shell.app)
    assert len(found) == stays
    assert all(name.startswith("shop-1@") for name in found)


def test_a_wrong_instance_is_refused(shell):
    """An id that Kafka would refuse is a mistake of the command line."""
    result = shell.run("worker", "--instance", "shop 1")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--instance: 'shop 1' is no member id" in result.stderr


def test_a_session_that_the_brokers_do_not_take_is_one_line(shell):
    """A session out of the brokers' bounds ends the worker with 3, and names the key to set."""
    shell.config.write_text(shell.config.read_text() + '[kafka]\nsession = "500ms"\n')
    worker = shell.start("worker", "--until-idle")
    _, said = worker.communicate(timeout=60)
    assert (worker.returncode, said.count(b"\n")) == (3, 1), said
    assert b"take no session of 500 ms; set [kafka] session" in said


def test_without_a_broker_a_command_ends_and_says_so_once(shell, kafka):
    """A command that looks ends with 3 and one line when no broker answers; it does not say that it waits."""
    shell.config.write_text(shell.config.read_text().replace(kafka.url, "kafka://127.0.0.1:1"))
    looking = shell.start("topics")
    _, said = looking.communicate(timeout=60)
    assert (looking.returncode, said.count(b"\n")) == (3, 1), said
    assert b"no broker at 127.0.0.1:1 could be reached" in said
