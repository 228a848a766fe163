"""The real commands over a real local log, in this process where that is enough, else in one of their own."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from tests.pipeline.cli.forking import Forked

EXAMPLE = Path(__file__).parents[3] / "examples" / "payments.toml"
T0 = 1_700_000_000_000

CONFIG = """
[app]
name = "shop"
log = "local://{log}"
health = false

[streams.orders]
partitions = 3
key = "customer"
time = "ts"
fields = {{ id = "str", customer = "str", ts = "int", cents = "int" }}

[streams.samples]
partitions = 2
key = "series"
time = "ts"
fields = {{ series = "str", ts = "int", value = "float" }}

[tables.recent]
stream = "orders"
by = "customer"
window = {{ sliding = "1h", pane = "1m" }}
measures = {{ n = "count()", spent = "sum(cents)" }}

[rules.big-spender]
table = "recent"
when = "spent >= 1000"
severity = "high"

[rules.third-order]
table = "recent"
when = "n >= 3"
severity = "low"
"""


def payload(number, customer, cents):
    """An order, another one for each number."""
    return orjson.dumps({"id": f"o{number}", "customer": customer, "ts": T0 + 1_000 * number, "cents": cents})


@dataclass
class Shell:
    """Runs commands with one configuration."""

    folder: Path
    config: Path
    started: list = field(default_factory=list)

    def run(self, *arguments, data=None):
        """In this process; standard output is no terminal."""
        return CliRunner().invoke(app, [*map(str, arguments), "-c", str(self.config)], input=data)

    def ok(self, *arguments, data=None):
        """The JSON objects that a command wrote; it must succeed."""
        result = self.run(*arguments, data=data)
        assert result.exit_code == 0, (result.stderr, result.exception)
        return [orjson.loads(line) for line in result.stdout_bytes.splitlines()]

    def start(self, *arguments, **options):
        """As a process of its own."""
        process = Forked(
            [*map(str, arguments), "-c", str(self.config)],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.folder, **options},
        )
        self.started.append(process)
        return process

    def close(self):
        """End what a failed test left."""
        for process in self.started:
            process.kill()
            process.wait()
            for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
                pipe.close()


@pytest.fixture
def shell(tmp_path):
    """A shell with a fresh log and a small configuration."""
    config = tmp_path / "shop.toml"
    config.write_text(CONFIG.format(log=tmp_path / "shop.db"))
    made = Shell(tmp_path, config)
    yield made
    made.close()


@pytest.fixture
def example_shell(tmp_path, monkeypatch):
    """A shell with the payments example on a fresh log."""
    monkeypatch.setitem(os.environ, "STREAMGAUGE_APP__LOG", f"local://{tmp_path / 'payments.db'}")
    made = Shell(tmp_path, EXAMPLE)
    yield made
    made.close()
