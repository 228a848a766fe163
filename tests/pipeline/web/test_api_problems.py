"""What the JSON API says to what can't be answered, and over logs with nothing or nonsense in them."""

import asyncio

import httpx
import pytest

from agents.events import Outgoing, Records
from pipeline.log.opening import open_log
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.app import build_api_app
from tests.pipeline.web.filled import example, fill, now_ms


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/tables/nope", "there is no table 'nope'; there are: account_10m"),
        ("/health/nope", "there is no health table 'nope'"),
        ("/alerts/nope", "there is no alert 'nope'"),
        ("/nope", "there is no endpoint /api/nope"),
        ("/tables/account_10m/nope", "there is no endpoint"),
    ],
)
def test_what_does_not_exist_is_404(on_api, path, sentence):
    """A sentence says what is missing, as problem details."""

    async def work(api):
        problem = await api.get(path, status=404)
        assert problem["status"] == 404
        assert sentence in problem["detail"]

    on_api(work)


@pytest.mark.parametrize(
    ("path", "params", "sentence"),
    [
        ("/tables/account_10m", {"limit": 0}, "limit: input should be greater than or equal to 1, got '0'"),
        ("/tables/account_10m", {"limit": 1_001}, "limit: input should be less than or equal to 1000"),
        ("/tables/account_10m", {"offset": -1}, "offset: "),
        ("/tables/account_10m", {"offset": "x"}, "offset: input should be a valid integer"),
        ("/tables/account_10m", {"partition": 1 << 80}, "partition: "),
        ("/tables/account_10m", {"sort": "spnt"}, "no column 'spnt'; did you mean 'spent'?"),
        ("/tables/account_10m", {"where": "n>"}, "'n>' is no comparison"),
        ("/tables/account_10m", {"where": "key>1"}, "the key can't be compared"),
        ("/alerts", {"severity": "awful"}, "severity: input should be 'info', 'low'"),
        ("/alerts", {"cursor": "gone"}, "cursor 'gone' was not given out for this list"),
        ("/topics", {"cursor": "gone"}, "cursor 'gone' was not given out for this list"),
        ("/tables/account_10m", {"cursor": "gone"}, "cursor 'gone' was not given out for this list"),
        ("/tables/account_10m", {"wehre": "n>1"}, "wehre: extra inputs are not permitted"),
        ("/tables/account_10m/export", {"sort": "spnt"}, "no column 'spnt'; did you mean 'spent'?"),
        ("/alerts/stream", {"last_event_id": "x"}, "'x' is no id of a live feed"),
    ],
)
def test_wrong_parameters_are_422(on_api, path, params, sentence):
    """Each wrong parameter is named with what was found and what is allowed."""

    async def work(api):
        problem = await api.get(path, status=422, **params)
        assert sentence in problem["detail"]

    on_api(work)


def test_foreign_host_names_are_refused(url):
    """On a loopback address only its own names are answered to, so that no site can reach it by a name of its own."""

    async def work():
        log = open_log(url)
        model = ReadModel(example(url), log, clock_ms=now_ms)
        transport = httpx.ASGITransport(build_api_app(model))
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
            assert (await client.get("/api/status")).status_code == 400
        await log.close()

    asyncio.run(work())


def test_openapi_describes_answers_and_errors(on_api):
    """Each operation is described in words, with its answer, its problems and each parameter."""

    async def work(api):
        for path, methods in (await api.get("/openapi.json"))["paths"].items():
            for operation in methods.values():
                answers = operation["responses"]
                assert {"422", "503"} <= set(answers), path
                assert "application/problem+json" in answers["422"]["content"], path
                (done,) = [answer for status, answer in answers.items() if status in {"200", "201", "202", "204"}]
                assert "204" in answers or done["content"], path
                assert operation["description"], path
                assert all(parameter.get("description") for parameter in operation.get("parameters", [])), path

    on_api(work)


def test_an_empty_log_is_no_error(on_api, tmp_path):
    """Before anything exists lists are empty and the status says what to start."""

    async def work(api):
        assert await api.get("/alerts") == {"alerts": [], "next_cursor": None}
        assert await api.get("/lag") == {"rows": [], "next_cursor": None, "skew": []}
        assert (await api.get("/tables/account_10m"))["rows"] == []
        status = await api.get("/status")
        assert status["state"] == "waiting"
        assert "streamgauge load payments" in status["sentence"]

    on_api(work, at=f"local://{tmp_path}/empty.db")


def test_garbage_on_the_alerts_topic_hides_nothing(tmp_path, on_api):
    """A record that is no alert is counted and passed over."""
    url = f"local://{tmp_path}/log.db"

    async def prepare():
        log = open_log(url)
        await fill(log, example(url))
        await log.append([Outgoing("alerts", 0, Records(values=[b"garbage", None, b"{}"]))])
        await log.close()

    asyncio.run(prepare())

    async def work(api):
        assert (await api.get("/status"))["unreadable"] == 3
        assert (await api.get("/alerts"))["alerts"]

    on_api(work, at=url)
