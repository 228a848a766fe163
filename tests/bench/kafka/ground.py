"""What every measurement stands on: a broker, a folder, processes, and looking at them."""

import asyncio
import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil

from pipeline.config import AppConfig, load_config
from pipeline.log import Log
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs
from tests.bench.kafka.options import Options
from tests.broker.cluster import Cluster
from tests.crash.fleet import Child, Fleet

LOOK_S = 0.02
_PATIENCE_S = 120.0


class Ground:
    """A broker, and processes that end with the measurement.

    Args:
        servers: ``HOST:PORT,…``.
        prefix: Begins the names of applications and topics.
        folder: For configurations, messages and reports.
        fleet: Starts processes.
        options: How large the measurement is.
    """

    def __init__(self, servers: str, prefix: str, folder: Path, fleet: Fleet, options: Options) -> None:
        self.servers = servers
        self._prefix = prefix
        self.folder = folder
        self.options = options
        self._fleet = fleet

    def app(self, name: str) -> str:
        """The name of an application, and the beginning of those of its topics."""
        return f"{self._prefix}-{name}"

    def config(self, name: str, text: str) -> tuple[Path, AppConfig]:
        """A configuration file, and what it says."""
        file = self.folder / f"{name}.toml"
        file.write_text(text)
        return file, load_config(file, {})

    def worker(self, name: str, file: Path, *options: str) -> Child:
        """A worker as users start it."""
        return self._measured(self._fleet.worker(name, str(file), *options))

    def python(self, name: str, module: str, *arguments: object) -> Child:
        """A module of the measurement as a process of its own."""
        return self._measured(self._fleet.python(name, module, *map(str, arguments)))

    def _measured(self, child: Child) -> Child:
        _renice(child.pid, self.options.nice)
        return child


def _renice(pid: int, nice: int) -> None:
    if nice:
        with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess):
            for thread in psutil.Process(pid).threads():
                os.setpriority(os.PRIO_PROCESS, thread.id, nice)


@contextlib.asynccontextmanager
async def ground(options: Options, servers: str | None = None, prefix: str | None = None) -> AsyncIterator[Ground]:
    """A broker of our own, or the one at ``servers``; processes that are left are ended.

    Raises:
        KafkaUnavailableError: If this machine can't run one.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamgauge-bench-")))
        if servers is None:
            cluster = await asyncio.to_thread(Cluster.start, quick=False)
            stack.callback(cluster.stop)
            servers = cluster.bootstrap
            _renice(cluster.pid(), options.nice)
        prefix = prefix or f"bench-{secrets.token_hex(3)}"
        yield Ground(servers, prefix, folder, stack.enter_context(Fleet(folder)), options)


@contextlib.asynccontextmanager
async def opened(config: AppConfig) -> AsyncIterator[Log]:
    """The log of an application, with its topics."""
    log = open_log(config.log)
    try:
        for spec in topic_specs(config):
            await log.create_topic(spec)
        yield log
    finally:
        await log.close()


async def until(fact: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str) -> float:
    """Wait until ``fact`` holds, and return when it was seen to, by the monotonic clock.

    Raises:
        TimeoutError: If it does not come to hold; ``what`` says what was waited for.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = fact()
        if found if isinstance(found, bool) else await found:
            return time.monotonic()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {_PATIENCE_S:.0f} s")
        await asyncio.sleep(LOOK_S)  # other processes: there is no event to wait for


async def until_said(child: Child, word: str) -> float:
    """Wait until a process has said ``word``.

    Raises:
        RuntimeError: If it ends before.
    """

    def is_said() -> bool:
        if child.code is not None:
            raise RuntimeError(f"{child.name} ended with code {child.code}:\n{child.last_words()}")
        return word in child.last_words()

    return await until(is_said, f"{child.name} saying {word!r}")


async def finished(child: Child, within_s: float) -> None:
    """Wait until a process has ended well.

    Raises:
        RuntimeError: If it does not.
    """
    code = await child.ended(within_s)
    if code != 0:
        raise RuntimeError(f"{child.name} ended with code {code}:\n{child.last_words()}")


async def processed(log: Log, config: AppConfig, topic: str) -> int:
    """Records of a topic whose processing has been committed; known to the second."""
    committed = await log.committed(config.name)
    return sum(at.offset for source, at in committed.items() if source.topic == topic)


async def caught_up(log: Log, config: AppConfig, topic: str, ends: int) -> None:
    """Wait until as many records have been processed."""

    async def is_done() -> bool:
        return await processed(log, config, topic) >= ends

    await until(is_done, f"processing {ends:,} records")


def rss_bytes(child: Child) -> int:
    """Memory that a process holds now."""
    return int(psutil.Process(child.pid).memory_info().rss)


def peak_bytes(child: Child) -> int:
    """The most that it held so far."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def cpu_s(child: Child) -> float:
    """Processor seconds that it has used."""
    times = psutil.Process(child.pid).cpu_times()
    return float(times.user + times.system)
