"""The serving process: its address, its port, its end."""

import socket

import httpx
import pytest

from pipeline.config import AppConfig
from pipeline.errors import UsageError
from pipeline.web.app import bind, serve
from tests.pipeline.web.running import web


def test_a_taken_port_is_one_clear_sentence(tmp_path):
    """The error names the address, the reason and what to do; its exit code is that of wrong usage."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"can't listen on 127.0.0.1:{port}: .*in use.*--port 0") as caught:
            serve(AppConfig(name="a", log=f"local://{tmp_path}/log.db"), "127.0.0.1", port)
    assert caught.value.exit_code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70_000)])
def test_impossible_addresses_are_refused(host, port):
    """An address of another machine and a port that can't be are told as such."""
    with pytest.raises(UsageError, match="can't listen on"):
        bind(host, port)


def test_serves_on_a_free_port_and_ends_on_a_signal(tmp_path):
    """With port 0 the address it prints answers: pages as HTML, a real 404 for others; SIGTERM ends it with 0."""
    with web(f"local://{tmp_path}/log.db") as address, httpx.Client(base_url=address) as client:
        for path in ("/", "/tables", "/tables/account_10m", "/alerts", "/api"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        for path in ("/nope", "/tables/nope", "/alerts/nope", "/tables/account_10m/nope"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert client.get("/api/nope").headers["content-type"] == "application/problem+json"
        assert client.get("/static/streamgauge.css").status_code == 200
        assert client.get("/", headers={"host": "evil.example"}).status_code == 400
