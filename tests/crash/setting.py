"""What differs between the logs that the harness runs on."""

from pathlib import Path
from typing import Any, Protocol

from pipeline.config.model import AppConfig
from pipeline.log import Log
from tests.crash.drill import Broker
from tests.crash.faults import Pace
from tests.crash.fleet import Child, Fleet
from tests.crash.pauses import Scene
from tests.crash.verdict import Verdict


class Setting(Protocol):
    """An application on a log, its load, and the check at the end."""

    log: Log
    config: AppConfig
    pace: Pace
    scene: Scene
    broker: Broker | None
    static: frozenset[int]
    """Numbers of the workers that have a static identity."""

    def producer(self, fleet: Fleet) -> Child:
        """Start the load."""

    def worker(self, fleet: Fleet, number: int) -> Child:
        """Start a worker."""

    def last(self, fleet: Fleet) -> Child:
        """Start a worker that ends when everything has been processed."""

    def facts(self) -> dict[str, Any]:
        """What the producer did, for the summary; after it ended."""

    async def behind(self) -> list[str]:
        """Sentences about the partitions that have not been processed to their end."""

    async def check(self) -> Verdict:
        """Compare what the workers wrote with what they must have written."""


def written(folder: Path, name: str, text: str) -> Path:
    """The file ``name`` in ``folder``, with ``text`` in it."""
    file = folder / name
    file.write_text(text)
    return file
