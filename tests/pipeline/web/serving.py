"""An application on a real socket, within the test's own event loop."""

import asyncio
import contextlib

import uvicorn

from pipeline.web.app import bind


@contextlib.asynccontextmanager
async def serving(app):
    """Host and port of the application."""
    listening = bind("127.0.0.1", 0)
    started = asyncio.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            started.set()

        @contextlib.contextmanager
        def capture_signals(self):
            yield

    server = Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=2))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await started.wait()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        for feed in app.state.feeds.values():
            feed.end()
        server.should_exit = True
        await running
        listening.close()
