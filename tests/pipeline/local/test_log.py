"""Opening a local log, and what happens when something is in the way."""

import asyncio
import contextlib
import fcntl
import sqlite3

import pytest

from agents.events import Outgoing, Records, TopicPartition
from pipeline.errors import LogBusyError, LogError, UsageError
from pipeline.local.log import LocalLog
from pipeline.log import TopicSpec
from pipeline.log.opening import open_log

SPEC = TopicSpec(name="t", partitions=1)
T0 = TopicPartition("t", 0)
ONE = [Outgoing("t", 0, Records(values=[b"1"]))]


async def filled(path):
    log = LocalLog(path)
    await log.create_topic(SPEC)
    await log.append(ONE)
    await log.close()


@pytest.mark.parametrize(
    "url", ["", "log.db", "redis://x", "local:/x", "local://", "local://x?sync=often", "local://x?y=1"]
)
def test_urls_that_name_no_log_are_refused(url):
    """A wrong URL is an error that says what is allowed."""
    with pytest.raises(UsageError, match="allowed"):
        open_log(url)


def test_directories_are_made_unless_told_not_to(tmp_path):
    """A missing log is made with its directory; with create=False it is an error that names the commands."""
    url = f"local://{tmp_path}/a/b/log.db"
    with pytest.raises(LogError, match="streamgauge worker"):
        open_log(url, create=False)
    assert not (tmp_path / "a").exists()
    asyncio.run(open_log(url).close())
    asyncio.run(open_log(url, create=False).close())


def test_relative_paths_and_options_work(tmp_path, monkeypatch):
    """A relative path is one of the working directory, and the durable mode works the same."""
    monkeypatch.chdir(tmp_path)

    async def scenario():
        log = open_log("local://var/log.db?sync=full")
        await log.create_topic(SPEC)
        await log.append(ONE)
        found = await log.fetch({T0: 0})
        await log.close()
        return found

    assert [list(chunk.values) for chunk in asyncio.run(scenario())] == [[b"1"]]
    assert (tmp_path / "var" / "log.db").is_file()


def test_other_files_are_left_alone(tmp_path):
    """Text, directories and other programs' SQLite files are refused, and not changed."""
    text = tmp_path / "notes.txt"
    text.write_text("no log\n" * 1_000)
    with pytest.raises(LogError, match="can't be opened as a streamgauge log"):
        LocalLog(text)
    assert text.read_text() == "no log\n" * 1_000
    with pytest.raises(LogError, match="no file"):
        open_log(f"local://{tmp_path}")
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = other.read_bytes()
    with pytest.raises(LogError, match="another program"):
        LocalLog(other)
    assert other.read_bytes() == before


def test_another_format_is_refused(tmp_path):
    """A log written by another version is not touched, and both formats are named."""
    path = tmp_path / "log.db"
    asyncio.run(filled(path))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(LogError, match="format 99, this program reads format 1"):
        LocalLog(path)


