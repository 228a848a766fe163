"""What commands run in: the configuration, the log, the event loop, signals."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import typer

from pipeline.cli.options import config_path
from pipeline.cli.program import INTERRUPTED
from pipeline.config import AppConfig, load_config
from pipeline.log import Log
from pipeline.log.opening import open_log

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def now_ms() -> int:
    """Unix ms."""
    return time.time_ns() // 1_000_000


def read_config(file: Path | None) -> AppConfig:
    """The configuration that a command was given.

    Raises:
        UsageError: If there is none.
        ConfigError: If it is wrong.
    """
    return load_config(config_path(file))


def open_log_of(config: AppConfig, *, create: bool) -> Log:
    """The event log of ``config``, for a command that ends when brokers don't answer.

    It says so itself; that they are waited for, as a worker says, would be wrong.
    """
    logging.getLogger("pipeline.kafka").addHandler(logging.NullHandler())
    return open_log(config.log, create=create, kafka=config.kafka)


@contextlib.asynccontextmanager
async def opened(config: AppConfig, *, create: bool = False) -> AsyncIterator[Log]:
    """The event log of ``config``; commands that only read do not create it."""
    log = open_log_of(config, create=create)
    try:
        yield log
    finally:
        await log.close()


def run(work: Coroutine[Any, Any, None], *, interrupted: int = INTERRUPTED) -> None:
    """Run a command that a signal ends where it stands.

    Args:
        work: The command.
        interrupted: Exit code after a signal; 0 for a command that has no end of its own.
    """

    async def supervised() -> int:
        task = asyncio.ensure_future(work)
        with on_signal(task.cancel):
            try:
                await task
            except asyncio.CancelledError:
                return interrupted
        return 0

    _exit(asyncio.run(supervised()))


def run_until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> None:
    """Run a command that finishes what it is at when a signal sets the event, and says itself how it ended."""

    async def supervised() -> int:
        stop = asyncio.Event()
        with on_signal(stop.set):
            return await work(stop)

    _exit(asyncio.run(supervised()))


@contextlib.contextmanager
def on_signal(first: Callable[[], object]) -> Iterator[None]:
    """Call ``first`` on the first Ctrl-C or SIGTERM; a second one ends the process on the spot."""
    loop = asyncio.get_running_loop()
    seen = False

    def handle() -> None:
        nonlocal seen
        if seen:
            os._exit(INTERRUPTED)
        seen = True
        first()

    for number in SIGNALS:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def _exit(code: int) -> None:
    if code:
        raise typer.Exit(code)
