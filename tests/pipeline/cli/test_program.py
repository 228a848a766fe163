"""Errors are one line and a code, whatever went wrong; help is quick; outputs end quietly; versions are told."""

import os
import subprocess
import sys

import orjson
import pytest
import typer
from typer.testing import CliRunner

from detectors import SERIES
from pipeline import errors
from pipeline.cli import program
from pipeline.cli.main import app
from pipeline.cli.program import EXIT_CODES, Program

COMMANDS = [
    "demo",
    "worker",
    "load",
    "alerts",
    "tables",
    "lag",
    "topics",
    "check",
    "reset",
    "backtest",
    "why",
    "detectors",
    "web",
    "produce",
    "consume",
    "users",
    "keys",
    "audit",
    "version",
]


def invoke(*arguments):
    return CliRunner().invoke(app, list(arguments))


def raising(error):
    """A program whose one command raises ``error``."""
    made = typer.Typer(cls=Program, pretty_exceptions_enable=False)

    @made.callback()
    def common():
        """Options."""

    @made.command()
    def fail():
        """Fail."""
        raise error

    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_does(command):
    """Every command of the product exists and has help with a usage line."""
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"streamgauge {command}" in result.stdout


def test_help_names_every_exit_code():
    """The codes that errors carry, and those of signals and pipes, all stand in the help and in the module's table."""
    codes = {
        error.exit_code for error in vars(errors).values() if isinstance(error, type) and hasattr(error, "exit_code")
    }
    shown = invoke("--help").stdout
    for code in {0, *codes, program.INTERRUPTED, program.CLOSED, program.MISMATCH}:
        assert f"{code} " in EXIT_CODES
        assert f"\n{code} " in program.__doc__
    assert "Exit codes" in shown


def test_help_imports_nothing_heavy():
    """The help loads no numeric, web, log or frame library, which is what keeps it quick."""
    code = "import sys, pipeline.cli.main as m; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    )
    assert "typer" in loaded
    assert not loaded & {
        "numpy",
        "faust",
        "nicegui",
        "fastapi",
        "orjson",
        "msgspec",
        "asyncio",
        "agents",
        "pipeline.log",
    }


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (errors.UsageError("no such thing"), 2, "streamgauge: no such thing\n"),
        (errors.ConfigError(["a:1:2: one", "a:3:4: two"]), 2, "streamgauge: a:1:2: one\na:3:4: two\n"),
        (errors.UnknownTopicError("there is no topic 'x'"), 3, "streamgauge: there is no topic 'x'\n"),
        (errors.FencedError("another owns it"), 4, "streamgauge: another owns it\n"),
        (errors.StateError("too old"), 5, "streamgauge: too old\n"),
        (ZeroDivisionError("by zero"), 1, "streamgauge: unexpected ZeroDivisionError: by zero; --debug shows where\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_each_error_is_one_line_and_its_code(error, code, line):
    """What a command raises becomes its exit code and its sentence on standard error, without a traceback."""
    result = CliRunner().invoke(raising(error), ["fail"])
    assert (result.exit_code, result.stderr, result.stdout) == (code, line, "")


@pytest.mark.parametrize("arguments", [["--debug", "fail"], ["fail", "--debug"]])
def test_debug_adds_the_traceback(arguments):
    """Wherever ``--debug`` stands, the traceback comes before the line, and the code stays."""
    result = CliRunner().invoke(raising(errors.UsageError("no such thing")), arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Traceback")
    assert "in fail" in result.stderr
    assert result.stderr.endswith("streamgauge: no such thing\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["alers"], "No such command 'alers'. Did you mean 'alerts'"),
        (["alerts", "--sevrity", "high"], "No such option: --sevrity (Possible options: --severity)"),
        (["alerts", "--severity", "hihg"], "'hihg'"),
        (["consume"], "Missing argument 'topic'"),
        (["consume", "orders", "--limit", "0"], "--limit"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, said):
    """Wrong words end with code 2, one line that says which, and where to read on."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "--help` says what is allowed" in result.stderr


def test_without_words_the_help_is_shown():
    """The bare command shows its help and ends with the code of a wrong command line."""
    result = invoke()
    assert result.exit_code == 2
    assert "Usage: " in result.stdout + result.stderr
    assert "streamgauge: " not in result.stderr


def test_without_configuration_it_says_which_to_try(tmp_path, monkeypatch):
    """With neither -c nor a file in the directory, the line names the example."""
    monkeypatch.chdir(tmp_path)
    result = invoke("topics")
    assert result.exit_code == 2
    assert "examples/payments.toml" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_file_of_the_directory_is_the_default(shell, monkeypatch):
    """``streamgauge.toml`` in the working directory is read without being named."""
    shell.config.rename(shell.folder / "streamgauge.toml")
    monkeypatch.chdir(shell.folder)
    result = invoke("check")
    assert result.exit_code == 0
    assert '"app":"shop"' in result.stdout


def test_completion_offers_commands():
    """What a shell asks for a begun word is answered with the command."""
    words = {"_STREAMGAUGE_COMPLETE": "complete_bash", "COMP_WORDS": "streamgauge al", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]
    result = subprocess.run(command, env=os.environ | words, capture_output=True, check=True, text=True)
    assert result.stdout.split() == ["alerts"]


@pytest.mark.parametrize("form", ["json", "table"])
def test_a_reader_that_goes_away_ends_it_quietly(shell, form):
    """When the reader of a long output closes its end, the command ends with 141 and says nothing."""
    shell.ok("produce", "orders", data=b"x" * 1_000 + b"\n" + b"y" * 1_000 + b"\n")
    shell.ok("produce", "orders", data=b"".join(b"%01000d\n" % number for number in range(2_000)))
    process = shell.start("consume", "orders", "--format", form)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == program.CLOSED
    assert process.stderr.read() == b""
    process.stderr.close()


def test_version_names_what_runs():
    """The version of the product and of what it stands on."""
    told = orjson.loads(invoke("version").stdout)
    assert told["streamgauge"] == "0.1.0"
    assert {"python", "numpy", "faust-streaming"} <= set(told)


def test_detectors_tells_what_there_is_to_choose_from():
    """Every kind with its cost, what it is best for and its settings; it needs no configuration."""
    told = invoke("detectors").stdout.splitlines()
    found = {row["kind"]: row for row in map(orjson.loads, told)}
    assert sorted(found) == sorted([*SERIES, "risk"])
    assert "review=0.5 block=0.9" in found["risk"]["settings"]
    assert found["multiscale"]["settings"] == "warmup=100 looks=0.5"
    assert all(row["cost"] and row["best_for"] for row in found.values())
