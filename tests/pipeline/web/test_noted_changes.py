"""No change without its record in the audit log, whether all goes well, the log fails or the process is killed."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys

import pytest

from pipeline.errors import AccessError, LogError
from pipeline.incidents.events import decode_event
from pipeline.log import follow
from pipeline.plan import commands_topic
from pipeline.web.access import Access
from pipeline.web.changes import Changes
from tests.pipeline.web.answers import MemoryAnswers, alert, incident
from tests.pipeline.web.changing import BY, configured
from tests.pipeline.web.filled import now_ms, on_log
from tests.pipeline.web.running import ROOT


class Desk:
    """Changes over a log and a store in memory, and what the audit log tells of them."""

    def __init__(self, folder, log):
        config = configured(folder)
        self.access = Access(config, login=False, clock_ms=now_ms)
        self.answers = MemoryAnswers()
        self.changes = Changes(config, log, self.answers, self.access.log, clock_ms=now_ms)

    def told(self):
        """Actions, subjects, outcomes and details, oldest first; the chain must be whole."""
        assert self.access.log.verify().broken is None
        records = self.access.log.newest(1_000)[::-1]
        assert {(r["who"], r["how"], r["address"]) for r in records} <= {(BY.who, BY.how, BY.address)}
        return [(r["action"], r["subject"], r["outcome"], r["details"]) for r in records]


def on_desk(folder, work, wrap=lambda log: log):
    async def opened(log):
        desk = Desk(folder, wrap(log))
        try:
            await work(desk)
        finally:
            desk.access.database.close()

    on_log(f"local://{folder}/log.db", opened)


async def written(log, app):
    """Commands in the log."""
    if commands_topic(app) not in await log.topics():
        return []
    chunks = [chunk async for chunk in follow(log, commands_topic(app), start="start", until_end=True)]
    return [decode_event(value) for chunk in chunks for value in chunk.values]


def test_each_change_is_noted_before_and_after(tmp_path):
    """That it was asked for, by whom and with which id, and that it was done; a repeat changes and notes nothing."""

    async def work(desk):
        desk.answers.known["i1"] = incident("i1")
        desk.answers.stored = [alert(1)]
        name = f"{1:032x}"
        await desk.changes.acknowledge("i1", by=BY, note="mine", own_id="c1")
        await desk.changes.acknowledge("i1", by=BY, note="mine", own_id="c1")
        await desk.changes.resolve("i1", by=BY, own_id="c2")
        await desk.changes.label(name, fraud=True, by=BY, own_id="c3")
        assert await desk.changes.label_incident("i1", fraud=False, by=BY) == 1
        told = desk.told()
        labelled = told[-1][3]["change"]
        expected = [
            ("incident.acknowledge", "i1", {"change": "c1", "note": "mine"}),
            ("incident.resolve", "i1", {"change": "c2", "note": ""}),
            ("alert.label", name, {"change": "c3", "fraud": True, "record": "p1"}),
            ("incident.label", "i1", {"change": labelled, "fraud": False, "alerts": [name]}),
        ]
        assert told == [(*each[:2], outcome, each[2]) for each in expected for outcome in ("asked", "ok")]

    on_desk(tmp_path, work)


class BrokenLog:
    """A log that takes nothing."""

    def __init__(self, log):
        self._log = log

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def append(self, outgoing):
        raise LogError(f"{len(outgoing)} could not be written: the disk is full")


def test_a_change_that_failed_is_noted_as_failed(tmp_path):
    """With the reason; whoever asked is told too."""

    async def work(desk):
        desk.answers.known["i1"] = incident("i1")
        with pytest.raises(LogError, match="the disk is full"):
            await desk.changes.resolve("i1", by=BY, own_id="c1")
        reason = "1 could not be written: the disk is full"
        assert desk.told() == [
            ("incident.resolve", "i1", "asked", {"change": "c1", "note": ""}),
            ("incident.resolve", "i1", "failed", {"change": "c1", "note": "", "reason": reason}),
        ]

    on_desk(tmp_path, work, BrokenLog)


def test_what_can_not_be_noted_is_not_done(tmp_path):
    """Where the audit log can't be written the change is refused, and nothing of it is in the log."""
    (tmp_path / "access.db").write_bytes(b"no database" * 1_000)

    async def work(log):
        desk = Desk(tmp_path, log)
        with pytest.raises(AccessError, match="can't be used"):
            await desk.changes.snooze(rule=None, key="a", until_ms=now_ms() + 60_000, reason="x", by=BY)
        assert await log.topics() == {}

    on_log(f"local://{tmp_path}/log.db", work)


class Forgetful(BrokenLog):
    """A log that takes everything, after which the audit log can't be written any more."""

    desk = None

    async def append(self, outgoing):
        done = await self._log.append(outgoing)
        self.desk.access.database.close()
        self.desk.access.database.path.write_bytes(b"no database" * 1_000)
        return done


def test_a_change_that_is_done_is_not_called_failed(tmp_path, caplog):
    """When only its outcome can't be noted, who asked is told that it was done, and the program's own log tells."""

    async def work(log):
        desk = Desk(tmp_path, Forgetful(log))
        desk.changes._log.desk = desk
        await desk.changes.snooze(rule=None, key="a", until_ms=now_ms() + 60_000, reason="x", by=BY)
        assert [each.key for each in await written(log, "payments")] == ["a"]

    on_log(f"local://{tmp_path}/log.db", work)
    assert "is in the audit log as asked only" in caplog.text


def killed(folder, moment, lines):
    """Run the process; kill it by SIGKILL after so many of its lines, unless it did so itself. What it printed."""
    command = [sys.executable, "-m", "tests.pipeline.web.changing", str(folder), moment]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        printed = [line.strip() for line, _ in zip(running.stdout, range(lines), strict=False)]
        running.kill()
        printed += [line.strip() for line in running.stdout if line.endswith("\n")]
        assert running.wait(30) == -9
    return printed


@pytest.mark.parametrize(("moment", "lines"), [("before", 9), ("after", 9), ("never", 1), ("never", 4), ("never", 13)])
def test_a_killed_process_leaves_no_change_without_its_note(tmp_path, moment, lines):
    """By SIGKILL between note and change, between change and outcome, and anywhere: what is in the log was noted."""
    printed = killed(tmp_path, moment, lines)
    config = configured(tmp_path)
    commands = [each.id for each in on_log(config.log, lambda log: written(log, config.name))]
    log = Access(config, login=False, clock_ms=now_ms).log
    assert log.verify().broken is None
    records = [(r["details"]["change"], r["outcome"]) for r in log.newest(10_000)[::-1]]
    asked = [change for change, outcome in records if outcome == "asked"]
    done = [change for change, outcome in records if outcome == "ok"]
    assert asked[: len(commands)] == commands
    assert len(asked) - len(commands) <= 1
    assert commands[: len(done)] == done
    assert len(commands) - len(done) <= 1
    assert done[: len(printed)] == printed
    if moment != "never":
        assert (len(asked), len(commands), len(done)) == (3, 2 if moment == "before" else 3, 2)


def test_a_note_that_waits_holds_nobody_up(tmp_path):
    """While another process holds the audit log, the change waits, and the event loop goes on."""

    async def work(desk):
        snooze = {"rule": None, "until_ms": now_ms() + 60_000, "reason": "x", "by": BY}
        await desk.changes.snooze(key="a", **snooze)
        with contextlib.closing(sqlite3.connect(desk.access.database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(desk.changes.snooze(key="b", **snooze))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            other.execute("COMMIT")
        await waiting
        assert len(desk.told()) == 4

    on_desk(tmp_path, work)
