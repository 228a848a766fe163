"""The whole way: from the log through routes to destinations, over failures, restarts and a kill."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agents.events import Outgoing, Records
from pipeline.deadletter import PREFIX
from pipeline.delivery import DeliverySettings, Destination, File, Route, Webhook
from pipeline.delivery.service import Service
from pipeline.errors import UsageError
from pipeline.incidents import IncidentSettings
from pipeline.log.opening import open_log
from pipeline.plan import delivery_dead_letters
from tests.pipeline.delivery.given import Endpoint, alert
from tests.pipeline.worker.tally import append, create, eventually, read, run_until_idle
from tests.pipeline.worker.tally import config as tally_config

ROOT = Path(__file__).parents[3]
TO_ALL = Route(name="all", to=("hook", "file", "dead"))
IDS = [json.loads(alert(n).value)["id"] for n in range(100)]


def config(tmp_path, *destinations, routes=(TO_ALL,), **changes):
    settings = DeliverySettings(of="alerts", destinations={each.name: each for each in destinations}, routes=routes)
    return tally_config(log=f"local://{tmp_path / 'events.db'}", deliver=settings, **changes)


def hook(endpoint, name="hook", **changes):
    fast = {"wait_ms": 1, "longest_wait_ms": 2, "pause_ms": 5, "attempts": 3}
    return Destination(name=name, target=Webhook(url=endpoint.url), **{**fast, **changes})


def file(tmp_path):
    return Destination(name="file", target=File(path=str(tmp_path / "out.ndjson")))


def written(tmp_path):
    path = tmp_path / "out.ndjson"
    return [json.loads(line)["id"] for line in path.read_bytes().splitlines()] if path.exists() else []


def with_log(settings, work):
    async def opened():
        log = open_log(settings.log)
        try:
            await create(log)
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(opened())


async def raise_alerts(log, numbers):
    keys, values, headers = zip(*(alert(n) for n in numbers), strict=True)
    await log.append([Outgoing("alerts", None, Records(keys=keys, values=values, headers=headers))])


def test_each_destination_has_its_own_place(tmp_path):
    """One that is new begins where it is told to; each gets what comes after, once."""
    with Endpoint() as endpoint:
        settings = config(tmp_path, hook(endpoint), file(tmp_path))

        async def work(log):
            await raise_alerts(log, range(3))
            assert await Service(settings, log, ["hook"], since="start").run(until_end=True) == 0
            assert await Service(settings, log).run(until_end=True) == 0  # the file begins now
            await raise_alerts(log, range(3, 5))
            assert await Service(settings, log).run(until_end=True) == 0
            assert await Service(settings, log).run(until_end=True) == 0

        with_log(settings, work)
        assert endpoint.ids == IDS[:5]
        assert written(tmp_path) == IDS[3:5]


def test_routes_decide_and_what_they_leave_out_is_done_with(tmp_path):
    """A destination gets what leads to it; a route that is added later brings nothing old."""
    with Endpoint() as endpoint:
        none = config(tmp_path, hook(endpoint), routes=(replace(TO_ALL, severity="critical"),))
        every = config(tmp_path, hook(endpoint))

        async def work(log):
            await raise_alerts(log, range(2))
            await Service(none, log, since="start").run(until_end=True)
            await Service(every, log, since="start").run(until_end=True)
            await raise_alerts(log, [2])
            await Service(every, log).run(until_end=True)

        with_log(every, work)
        assert endpoint.ids == IDS[2:3]


def test_what_is_given_up_can_be_redriven(tmp_path):
    """The dead letter holds the alert as it was and why; redriven, it is delivered with the same id, and only once."""
    with Endpoint() as endpoint:
        settings = config(tmp_path, hook(endpoint), file(tmp_path))
        endpoint.answers = [503, 503, 503, 400]

        async def work(log):
            await raise_alerts(log, range(3))
            assert await Service(settings, log, since="start").run(until_end=True) == 2
            (chunk,) = await read(log, delivery_dead_letters("tally"))
            assert list(chunk.values) == [alert(n).value for n in (0, 1)]
            found = [dict(headers) for headers in chunk.headers]
            ours = [
                {name.removeprefix(PREFIX): headers[name] for name in headers if PREFIX in name} for headers in found
            ]
            for headers in ours:
                assert abs(int(headers.pop("failed-ms")) - time.time() * 1_000) < 60_000
            assert ours == [
                {"destination": b"hook", "of": b"alerts", "reason": b"HTTP 503", "attempts": b"3"},
                {"destination": b"hook", "of": b"alerts", "reason": b"HTTP 400", "attempts": b"1"},
            ]
            assert found[0]["ce_id"].decode() == IDS[0]
            endpoint.answers = [503, 503, 503]  # the first of them fails again
            assert await Service(settings, log).run(redrive=True) == 1
            assert await Service(settings, log).run(redrive=True) == 0
            assert await Service(settings, log).run(redrive=True) == 0

        with_log(settings, work)
        assert endpoint.ids == [IDS[0]] * 3 + [IDS[1], IDS[2]] + [IDS[0]] * 3 + [IDS[1]] + [IDS[0]]
        assert written(tmp_path) == IDS[:3]


def test_a_dead_destination_holds_nobody_up(tmp_path):
    """While nobody answers at one address, others get everything, and a worker on the same log goes on detecting."""
    dead = Destination(name="dead", target=Webhook(url="http://127.0.0.1:9/"), attempts=1_000)
    with Endpoint() as endpoint:
        settings = config(tmp_path, hook(endpoint), dead)

        async def work(log):
            await raise_alerts(log, range(20))
            serving = asyncio.create_task(Service(settings, log, since="start").run())
            await eventually(lambda: len(endpoint.ids) == 20)
            await append(log, ["z"] * 30)
            assert await run_until_idle(log, settings) == 0
            await eventually(lambda: len(endpoint.ids) == 23)
            serving.cancel()
            await asyncio.wait([serving])
            positions = {group: await log.committed(f"tally-deliver-{group}") for group in ("hook", "dead")}
            assert max(each.offset for each in positions["dead"].values()) == 0
            assert sum(each.offset for each in positions["hook"].values()) >= 22  # the last may not be noted

        with_log(settings, work)


def test_notices_are_delivered_instead_of_alerts(tmp_path):
    """With incidents, a destination hears of each once."""
    settings = config(tmp_path, file(tmp_path), incidents=IncidentSettings(max_age_ms=1 << 50))
    settings = replace(settings, deliver=replace(settings.deliver, of="notices"))

    async def work(log):
        await raise_alerts(log, range(10))
        assert await run_until_idle(log, settings) == 0
        await Service(settings, log, since="start").run(until_end=True)

    with_log(settings, work)
    (line,) = (tmp_path / "out.ndjson").read_bytes().splitlines()
    event = json.loads(line)
    assert (event["type"], event["data"]["kind"], event["data"]["key"]) == ("streamgauge.incident.v1", "opened", "a")


@pytest.mark.parametrize(("names", "message"), [(["hok"], "no destination 'hok'"), ([], "nothing is to be delivered")])
def test_a_wrong_name_or_no_destination_is_a_mistake(tmp_path, names, message):
    """It is said before anything is read."""
    settings = config(tmp_path, *([file(tmp_path)] if names else []))
    with pytest.raises(UsageError, match=message):
        Service(settings, None, names)


TOML = """
[app]
name = "tally"
log = "local://{log}"
health = false

