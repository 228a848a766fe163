"""The rooms import only what they may, read no environment, and the pure ones touch no clock, file or thread."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 300
MAX_LINES_OF_TESTS = 320
ROOMS = ("agents", "detectors", "load", "pipeline", "tables")
ALLOWED = {  # prefixes of what a room may import of ours besides itself
    "detectors": (),
    "tables": (),
    "agents": ("detectors", "tables"),
    "load": ("agents.events",),
    "pipeline": ROOMS,
}
PURE = (
    "agents/",
    "detectors/",
    "tables/",
    "pipeline/alerts.py",
    "pipeline/codec/",
    "pipeline/deadletter.py",
    "pipeline/explanation.py",
    "pipeline/incidents/conditions.py",
    "pipeline/incidents/draft.py",
    "pipeline/incidents/events.py",
    "pipeline/incidents/machine.py",
    "pipeline/incidents/model.py",
    "pipeline/incidents/records.py",
    "pipeline/incidents/settings.py",
    "pipeline/incidents/storms.py",
    "pipeline/incidents/telling.py",
    "pipeline/packed.py",
    "pipeline/shard.py",
    "pipeline/shard_input.py",
    "pipeline/shard_output.py",
    "pipeline/shard_scores.py",
)
# fmt: off
IMPURE_MODULES = frozenset({
    "aiokafka", "asyncio", "concurrent", "faust", "http", "logging", "mode", "multiprocessing", "os",
    "pathlib", "queue", "random", "sched", "secrets", "select", "selectors", "shutil", "signal", "socket",
    "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request", "uuid",
})
# fmt: on
IMPURE_CALLS = frozenset({"open", "print", "input", "exec", "eval"})
CLOCKS = frozenset({"now", "utcnow", "today"})
ENVIRONMENT = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})


def violations(path: str, source: str) -> list[str]:
    """Every broken rule in a module, as ``line: what``; ``path`` is relative to the repository."""
    tree = ast.parse(source)
    found = [(1, f"has more than {MAX_LINES} lines")] if len(source.splitlines()) > MAX_LINES else []
    for node in ast.walk(tree):
        found += [(node.lineno, what) for what in _of_imports(path, node)]
        found += [(node.lineno, what) for what in _of_names(path, node)]
        if path.startswith(PURE):
            found += [(node.lineno, what) for what in _of_pure(node)]
    return [f"{path}:{line}: {what}" for line, what in sorted(set(found))]


def imported(node: ast.AST) -> list[str]:
    """What a node imports, by full names: statements, ``import_module`` and ``__import__`` alike."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module or ''}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and _name(node.func) in {"import_module", "__import__"} and node.args:
        argument = node.args[0]
        return [argument.value if isinstance(argument, ast.Constant) else "?"]
    return []


def _of_imports(path: str, node: ast.AST) -> Iterator[str]:
    room = path.partition("/")[0]
    if isinstance(node, ast.ImportFrom) and node.level:
        yield "relative import"
    for name in imported(node):
        top = name.split(".")[0]
        if name == "?" and room != "pipeline":
            yield "import of a computed name"
        if top == "tests":
            yield "imports tests"
        if top in ROOMS and top != room and not _within(name, ALLOWED[room]):
            yield f"{room} imports {name}"


def _of_names(path: str, node: ast.AST) -> Iterator[str]:
    name = _name(node) if isinstance(node, ast.Name | ast.Attribute) else ""
    names = {name, *(part.rpartition(".")[2] for part in imported(node))}
    if "TYPE_CHECKING" in names:
        yield "TYPE_CHECKING"
    if not path.startswith("pipeline/config/"):
        read = sorted(names & ENVIRONMENT)
        if read:
            yield f"reads the environment ({read[0]})"


def _of_pure(node: ast.AST) -> Iterator[str]:
    for name in imported(node):
        if _within(name, IMPURE_MODULES):
            yield f"pure module imports {name}"
    if not isinstance(node, ast.Call):
        return
    name = _name(node.func)
    if isinstance(node.func, ast.Name) and name in IMPURE_CALLS:
        yield f"pure module calls {name}"
    if isinstance(node.func, ast.Attribute):
        if name in CLOCKS:
            yield f"pure module reads a clock ({name})"
        unseeded = name == "default_rng" and not (node.args or node.keywords)
        if unseeded or (_name(node.func.value) == "random" and name not in {"default_rng", "Generator"}):
            yield f"pure module draws random numbers without a seed ({name})"


