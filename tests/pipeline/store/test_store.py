"""Stores that are opened, closed, crashed, and built anew."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import LogError, UsageError
from pipeline.log.opening import open_log
from pipeline.readmodel.questions import AlertsAsked, IncidentsAsked
from pipeline.store import Store
from pipeline.store.answers import StoredAnswers
from pipeline.store.follower import Follower
from pipeline.store.opening import open_database
from pipeline.store.schema import prepare, set_fact
from pipeline.store.topics.feeds import feeds_of
from pipeline.views import TableReader
from tests.pipeline.store import topics
from tests.pipeline.store.topics import CONFIG, alert, alerts, incident, label, state

ROOT = Path(__file__).parents[3]


@pytest.fixture
def log(tmp_path):
    """Opens the log of this test."""
    return lambda: open_log(f"local://{tmp_path}/log.db")


def following(log, database, feeds=None):
    """A follower of the log into a store, and its answers."""
    follower = Follower(log, database, feeds or feeds_of(CONFIG), ThreadPoolExecutor(1))
    return follower, StoredAnswers(database, CONFIG, {}, clock_ms=lambda: 0)


async def caught_up(follower):
    while await follower.refresh():
        pass


async def everything(answers):
    """What the store holds, without the numbers of arrival."""
    found = (await answers.alerts(AlertsAsked(limit=500))).rows
    told = [(each.detected_ms, each.document, each.incident, each.fraud) for each in found]
    live, ended = [(await answers.incidents(IncidentsAsked(state=each))).rows for each in ("live", "resolved")]
    return told, live, ended, await answers.rules()


async def fill(log, *, first=0):
    """Alerts, an incident of some, and what people said."""
    await log.append([alerts([(alert(n), n) for n in range(first, first + 30)])])
    await log.append([state([("incident/a", incident(1, alerts=[alert(first + 2)]))])])
    await log.append([label(f"r{first + 3}")])


def test_a_restart_goes_on(place, log):
    """What was read is not read again; what came meanwhile is; numbers of arrival go on."""

    async def work():
        opened = log()
        await topics.create(opened)
        await fill(opened)
        for turn in range(2):
            database = open_database(*place)
            assert prepare(database) is (turn == 0)
            follower, answers = following(opened, database)
            before = (await answers.alerts(AlertsAsked(limit=500))).rows
            assert len(before) == 30 * turn
            await caught_up(follower)
            rows = (await answers.alerts(AlertsAsked(limit=500))).rows
            assert sorted(each.number for each in rows) == [*range(1, 30 * (turn + 1) + 1)]
            await fill(opened, first=30)
            database.close()
        await opened.close()

    asyncio.run(work())


def test_a_store_of_another_version_is_built_anew(place, log):
    """It then says the same as before."""

    async def work():
        opened = log()
        await topics.create(opened)
        await fill(opened)
        database = open_database(*place)
        prepare(database)
        follower, answers = following(opened, database)
        await caught_up(follower)
        before = await everything(answers)
        assert len(before[0]) == 30
        with database.write() as writer:
            set_fact(writer, "version", "an older one")
        database.close()
        database = open_database(*place)
        assert prepare(database)
        follower, answers = following(opened, database)
        assert (await everything(answers))[0] == []
        await caught_up(follower)
        assert await everything(answers) == before
        database.close()
        await opened.close()

    asyncio.run(work())


@pytest.mark.parametrize("records", [1, 30, 60])
def test_a_topic_made_anew(database, log, records):
    """Shorter, as long, or longer than what was read: nothing of before stays, whether seen at once or at a restart."""

    async def work():
        opened = log()
        await topics.create(opened, partitions=1)
        await fill(opened)
        follower, _ = following(opened, database)
        await caught_up(follower)
        await opened.delete_topic("alerts")
        await topics.create(opened, partitions=1)
        await opened.append([alerts([(alert(1_000 + n), n) for n in range(records)])])
        if records > 1:
            follower, answers = following(opened, database)
        await caught_up(follower)
        _, answers = following(opened, database)
        rows = (await answers.alerts(AlertsAsked(limit=500))).rows
        assert sorted(each.document["id"] for each in rows) == [alert(1_000 + n).id for n in range(records)]
        assert min(each.number for each in rows) == 31
        await opened.close()

    asyncio.run(work())


class _Failing:
    """A feed that fails once, after it has written."""

    def __init__(self, feed):
        self._feed, self._failed = feed, False
        self.topics, self.first, self.clear = feed.topics, feed.first, feed.clear

    def take(self, writer, chunks):
        unreadable = self._feed.take(writer, chunks)
        if not self._failed:
            self._failed = True
            raise LogError("the store can't be written: the disk is full")
        return unreadable


def test_a_transaction_that_fails_is_as_if_it_had_not_been(database, log):
    """Nothing of it stands in the store, and what it was to hold is read again."""

    async def work():
        opened = log()
        await topics.create(opened)
        await fill(opened)
        follower, answers = following(opened, database, [_Failing(feed) for feed in feeds_of(CONFIG)])
        for _ in range(3):
            told = await everything(answers)
            with pytest.raises(LogError, match="disk is full"):
                await caught_up(follower)
        assert len(told[0]) == 30
        await caught_up(follower)
        found = await everything(answers)
        assert len(found[0]) == 30
        assert [each.id for each in found[1]] == [incident(1).id]
        assert next(each for each in found[3] if each.name == "busy").confirmed == 1
        await opened.close()

    asyncio.run(work())


@pytest.mark.slow
def test_a_process_that_dies_loses_nothing(tmp_path, log):
    """Killed between two transactions, again and again: in the end every alert is there, once."""
    store = f"duckdb://{tmp_path}/store.duckdb"

    async def append(first):
        opened = log()
        if not first:
            await topics.create(opened)
        await fill(opened, first=first)
        await opened.close()

    async def check(count):
        opened, database = log(), open_database(store, "app")
        follower, answers = following(opened, database)
        found = await everything(answers)
        assert sorted(told[0] for told in found[0]) == [*range(count)]
        assert next(each for each in found[3] if each.name == "busy").confirmed == count // 30
        assert not await follower.refresh()
        database.close()
        await opened.close()

    command = [sys.executable, "-m", "tests.pipeline.store.dying", f"local://{tmp_path}/log.db", store]
    ends = []
    for turn, fetches in enumerate((1, 2, 3, 4, 1_000)):
        asyncio.run(append(30 * turn))
        ends.append(subprocess.run([*command, str(fetches)], cwd=ROOT, timeout=120, check=False).returncode)
    assert ends == [9, 9, 9, 9, 0]
    asyncio.run(check(150))


def test_a_file_that_another_process_has_is_refused(tmp_path):
    """With what to do about it."""
    held = f"held = duckdb.connect({str(tmp_path / 'store.duckdb')!r})"
    opening = f"import duckdb, sys; {held}; print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", opening]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(UsageError, match="open in another process"):
            open_database(f"duckdb://{tmp_path}/store.duckdb", "app")
        other.communicate()
    open_database(f"duckdb://{tmp_path}/store.duckdb", "app").close()


def test_places_that_are_none(tmp_path):
    """A URL that is not understood, without its password; a file that is no store; a server that is not there."""
    for url in ("", "store", "duckdb://", "mysql://ann:secret@host/db"):
        with pytest.raises(UsageError, match="names no store") as caught:
            open_database(url, "app")
        assert "secret" not in str(caught.value)
    (tmp_path / "text").write_text("no database " * 1_000)
    with pytest.raises(UsageError, match="it may be deleted"):
        open_database(f"duckdb://{tmp_path}/text", "app")


def test_a_server_that_is_not_there(tmp_path):
    """Says so, and does not repeat the password."""
    pytest.importorskip("psycopg_pool", reason="the extra 'postgres' is not installed")
    with pytest.raises(UsageError, match="PostgreSQL can't be opened") as caught:
        open_database(f"postgresql://ann:secret@/db?host={tmp_path}", "app")
    assert "secret" not in str(caught.value)


def test_of_two_processes_one_writes_and_both_answer(server, log):
    """Over PostgreSQL; when the first ends, the other goes on where it was."""
    name = "app"
    config = type(CONFIG)(**{each: getattr(CONFIG, each) for each in CONFIG.__dataclass_fields__} | {"name": name})

    async def work():
        opened = log()
        await topics.create(opened)
        await fill(opened)
        first, second = (
            Store(server.url, config, opened, TableReader(opened, config), clock_ms=lambda: 0) for _ in range(2)
        )
        for store in (first, second):
            await store.refresh()
        found = [await everything(store.answers) for store in (first, second)]
        assert found[0] == found[1]
        assert len(found[1][0]) == 30
        await fill(opened, first=30)
        await second.refresh()
        assert len((await everything(second.answers))[0]) == 30, "the second one only reads"
        first.close()
        await second.refresh()
        assert len((await everything(second.answers))[0]) == 60
        second.close()
        await opened.close()

    asyncio.run(work())
