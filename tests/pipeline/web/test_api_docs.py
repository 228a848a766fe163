"""What docs/api.md shows works: its commands run against the web view of its configuration."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "api.md").read_text()
ADDRESS, INCIDENT, ALERT = "http://localhost:8080", "4f0c12", "5f2b1c"
pytestmark = pytest.mark.slow


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def streamgauge(folder, *words, given=""):
    command = [sys.executable, "-m", "pipeline.cli.main", *words, "-c", "shop.toml"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=folder, env=environ, input=given, text=True, check=True, timeout=60)


@pytest.fixture
def address(tmp_path):
    """The web view of the page's configuration, after a worker saw an account with three large payments."""
    (tmp_path / "shop.toml").write_text(blocks("toml")[0])
    now_ms = time.time_ns() // 1_000_000
    payment = {"account": "ann", "country": "DE", "amount_cents": 25_000}
    records = [json.dumps({**payment, "id": f"p{number}", "ts": now_ms + number}) + "\n" for number in range(3)]
    streamgauge(tmp_path, "worker", "--until-idle")
    streamgauge(tmp_path, "produce", "payments", given="".join(records))
    streamgauge(tmp_path, "worker", "--until-idle")
    command = [sys.executable, "-m", "pipeline.cli.main", "web", "--port", "0", "-c", "shop.toml"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    web = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        yield web.stdout.readline().removeprefix("web view: ").strip().rstrip("/")
    finally:
        web.terminate()
        assert web.wait(30) == 0
        web.stdout.close()


def ids(address):
    """Of the incident and of its alert, as soon as the web view has them."""
    while True:
        live = httpx.get(f"{address}/api/incidents").json()["incidents"]
        if live and httpx.get(f"{address}/api/alerts").json()["alerts"]:
            return live[0]["id"], live[0]["alerts"][0]
        time.sleep(0.1)  # another process reads the log


def test_the_commands_shown_work(address, tmp_path):
    """Each command succeeds: what is read is JSON, what changes is accepted, and the feed begins."""
    incident, alert = ids(address)
    answers = {}
    for line in re.findall(r"^\$ (curl .*)", "".join(blocks("console")), re.MULTILINE):
        command = line.replace(ADDRESS, address).replace(INCIDENT, incident[:12]).replace(ALERT, alert)
        if " -fsSN " in command:
            with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True) as feed:
                assert feed.stdout.readline() == "event: ready\n"
                feed.kill()
            continue
        if "DELETE" in command:
            streamgauge(tmp_path, "worker", "--until-idle")
            while not httpx.get(f"{address}/api/snoozes").json()["snoozes"]:
                time.sleep(0.1)  # another process reads the log
        run = subprocess.run(
            shlex.split(command), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        assert run.returncode == 0, (line, run.stderr, run.stdout)
        answers[line.split("/api/")[1].split("'")[0].split("?")[0]] = run.stdout
    assert json.loads(answers["alerts"])["alerts"][0]["key"] == "ann"
    assert json.loads(answers["tables/account_10m/keys/ann"])["rows"][0]["values"]["spent"] == 75_000
    assert (tmp_path / "accounts.csv").read_text().splitlines()[1].startswith('"ann"')
    assert json.loads(answers[f"alerts/{ALERT}/label"])["topics"] == ["shop-labels"]
    assert json.loads(answers[f"incidents/{INCIDENT}/resolve"])["of"] == incident


def test_every_endpoint_is_shown(address):
    """The page names each path that the OpenAPI document has."""
    described = httpx.get(f"{address}/api/openapi.json").json()["paths"]
    plain = {re.sub(r"\{\w+\}", "{}", path) for path in described}
    shown = {re.sub(r"\{\w+\}", "{}", path) for path in re.findall(r"/api/[\w{}/.-]+", PAGE)}
    assert plain - shown == set()
