"""The web view as one FastAPI application, and the process that serves it."""

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Generator

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from pipeline.access.settings import WebSettings
from pipeline.config.model import AppConfig
from pipeline.errors import UsageError
from pipeline.log.api import Log
from pipeline.log.opening import open_log
from pipeline.readmodel.questions import Answers
from pipeline.readmodel.read_model import ReadModel
from pipeline.readmodel.shared import SharedAnswers
from pipeline.store import default_store
from pipeline.web.access import Access, open_access
from pipeline.web.api.access import build_access_api
from pipeline.web.api.live import Feeds
from pipeline.web.api.routes import build_api
from pipeline.web.changes import Changes
from pipeline.web.gate import Gate
from pipeline.web.headers import SecurityHeaders
from pipeline.web.live.feed import Feed
from pipeline.web.live.sources import AlertSource, IncidentSource
from pipeline.web.pages.login import build_login
from pipeline.web.pages.routes import build_pages
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.layout import FAVICON, STATIC
from pipeline.web.problems import add_handlers

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OWN = ("127.0.0.1", "localhost", "[::1]")


def wall_clock_ms() -> int:
    """Unix ms."""
    return time.time_ns() // 1_000_000


def build_app(
    config: AppConfig,
    log: Log,
    *,
    host: str = "127.0.0.1",
    clock_ms: Callable[[], int] = wall_clock_ms,
    store: str = "duckdb://:memory:",
    access: Access | None = None,
) -> FastAPI:
    """Pages and JSON API, and the read model that follows ``log`` while they are served.

    Pages hang on NiceGUI, which has one application a process: call it once a process.

    Args:
        config: The streamgauge application to show.
        log: Its event log; stays open when the application ends.
        host: Address that it will be served on; where only this machine can come, other host names are refused, so that
            a foreign site can't reach it through a name that it points there.
        clock_ms: Wall clock, Unix ms.
        store: Where what the log says is kept, as ``pipeline.store`` takes it.
        access: Who may enter; ``None`` lets everybody in who reaches it.

    Raises:
        UsageError: If the store can't be opened.
    """
    model = ReadModel(config, log, clock_ms=clock_ms, store=store)
    app = build_api_app(model, host=host, access=access)
    shared = SharedAnswers(model.answers, lambda: model.generation)
    context = PageContext(model=model, answers=shared, changes=app.state.changes)
    app.include_router(build_pages(context, app))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    ui.run_with(
        app,
        title="streamgauge",
        favicon=FAVICON,
        language="en-US",  # of the pages, which screen readers go by
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10,
    )
    return app


def build_api_app(
    model: ReadModel, answers: Answers | None = None, *, host: str = "127.0.0.1", access: Access | None = None
) -> FastAPI:
    """The JSON API alone with its gate, over a read model that is followed while the application is served.

    Args:
        model: What the log says now.
        answers: Whom lists are asked of; ``None`` takes those of the model.
        host: See ``build_app``.
        access: See ``build_app``.
    """
    answers = answers or model.answers
    access = access or Access(model.config, login=False, clock_ms=wall_clock_ms)
    feeds: Feeds = {"alerts": Feed(AlertSource(answers)), "incidents": Feed(IncidentSource(answers))}
    changes = Changes(model.config, model.log, answers, access.log, clock_ms=model.clock_ms)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        model.start()
        yield
        await model.stop()
        model.close()

    app = FastAPI(
        title=f"streamgauge: {model.config.name}",
        description="Windowed tables, alerts, lag and topics of one application, read from its log.",
        version="1",
        openapi_url=None,  # served with the endpoints, so that it asks who it is as they do
        docs_url=None,  # FastAPI's own page loads its scripts from the internet; /api is drawn here
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.access = access
    app.state.feeds = feeds
    app.state.changes = changes
    app.add_middleware(Gate, access=access)
    hosts = list(access.settings.hosts)
    if hosts or access.is_private:
        own = (*_OWN, host) if access.is_private or host in LOOPBACK else ()
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*hosts, *own])
    app.add_middleware(SecurityHeaders)
    app.include_router(build_api(model, answers, changes, feeds))
    app.include_router(build_access_api(access))
    app.include_router(build_login(access, model.config.name))
    add_handlers(app, model)
    return app


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Args:
        host: Address or name.
        port: 0 takes a free one.

    Raises:
        UsageError: If the port is taken or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By the protocol asyncio knows that small answers are not to wait 40 ms for an acknowledgement (TCP_NODELAY).
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        advice = "choose another with --port, or --port 0 for a free one"
        raise UsageError(f"the web view can't listen on {host}:{port}: {error}; {advice}") from error
    return listening


class _Server(uvicorn.Server):
    """Tells its address once it answers, and ends quietly on SIGINT and SIGTERM instead of raising the signal again."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            scheme = "https" if self.config.is_ssl else "http"
            sys.stdout.write(f"web view: {scheme}://{f'[{host}]' if ':' in host else host}:{port}/\n")
            sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        for feed in self.config.app.state.feeds.values():  # type: ignore[union-attr] # live feeds end by themselves only
            feed.end()
        self.force_exit = self.should_exit  # a second signal does not wait for open connections
        self.should_exit = True


def serve(config: AppConfig, host: str, port: int, *, store: str | None = None) -> None:
    """Serve the web view until SIGINT or SIGTERM; prints its address once it answers.

    Args:
        config: The application to show.
        host: Address to bind to.
        port: 0 takes a free one.
        store: Where what the log says is kept, as ``pipeline.store`` takes it; ``None`` for the default.

    Raises:
        UsageError: If the port is taken, the address is not this machine's, another process has the store, or others
            could reach it without login.
        LogError: If the log can't be opened.
    """
    listening = bind(host, port)
    try:
        is_loopback = ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback
        access = open_access(config, is_loopback=is_loopback, clock_ms=wall_clock_ms)
        kept = store or config.web.store or default_store(config.log, config.name)
        asyncio.run(_serve(config, host, listening, kept, access))
    finally:
        listening.close()


async def _serve(config: AppConfig, host: str, listening: socket.socket, store: str, access: Access) -> None:
    log = open_log(config.log, kafka=config.kafka)
    try:
        app = build_app(config, log, host=host, store=store, access=access)
        logging.getLogger("nicegui").setLevel(logging.ERROR)
        _collect_seldom()
        await _Server(_settings(app, config.web)).serve(sockets=[listening])
    finally:
        await log.close()
        access.database.close()


def _collect_seldom() -> None:
    """Let garbage be looked for among pages alone: a look at the whole program holds up whoever asks for a page."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _settings(app: FastAPI, web: WebSettings) -> uvicorn.Config:
    settings = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=bool(web.proxies),
        forwarded_allow_ips=list(web.proxies),
        ssl_certfile=web.cert_file,
        ssl_keyfile=web.key_file,
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"cert_file or key_file of [web] can't be used: {error}; both must be PEM files that belong together"
        ) from error
    return settings
