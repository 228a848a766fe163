"""The one cluster that runs in the background: started and stopped by hand, remembered in a file."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from tests.broker.cluster import Cluster
from tests.broker.jars import CACHE, exclusive

_END_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A cluster in the background.

    Args:
        bootstrap: Its addresses.
        version: Of Kafka.
        folder: Holds everything that it writes.
        pids: Process ids and what their command lines end with: an id alone may be another's by now.
    """

    bootstrap: str
    version: str
    folder: str
    pids: Mapping[str, str]

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """What was remembered, or nothing."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None

    def processes(self) -> list[psutil.Process]:
        """Those of its processes that are still there."""
        found = []
        for pid, ending in self.pids.items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(pid))
                if process.cmdline()[-1:] == [ending]:
                    found.append(process)
        return found


class Background:
    """Starts and stops it; of several who try at once, one does.

    Args:
        cache: Folder for the data and the file that remembers.
    """

    def __init__(self, cache: Path = CACHE) -> None:
        self._cache = cache
        self._file = cache / "running.json"

    def start(self, *, nodes: int, version: str | None) -> tuple[Running, bool]:
        """The cluster that runs, and whether it was started just now."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with exclusive(self._cache / "lock"):
            known = Running.read(self._file)
            if known and len(known.processes()) == len(known.pids):
                return known, False
            if known:
                self._end(known)
            return self._begin(nodes, version), True

    def stop(self) -> Running | None:
        """End it and remove its data; returns what ran, if anything did."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with exclusive(self._cache / "lock"):
            known = Running.read(self._file)
            if known:
                self._end(known)
            return known

    def _begin(self, nodes: int, version: str | None) -> Running:
        folder = self._cache / "running"
        shutil.rmtree(folder, ignore_errors=True)
        cluster = Cluster.start(nodes=nodes, version=version, folder=folder, detached=True, quick=False)
        running = Running(
            bootstrap=cluster.bootstrap,
            version=cluster.version,
            folder=str(folder),
            pids={str(cluster.pid(node)): str(cluster.properties(node)) for node in cluster.nodes},
        )
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(asdict(running), indent=2))
        part.rename(self._file)
        return running

    def _end(self, known: Running) -> None:
        processes = known.processes()
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=_END_S)
        shutil.rmtree(known.folder, ignore_errors=True)
        self._file.unlink(missing_ok=True)