[streams.events]
partitions = 3
key = "k"
time = "ts"
fields = {{ k = "str", ts = "int" }}

[streams.forwarded]
partitions = 3
key = "k"
time = "ts"
fields = {{ k = "str", ts = "int" }}

[deliver.destinations.hook]
kind = "webhook"
url = "{url}"
secret = "${{HOOK_SECRET}}"

[deliver.destinations.file]
kind = "file"
path = "{file}"

[deliver.routes.all]
to = ["hook", "file"]
"""


def test_killed_again_and_again_it_loses_nothing_and_repeats_carry_the_same_id(tmp_path):
    """Each alert arrives at each destination; what was under way at a kill comes again under its own id."""
    with Endpoint() as endpoint:
        path = tmp_path / "app.toml"
        path.write_text(TOML.format(log=tmp_path / "events.db", url=endpoint.url, file=tmp_path / "out.ndjson"))
        command = [sys.executable, "-m", "pipeline.cli.main", "deliver", "-c", str(path), "--since", "start"]
        environment = {**os.environ, "HOOK_SECRET": "A" * 43 + "=", "PYTHONPATH": str(ROOT)}

        def start(*options):
            return subprocess.Popen([*command, *options], env=environment, stderr=subprocess.PIPE, cwd=tmp_path)

        async def work(log):
            await raise_alerts(log, range(100))
            kills = 0
            for wanted in (5, 40):
                process = start()
                await eventually(lambda wanted=wanted: len(set(endpoint.ids)) >= wanted, within_s=60)
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += len(set(endpoint.ids)) < 100
            return kills

        settings = tally_config(log=f"local://{tmp_path / 'events.db'}")
        assert with_log(settings, work) >= 1  # at least one came in the middle
        process = start("--once")
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert set(endpoint.ids) == set(IDS)
        assert set(written(tmp_path)) == set(IDS)
        assert len(endpoint.ids) <= 102  # the one under way, for each kill
        assert len(written(tmp_path)) <= 102
        assert all("webhook-signature" in headers for headers, _ in endpoint.requests)


def test_on_kafka_as_well(kafka, kafka_prefix):
    """Over a real broker: places are kept, a refused message is buried and redriven."""
    name = kafka_prefix[:60]

    async def work(settings):
        log = open_log(settings.log)
        try:
            await Service(settings, log).run(until_end=True)  # makes the topics
            keys, values, headers = zip(*(alert(n) for n in range(3)), strict=True)
            records = Records(keys=keys, values=values, headers=headers)
            await log.append([Outgoing(settings.alerts_topic, None, records)])
            assert await Service(settings, log).run(until_end=True) == 1
            assert await Service(settings, log).run(until_end=True) == 0
            assert await Service(settings, log).run(redrive=True) == 0
        finally:
            await log.close()

    with Endpoint() as endpoint:
        endpoint.answers = [410]
        settings = tally_config(
            name=name,
            log=kafka.url,
            alerts_topic=f"{name}-alerts",
            deliver=DeliverySettings(of="alerts", destinations={"hook": hook(endpoint)}, routes=(TO_ALL,)),
        )
        asyncio.run(work(settings))
        assert endpoint.ids == [*IDS[:3], IDS[0]]
