"""The harness on the local log: many kills, all kinds of tables and of broken records."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from agents.events import TopicPartition
from pipeline.config import load_config
from pipeline.log import Log
from pipeline.log.opening import open_log
from pipeline.plan import source_topics
from tests.crash.faults import Kind, Pace
from tests.crash.fleet import Child, Fleet
from tests.crash.local.application import toml
from tests.crash.local.check import check
from tests.crash.options import Options
from tests.crash.verdict import Verdict

PACE = Pace(
    weights={Kind.KILL: 62, Kind.TERM: 12, Kind.ZOMBIE: 6, Kind.STOP: 15, Kind.STOP_KILL: 9},
    busy_s=(0.5, 3.5),
    calm_s=(4.0, 7.0),
    short_s=(0.1, 3.0),
    kills_per_minute=30,
    all_kinds_s=40.0,
)


class LocalScene:
    """Commits and owners as the log tells.

    Args:
        log: The log.
        group: The group.
    """

    def __init__(self, log: Log, group: str) -> None:
        self._log = log
        self._group = group

    async def commits(self) -> Mapping[TopicPartition, int]:
        """Positions."""
        return {source: known.offset for source, known in (await self._log.committed(self._group)).items()}

    async def owned_by(self, pid: int) -> set[TopicPartition]:
        """Partitions whose owner is the process ``pid``."""
        return {lease.source for lease in await self._log.leases(self._group) if f":{pid}:" in lease.member}


class LocalSetting:
    """See ``Setting``.

    Args:
        options: What to run.
        folder: Where the configuration and the log go.
        app: Name of the application.
    """

    pace = PACE
    broker = None
    static: frozenset[int] = frozenset()

    def __init__(self, options: Options, folder: Path, app: str) -> None:
        self._options = options
        self._file = folder / "crash.toml"
        self._file.write_text(
            toml(app=app, log=f"local://{folder.resolve() / 'events.db'}", partitions=options.partitions)
        )
        self.config = load_config(self._file, {})
        self.log = open_log(self.config.log)
        self.scene = LocalScene(self.log, app)

    def producer(self, fleet: Fleet) -> Child:
        """Payments, as the command ``streamgauge load`` makes them."""
        options = self._options
        load = ("--rate", options.rate_per_s, "--seconds", options.seconds, "--seed", options.seed)
        return fleet.python("producer", "tests.crash.local.producer", str(self._file), *map(str, load))

    def worker(self, fleet: Fleet, number: int) -> Child:
        """A worker as users start it."""
        return fleet.worker(f"w{number + 1}", str(self._file))

    def last(self, fleet: Fleet) -> Child:
        """The same, until everything has been processed."""
        return fleet.worker("last", str(self._file), "--until-idle")

    def facts(self) -> dict[str, Any]:
        """Nothing that the check does not find out."""
        return {}

    async def behind(self) -> list[str]:
        """Partitions that are not committed to their end; that of the health topic moves whenever others do."""
        committed = await self.log.committed(self.config.name)
        found = []
        for topic in source_topics(self.config):
            for number, info in (await self.log.partitions(topic)).items():
                source = TopicPartition(topic, number)
                at = committed[source].offset if source in committed else 0
                if at < info.end and topic != f"{self.config.name}-health":
                    found.append(f"{source} is committed to {at} of {info.end} only")
        return found

    async def check(self) -> Verdict:
        """All of it by brute force."""
        return await check(self.log, self.config)


@contextlib.asynccontextmanager
async def opened(options: Options, folder: Path, app: str) -> AsyncIterator[LocalSetting]:
    """The setting, whose log is closed at the end."""
    setting = LocalSetting(options, folder, app)
    try:
        yield setting
    finally:
        await setting.log.close()
