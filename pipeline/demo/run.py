"""The demonstration from start to summary."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from pipeline.cli.output import Output
from pipeline.cli.program import INTERRUPTED
from pipeline.cli.runtime import now_ms
from pipeline.config import AppConfig, load_config
from pipeline.config.handover import child_environment
from pipeline.demo.facts import Lag, count_records, look_at_lag, summarize
from pipeline.demo.screen import Screen, State, screen
from pipeline.demo.settings import LONGEST_CAMPAIGN_MS, PRODUCERS, SERVICES, DemoSettings
from pipeline.demo.troupe import Interrupted, Troupe, troupe
from pipeline.errors import StreamgaugeError
from pipeline.log import Log
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs

_LOOK_S: Final = 0.25
_START_S: Final = 60.0
_CATCH_UP_S: Final = 120.0
_RETENTION_BYTES: Final = 128 << 20  # so that one left running does not fill the disk
_ADDRESS: Final = b"web view: "


async def run_demo(settings: DemoSettings, output: Output, stop: asyncio.Event) -> int:
    """Run it; the exit code.

    Args:
        settings: How.
        output: Where it is shown.
        stop: Set by a signal: then everything is stopped in order, and with ``serve`` the summary shown.

    Raises:
        StreamgaugeError: If a process ends that should not, or the worker does not catch up.
    """
    with _folder(settings.keep) as folder:
        environment = child_environment({"app.log": f"local://{folder / 'log.db'}"})
        config = load_config(settings.config, environment)
        log = open_log(config.log, kafka=config.kafka)
        try:
            await _make_topics(log, config)
            async with troupe(settings, environment, folder, stop) as players:
                with screen(output, None if settings.serve else settings.load_s) as shown:
                    demo = _Demo(settings, config, log, players, shown)
                    return await demo.run()
        finally:
            await log.close()


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _make_topics(log: Log, config: AppConfig) -> None:
    for spec in topic_specs(config):
        bounded = spec if spec.cleanup == "compact" else replace(spec, retention_bytes=_RETENTION_BYTES)
        await log.create_topic(bounded)


class _Demo:
    def __init__(self, settings: DemoSettings, config: AppConfig, log: Log, players: Troupe, shown: Screen) -> None:
        self._settings, self._config, self._log = settings, config, log
        self._players, self._screen = players, shown
        self._address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._alerts = 0
        self._is_over = False
        self._send_delay_ms: dict[str, float] = {}

    async def run(self) -> int:
        players = self._players
        try:
            await players.unless_disturbed(self._start())
            started_ms = now_ms()
            try:
                await players.unless_disturbed(self._produce(started_ms))
            except Interrupted:
                if not self._settings.serve:
                    raise
                players.forget_signal()
                await players.end(*PRODUCERS)
            ended_ms = now_ms()
            await players.unless_disturbed(self._catch_up(started_ms))
            caught_up_ms = now_ms()
            await players.unless_disturbed(self._all_alerts_seen())
        except Interrupted:
            self._is_over = True
            self._screen.note("stopped", "before the end")
            return INTERRUPTED
        players.measure()
        summary = await summarize(
            self._log,
            self._config,
            started_ms=started_ms,
            ended_ms=ended_ms,
            caught_up_ms=caught_up_ms,
            longest_ms=round(self._settings.haste * LONGEST_CAMPAIGN_MS),
            send_delay_ms=self._send_delay_ms,
        )
        await players.end_all()
        self._screen.summary(replace(summary, processes=self._processes()))
        return 0

    async def _start(self) -> None:
        self._screen.note("demo", self._settings.description)
        handlers = {"web": self._on_web, "subscriber": self._on_alert}
        for name in SERVICES:
            await self._players.start(name, handlers.get(name, _ignore))
        async with _deadline(_START_S, "the web view and the worker did not come up"):
            self._screen.note("web view", await self._address)
            await self._until(self._all_owned)
        if self._settings.keep is not None:
            self._screen.note("log", self._config.log)
        for name in PRODUCERS:
            await self._players.start(name, self._on_load)

    async def _all_owned(self) -> bool:
        return (await look_at_lag(self._log, self._config)).owned

    async def _produce(self, started_ms: int) -> None:
        def ended() -> bool:
            return all(self._players.children[name].code is not None for name in PRODUCERS)

        while not ended() or self._settings.serve:
            await asyncio.sleep(_LOOK_S)
            await self._show_state(started_ms)
        for name in PRODUCERS:
            await self._players.children[name].end()

    async def _show_state(self, started_ms: int) -> Lag:
        self._players.measure()
        lag = await look_at_lag(self._log, self._config)
        topics = [stream.topic for stream in self._config.streams.values()]
        records = sum((await count_records(self._log, topics)).values())
        self._screen.state(State(elapsed_ms=now_ms() - started_ms, records=records, lag=lag, alerts=self._alerts))
        return lag

    async def _catch_up(self, started_ms: int) -> None:
        """Until nothing waits, twice: a record may have been on its way from one topic to the next."""
        quiet = 0

        async def twice_quiet() -> bool:
            nonlocal quiet
            quiet = 0 if (await self._show_state(started_ms)).records else quiet + 1
            return quiet >= 2

        async with _deadline(_CATCH_UP_S, "the worker did not catch up"):
            await self._until(twice_quiet)

    async def _all_alerts_seen(self) -> None:
        topic = self._config.alerts_topic

        async def seen() -> bool:
            return self._alerts >= (await count_records(self._log, [topic]))[topic]

        async with _deadline(_START_S, "the subscriber did not show all alerts"):
            await self._until(seen)

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        while not await holds():  # noqa: ASYNC110 - other processes bring it about, no event tells
            await asyncio.sleep(_LOOK_S / 5)

    def _on_web(self, line: bytes) -> None:
        if line.startswith(_ADDRESS) and not self._address.done():
            self._address.set_result(line.removeprefix(_ADDRESS).decode().strip())

    def _on_alert(self, line: bytes) -> None:
        self._alerts += 1
        if not self._is_over:  # the processes end after that was said
            self._screen.alert(orjson.loads(line))

    def _on_load(self, line: bytes) -> None:
        told: dict[str, Any] = orjson.loads(line)
        if told["type"] == "summary" and "faults" in told:
            self._send_delay_ms = told.get("send_delay_ms", {})

    def _processes(self) -> list[dict[str, Any]]:
        return [
            {
                "name": child.name,
                "pid": child.pid,
                "exit_code": child.code,
                "cpu_s": round(child.cpu_s, 2),
                "memory_bytes": child.memory_bytes,
            }
            for child in self._players.children.values()
        ]


def _ignore(_: bytes) -> None:
    return


@contextlib.asynccontextmanager
async def _deadline(seconds: float, what: str) -> Any:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise StreamgaugeError(f"{what} within {seconds:.0f} s; --keep FOLDER keeps what the processes say") from error