def _name(node: ast.AST) -> str:
    """The last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _within(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


MODULES = sorted(path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES)
def test_module_keeps_the_rules(path):
    """A module imports downwards only, reads no environment, has no TYPE_CHECKING block, and is short enough."""
    assert violations(path, (ROOT / path).read_text()) == []


def test_test_files_are_short():
    """Each file proves things of one kind, which its name says; past so many lines it is cut by what it proves."""
    lines = {path: len(path.read_text().splitlines()) for path in (ROOT / "tests").rglob("*.py")}
    assert Path(__file__) in lines
    assert {path.relative_to(ROOT).as_posix(): n for path, n in lines.items() if n > MAX_LINES_OF_TESTS} == {}


def test_every_room_is_looked_at():
    """The walk finds modules in each room, and each path that is declared pure exists."""
    assert {path.split("/")[0] for path in MODULES} == set(ROOMS)
    assert [path for path in PURE if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("path", "source", "what"),
    [
        ("detectors/x.py", "import tables", "detectors imports tables"),
        ("detectors/x.py", "from agents.events import Batch", "detectors imports agents.events.Batch"),
        ("tables/x.py", "import detectors.ewma as e", "tables imports detectors.ewma"),
        ("tables/x.py", "from pipeline import errors", "tables imports pipeline.errors"),
        ("agents/x.py", "import pipeline.errors", "agents imports pipeline.errors"),
        ("agents/x.py", "from load import pacing", "agents imports load.pacing"),
        ("load/x.py", "from agents.spec import Field", "load imports agents.spec.Field"),
        ("load/x.py", "from agents import spec", "load imports agents.spec"),
        ("load/x.py", "import agents", "load imports agents"),
        ("load/x.py", "import agents.eventsource", "load imports agents.eventsource"),
        ("load/a/x.py", "import tables", "load imports tables"),
        ("agents/x.py", "def f():\n    import load", "agents imports load"),
        ("agents/x.py", "async def f():\n    if a:\n        from pipeline.log import api", "pipeline.log.api"),
        ("agents/x.py", "try:\n    pass\nexcept ImportError:\n    import load", "agents imports load"),
        ("agents/x.py", "importlib.import_module('pipeline.cli')", "agents imports pipeline.cli"),
        ("agents/x.py", "x = __import__('load')", "agents imports load"),
        ("tables/x.py", "import_module(name)", "computed name"),
        ("agents/x.py", "from . import spec", "relative import"),
        ("pipeline/x.py", "from ..tables import spec", "relative import"),
        ("pipeline/x.py", "from tests.conftest import x", "imports tests"),
        ("pipeline/x.py", "from typing import TYPE_CHECKING", "TYPE_CHECKING"),
        ("pipeline/x.py", "import typing\nif typing.TYPE_CHECKING:\n    pass", ":2: TYPE_CHECKING"),
        ("pipeline/x.py", "import os\nx = os.environ['A']", ":2: reads the environment (environ)"),
        ("pipeline/x.py", "import os as o\no.getenv('A')", "reads the environment (getenv)"),
        ("pipeline/x.py", "from os import getenv as g", "reads the environment (getenv)"),
        ("pipeline/configuration.py", "os.environ", "reads the environment"),
        ("pipeline/x.py", "x = 1\n" * 301, "more than 300 lines"),
        ("tables/x.py", "import time", "pure module imports time"),
        ("tables/x.py", "from time import monotonic", "pure module imports time.monotonic"),
        ("detectors/x.py", "def f():\n    import random", "pure module imports random"),
        ("agents/x.py", "import asyncio", "pure module imports asyncio"),
        ("agents/x.py", "import os.path", "pure module imports os.path"),
        ("pipeline/codec/decoder.py", "import socket", "pure module imports socket"),
        ("pipeline/shard.py", "import sqlite3, threading", "pure module imports threading"),
        ("pipeline/shard.py", "from concurrent.futures import Executor", "pure module imports concurrent"),
        ("agents/x.py", "import datetime\ndatetime.datetime.now()", "reads a clock (now)"),
        ("agents/x.py", "from datetime import date\ndate.today()", "reads a clock (today)"),
        ("agents/x.py", "open('x')", "calls open"),
        ("agents/x.py", "print(1)", "calls print"),
        ("detectors/x.py", "np.random.normal(0, 1)", "without a seed (normal)"),
        ("detectors/x.py", "np.random.seed(0)", "without a seed (seed)"),
        ("detectors/x.py", "np.random.default_rng()", "without a seed (default_rng)"),
    ],
)
def test_each_kind_of_violation_is_caught(path, source, what):
    """The check fails on a source that breaks one rule, and says where and what."""
    assert any(what in violation for violation in violations(path, source)), violations(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("agents/x.py", "import tables\nfrom detectors import ewma\nfrom agents.spec import Field"),
        (
            "load/x.py",
            "from agents import events\nfrom agents.events import Records\nimport load.pacing, agents.events",
        ),
        ("load/x.py", "import time, random, asyncio\ntime.time()"),
        ("pipeline/x.py", "import load.pacing, agents, tables.spec, detectors, pipeline.errors"),
        ("pipeline/cli/x.py", "def f():\n    import nicegui\n    importlib.import_module(name)"),
        ("pipeline/config/x.py", "import os\nos.environ.get('A')\nfrom os import getenv"),
        ("pipeline/worker/x.py", "import os, time, asyncio\nos.getpid()\ndatetime.now()"),
        ("detectors/x.py", "import numpy as np\nnp.random.default_rng(seed).normal()"),
        ("tables/x.py", "import timeit_like, tablespoon\nx.open()\nfrom datetime import timedelta"),
        ("pipeline/x.py", "x = 1\n" * 300),
    ],
)
def test_what_is_allowed_is_not_reported(path, source):
    """The check stays silent on sources that keep the rules."""
    assert violations(path, source) == []
