"""The harness on Kafka: static and dynamic members, brokers that die, aborting producers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pipeline.config import load_config
from pipeline.log.opening import open_log
from pipeline.views import TableReader
from tests.broker.cluster import Cluster
from tests.crash.drill import Broker
from tests.crash.faults import Kind, Pace
from tests.crash.fleet import Child, Fleet
from tests.crash.kafka.application import toml
from tests.crash.kafka.broker import OneNode
from tests.crash.kafka.check import behind, check
from tests.crash.kafka.scene import KafkaScene
from tests.crash.options import Options
from tests.crash.verdict import Verdict

PACE = Pace(
    weights={Kind.KILL: 30, Kind.TERM: 10, Kind.ZOMBIE: 20, Kind.STOP: 15, Kind.STOP_KILL: 10},
    late_weights={Kind.KILL: 20, Kind.TERM: 5, Kind.ZOMBIE: 20, Kind.STOP: 10, Kind.STOP_KILL: 10, Kind.LEAVE: 30},
    busy_s=(6.0, 14.0),
    calm_s=(15.0, 25.0),
    short_s=(0.3, 3.0),
    kills_per_minute=4,
    all_kinds_s=60.0,
    outage_every_s=(35.0, 55.0),
)
STATIC = frozenset({0})
"""The first worker keeps its identity; the others are new members each time."""


class KafkaSetting:
    """See ``Setting``.

    Args:
        options: What to run.
        folder: Where the configuration goes.
        app: Name of the application.
        servers: ``HOST:PORT,…``.
        broker: What outages hit; ``None``: a cluster that is not ours to kill.
    """

    pace = PACE
    static = STATIC

    def __init__(self, options: Options, folder: Path, app: str, servers: str, broker: Broker | None) -> None:
        self._options = options
        self._servers = servers
        self._file = folder / "crash.toml"
        self._file.write_text(toml(app=app, log=f"kafka://{servers}", partitions=options.partitions))
        self._sent = folder / "sent.json"
        self.broker = broker
        self.config = load_config(self._file, {})
        self.log = open_log(self.config.log)
        self.scene = KafkaScene(self.log, self.config)
        self._reader = TableReader(self.log, self.config)

    def producer(self, fleet: Fleet) -> Child:
        """Payments in transactions, some of which are aborted."""
        options = self._options
        load = ("--rate", options.rate_per_s, "--seconds", options.seconds, "--seed", options.seed)
        where = (self._servers, self.config.streams["payments"].topic, self._sent)
        return fleet.python("producer", "tests.crash.kafka.producer", *map(str, (*where, *load)))

    def worker(self, fleet: Fleet, number: int) -> Child:
        """A worker as users start it."""
        name = f"w{number + 1}"
        return fleet.worker(name, str(self._file), *(("--instance", name) if number in STATIC else ()))

    def last(self, fleet: Fleet) -> Child:
        """The same, until everything has been processed."""
        return fleet.worker("last", str(self._file), "--until-idle")

    def facts(self) -> dict[str, Any]:
        """What was sent, and how fast."""
        sent = json.loads(self._sent.read_text()) if self._sent.exists() else {}
        total = sum(sent.get(name, 0) for name in ("committed", "aborted", "failed"))
        return {
            "aborted_records": sent.get("aborted", 0),
            "failed_records": sent.get("failed", 0),
            "records_per_s": round(total / sent["seconds"]) if sent else 0,
        }

    async def behind(self) -> list[str]:
        """Partitions with committed records that their state does not hold."""
        await self._reader.refresh()
        return await behind(self._reader, self.config, self._servers)

    async def check(self) -> Verdict:
        """Totals and alerts by brute force."""
        return await check(self.log, self.config, self._servers)


@contextlib.asynccontextmanager
async def opened(
    options: Options, folder: Path, app: str, *, servers: str | None = None, version: str | None = None
) -> AsyncIterator[KafkaSetting]:
    """The setting on a cluster of its own, which is stopped at the end, or on the one at ``servers``.

    Raises:
        KafkaUnavailableError: If this machine can't run one.
    """
    async with contextlib.AsyncExitStack() as stack:
        broker = None
        if servers is None:
            cluster = await asyncio.to_thread(Cluster.start, version=version)
            stack.callback(cluster.stop)
            servers, broker = cluster.bootstrap, OneNode(cluster)
        setting = KafkaSetting(options, folder, app, servers, broker)
        stack.push_async_callback(setting.log.close)
        yield setting