def test_an_unwritable_place_is_a_log_error(tmp_path):
    """A directory that can't be made is an error of the log, not a traceback of the system."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="can't be made"):
        open_log(f"local://{tmp_path}/file/log.db")
    with pytest.raises(LogError, match="can't be opened"):
        LocalLog(tmp_path / "missing" / "log.db")


def test_damage_is_named_with_its_place(tmp_path):
    """A damaged chunk is an error that names partition and offset, and nothing is returned of it."""
    path = tmp_path / "log.db"
    asyncio.run(filled(path))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE chunks SET records = CAST(records || x'00' AS BLOB)")

    async def scenario():
        log = LocalLog(path)
        try:
            with pytest.raises(LogError, match=r"t/0 at offset 0.*damaged"):
                await log.fetch({T0: 0})
        finally:
            await log.close()

    asyncio.run(scenario())


def test_a_stuck_writer_is_named(tmp_path):
    """Who waits too long for another writer gets an error that can be tried again, and can write once it is gone."""
    path = tmp_path / "log.db"
    asyncio.run(filled(path))

    async def scenario():
        log = LocalLog(path, patience_s=0.05)
        try:
            with (tmp_path / "log.db-pen").open() as pen:
                fcntl.flock(pen, fcntl.LOCK_EX)
                with pytest.raises(LogBusyError, match="other writers held the log"):
                    await log.append(ONE)
                assert len(await log.fetch({T0: 0})) == 1  # readers do not mind
            await log.append(ONE)
            assert (await log.partitions("t"))[0].end == 2
        finally:
            await log.close()

    asyncio.run(scenario())
    assert LogBusyError.retriable


def test_a_failed_transaction_leaves_nothing(tmp_path):
    """When the file refuses the last part of an append, its first part is gone too, and the log goes on working."""
    path = tmp_path / "log.db"
    asyncio.run(filled(path))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON chunks WHEN NEW.count = 3 BEGIN SELECT raise(ABORT, 'disk full'); END"
        )

    async def scenario():
        log = LocalLog(path)
        try:
            with pytest.raises(LogError, match="disk full"):
                await log.append([*ONE, Outgoing("t", 0, Records(values=[b"1"] * 3))])
            assert (await log.partitions("t"))[0].end == 1
            await log.append(ONE)
            assert (await log.partitions("t"))[0].end == 2
        finally:
            await log.close()

    asyncio.run(scenario())


def test_a_closed_log_says_so(tmp_path):
    """After closing, calls fail clearly, and a reader that waited is let go."""

    async def scenario():
        log = LocalLog(tmp_path / "log.db")
        await log.create_topic(SPEC)
        waiting = asyncio.create_task(log.fetch({T0: 0}, wait_ms=60_000))
        assert not (await asyncio.wait([waiting], timeout=0.02))[0]
        await log.close()
        with pytest.raises(LogError, match="was closed"):
            await asyncio.wait_for(waiting, 10)
        with pytest.raises(LogError, match="was closed"):
            await log.topics()

    asyncio.run(scenario())


def test_a_cancelled_reader_disturbs_nobody(tmp_path):
    """Cancelling a waiting fetch leaves the log usable for the next."""

    async def scenario():
        log = LocalLog(tmp_path / "log.db")
        await log.create_topic(SPEC)
        waiting = asyncio.create_task(log.fetch({T0: 0}, wait_ms=60_000))
        await asyncio.wait([waiting], timeout=0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await log.append(ONE)
        found = await log.fetch({T0: 0}, wait_ms=60_000)
        await log.close()
        return found

    assert [list(chunk.values) for chunk in asyncio.run(scenario())] == [[b"1"]]


def test_two_opened_at_once_see_each_other(tmp_path):
    """What one instance creates and appends, another sees at once, and is woken by."""

    async def scenario():
        one, other = LocalLog(tmp_path / "log.db"), LocalLog(tmp_path / "log.db")
        await one.create_topic(SPEC)
        waiting = asyncio.create_task(other.fetch({T0: 0}, wait_ms=60_000))
        assert not (await asyncio.wait([waiting], timeout=0.02))[0]
        await one.append(ONE)
        found = await asyncio.wait_for(waiting, 10)
        await one.close()
        await other.append(ONE)
        await other.close()
        return found

    assert [list(chunk.values) for chunk in asyncio.run(scenario())] == [[b"1"]]


def test_a_topic_that_another_process_makes_anew_is_noticed(tmp_path):
    """Who remembers a topic writes to the new one after it was deleted and made again, not to where the old one was."""

    async def play():
        mine, other = LocalLog(tmp_path / "log.db"), LocalLog(tmp_path / "log.db")
        try:
            await mine.create_topic(TopicSpec(name="t", partitions=1))
            await mine.append([Outgoing("t", 0, Records(values=[b"old"]))])
            assert (await mine.partitions("t"))[0].end == 1
            await other.delete_topic("t")
            await other.create_topic(TopicSpec(name="between", partitions=2))
            await other.create_topic(TopicSpec(name="t", partitions=2))
            await mine.append([Outgoing("t", 1, Records(values=[b"new"]))])
            assert [info.end for info in (await mine.partitions("t")).values()] == [0, 1]
            assert [info.end for info in (await other.partitions("between")).values()] == [0, 0]
        finally:
            await mine.close()
            await other.close()

    asyncio.run(play())
