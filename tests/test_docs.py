"""What the docs show is true: their configurations are right, their commands run, their links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.config import check_config, kafka, web

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOW_MS = 1_700_000_000_000
SECRET, URL = "c2VjcmV0" * 5, "https://example.com"
RECORDS = "".join(
    f'{{"id": "p{n}", "account": "ann", "country": "{country}", "ts": {NOW_MS + n}, "amount_cents": 25000}}\n'
    for n, country in enumerate(["DE", "FR", "FR", "FR"])
)


def blocks(kind, page):
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page):
    """Every line that a reader would type, without its comment."""
    lines = [line[2:] for block in blocks("console", page) for line in block.splitlines() if line.startswith("$ ")]
    return [line.partition("  #")[0].strip() for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configurations_shown_are_right(page, tmp_path):
    """Each TOML block passes the check, with the variables set that it names."""
    for number, block in enumerate(blocks("toml", page)):
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        named = re.findall(r"\$\{(\w+)\}", block)
        assert check_config(file, {name: URL if name.endswith("_URL") else SECRET for name in named}) == []


def test_every_kafka_key_is_described():
    """The table of `[kafka]` has the keys that are allowed, and no others."""
    section = (ROOT / "docs" / "operations.md").read_text().partition("## Kafka\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(kafka.KEYS)


def test_every_web_key_is_described():
    """The table of `[web]` has the keys that are allowed, and no others."""
    section = (ROOT / "docs" / "security.md").read_text().partition("## All keys of `[web]`\n")[2]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(web.KEYS)


def test_the_security_commands_run(tmp_path, monkeypatch):
    """Typed as written, each command about users, keys and the audit log does what the page says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.toml").write_text('[app]\nname = "shop"\n')
    shown = [shlex.split(line) for line in commands(ROOT / "docs" / "security.md") if line.startswith("streamgauge")]
    assert {words[1] for words in shown} == {"users", "keys", "audit", "web"}
    printed = {}
    for words in shown:
        if words[1] != "web":  # stays until it is stopped; its own tests run it
            given = [printed["keys add"].split('"')[3] if word == "ID" else word for word in words[1:]]
            result = CliRunner().invoke(app, given, input="correct horse battery\n")
            assert result.exit_code == 0, (words, result.stderr)
            printed[" ".join(words[1:3])] = result.stdout
    assert printed["keys revoke"].startswith('{"revoked":')
    assert "key.revoke" in printed["audit show"]
    assert '"head":"3:' in printed["audit verify"]
    assert [path.name for path in (tmp_path / "var" / "web").iterdir()] == ["shop-access.db"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """A link to a file of the project names one that exists."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_make_targets_shown_exist():
    """Every `make` in the docs is a target."""
    shown = {name for page in PAGES for name in re.findall(r"\bmake ([a-z-]+)", page.read_text())}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= shown
    assert shown <= targets


def test_the_readme_commands_run(tmp_path):
    """Typed as written in an empty folder, each command does what the text around it says."""
    readme = ROOT / "README.md"
    (tmp_path / "shop.toml").write_text(blocks("toml", readme)[0])
    (tmp_path / "records.ndjson").write_text(RECORDS)
    shown = [command for command in commands(readme) if command.startswith("streamgauge")]
    assert {command.split()[1] for command in shown} >= {"check", "worker", "produce", "alerts", "tables", "consume"}
    printed = {}
    # As a reader would: records first, then a worker. The web view stays until it is stopped; its own tests run it.
    order = sorted(shown, key=lambda command: ("produce" not in command, "worker" not in command))
    for command in order:
        words = shlex.split(command.partition("<")[0])
        if words[1] == "web":
            continue
        given = (tmp_path / "records.ndjson").read_text() if "<" in command else ""
        run = subprocess.run(
            [sys.executable, "-m", "pipeline.cli.main", *words[1:]],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 0, (command, run.stderr)
        printed[words[1]] = run.stdout
    assert '"rapid-large"' in printed["alerts"]
    assert '"ann"' in printed["tables"]
    assert len(printed["consume"].splitlines()) == 4


def test_the_backtest_commands_run(tmp_path):
    """Typed as written, one after the other, each command prints what the page shows after it."""
    page = ROOT / "docs" / "backtest.md"
    (tmp_path / "shop.toml").write_text(blocks("toml", page)[0])
    for name, block in zip(("records", "truth"), blocks("json", page), strict=True):
        (tmp_path / f"{name}.ndjson").write_text(block)
    command = tmp_path / "streamgauge"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pipeline.cli.main "$@"\n')
    command.chmod(0o755)
    shown = re.findall(r"^```console\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", page.read_text(), re.DOTALL | re.MULTILINE)
    assert len(shown) == 5
    for typed, expected in shown:
        printed = ""
        for line in re.findall(r"^\$ (.*)", typed, re.MULTILINE):
            run = subprocess.run(
                line,
                shell=True,
                cwd=tmp_path,
                env={"PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:/usr/bin:/bin"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert run.returncode == 0, (line, run.stderr)
            printed += run.stdout
        lines = [line.rstrip() for line in printed.splitlines()]
        assert [line for line in expected.splitlines() if line not in lines] == []
    assert (tmp_path / "alerts.ndjson").read_text().startswith('{"record_id":"p3","id":"')
    assert (tmp_path / "scores.ndjson").read_text() == ""
