"""Running a worker from start to exit code.

==== ==================================================================================================
0    stopped by a signal with everything committed, or ``until_idle`` and everything processed
1    a programming error in a user's module, or a failure that no other code names
2    the configuration or a user's module can't be used
3    the event log can't be opened, read or written
4    nothing can be done: every owned partition is stopped (with ``until_idle``: any); the log says why
75   a partition or the event loop stands still, and opening it again did not help: to be started again
130  a second Ctrl-C or SIGTERM: ended on the spot, what was not committed is done again by the next owner
==== ==================================================================================================
"""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop

from pipeline.compiling import compile_ahead
from pipeline.config.model import AppConfig
from pipeline.errors import LogError, StreamgaugeError, StuckError, UsageError
from pipeline.log import Log
from pipeline.log.opening import open_log
from pipeline.worker.app import DEFAULT_TTL_MS, build_app
from pipeline.worker.frame.transport import LogApp
from pipeline.worker.idle import is_idle
from pipeline.worker.memory import tune_memory
from pipeline.worker.watchdog import LoopGuard

_logger = logging.getLogger(__name__)
_LOOK_S = 0.05
_STOP_S = 20.0
STOPPED, KILLED = 4, 130


def run_worker(
    config: AppConfig,
    *,
    until_idle: bool = False,
    name: str | None = None,
    ttl_ms: int | None = None,
    modules: Sequence[str] = (),
) -> int:
    """Run a worker until a signal or the end of its work; messages go to standard error.

    Args:
        config: The application.
        until_idle: End when everything owned has been processed.
        name: Of this worker, for people.
        ttl_ms: How long after its last sign of life the worker is replaced; ``None`` takes what the configuration says.
        modules: Python modules with more agents; ``register(app)`` of each is called before the start.

    Returns:
        The exit code.
    """
    log_to_stderr()
    tune_memory()
    compile_ahead()
    try:
        log = open_log(config.log, kafka=config.kafka)
        serving = _serve_and_close(config, log, until_idle, name, ttl_ms or _ttl_ms(config), modules)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serving)
    except StreamgaugeError as error:
        _logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
        return error.exit_code
    except OSError as error:  # the disk under the log
        _logger.error("the event log %s can't be used any more: %s", config.log, error)  # noqa: TRY400
        return LogError.exit_code


async def _serve_and_close(config: AppConfig, log: Log, until_idle: bool, *rest: Any) -> int:
    name, ttl_ms, modules = rest
    stop = asyncio.Event()
    guard = LoopGuard(asyncio.get_running_loop())
    guard.start()
    try:
        with _signals(stop):
            app = build_app(config, log, name=name, ttl_ms=ttl_ms)
            load_modules(app, modules)
            return await serve(app, stop, until_idle=until_idle)
    except StuckError as error:
        _logger.critical("%s", error)
        logging.shutdown()
        os._exit(error.exit_code)  # what hangs could hold up an end in order for ever
    finally:
        await log.close()
        guard.stop()


def _ttl_ms(config: AppConfig) -> int:
    return config.kafka.session_ms if config.log.startswith("kafka://") else DEFAULT_TTL_MS


def load_modules(app: LogApp, modules: Sequence[str]) -> None:
    """Let users' modules add agents and timers to ``app``.

    Raises:
        UsageError: If a module can't be imported or has no ``register``.
    """
    if modules and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # users' modules lie where the command is called, as with uvicorn
    for name in modules:
        try:
            register = importlib.import_module(name).register
        except (ImportError, AttributeError) as error:
            raise UsageError(f"module {name!r} can't be used: {error}; it must define register(app)") from error
        register(app)


async def serve(app: LogApp, stop: asyncio.Event, *, until_idle: bool = False) -> int:
    """Run an app until ``stop`` is set, its work is done, or it fails.

    Returns:
        The exit code.

    Raises:
        StreamgaugeError: What made the worker unable to go on. After ``StuckError`` the app may not have stopped.
    """
    asyncio.get_running_loop().set_exception_handler(_report_unhandled)
    starting = asyncio.create_task(app.start())
    stopping = asyncio.create_task(stop.wait())
    crashing = asyncio.create_task(app._crashed.wait())  # noqa: SLF001 - mode offers no other way to wait for it
    try:
        code = None
        while code is None:
            watched: set[asyncio.Future[Any]] = {stopping, crashing, app.failure}
            await asyncio.wait(watched, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            code = await _verdict(app, starting, stop, until_idle=until_idle)
        return code
    finally:
        for task in (stopping, crashing):
            task.cancel()
        ending = asyncio.create_task(_stop(app, starting))
        if (await asyncio.wait([ending], timeout=_STOP_S))[1]:  # what hangs may not even be cancelled
            ending.cancel()
            _logger.warning("the worker did not stop within %d s; what was not committed is done again", _STOP_S)
        else:
            ending.result()


async def _verdict(app: LogApp, starting: asyncio.Task[None], stop: asyncio.Event, *, until_idle: bool) -> int | None:
    """The exit code if the worker is to end now."""
    if app.failure.done():
        raise app.failure.result()
    if app.crash_reason is not None:
        raise app.crash_reason
    if stop.is_set():
        return 0
    if not starting.done():
        return None
    starting.result()
    stopped = [unit.stopped for unit in app.keeper.units.values()]
    if stopped and all(stopped):
        return STOPPED
    if until_idle and await is_idle(app):
        return STOPPED if any(stopped) else 0
    return None


async def _stop(app: LogApp, starting: asyncio.Task[None]) -> None:
    if not starting.done():
        starting.cancel()
    await asyncio.wait([starting])
    await app.stop()


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """The first signal asks for a drain, the second one ends the process."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(KILLED)
        _logger.info("stopping: committing what was processed; a second signal ends at once")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _report_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _logger.debug("unhandled in the event loop: %s", context.get("message"), exc_info=context.get("exception"))


def log_to_stderr() -> None:
    """Where messages for people go, and which of the libraries' are shown."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for library in ("faust", "mode"):  # Kafka's client is silenced where its errors are translated
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # a late timer on a busy machine is no news
