"""Where the engines come from: locked versions, installed once into ``var/bench``."""

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.broker.jars import exclusive

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "var" / "bench"
_HERE = Path(__file__).parent
_LONGEST_S = 900.0


class UnavailableError(RuntimeError):
    """An engine can't be had on this machine; the message says why."""


def interpreter(job: str) -> Path:
    """Python of an environment of the engine's own, with the packages of ``jobs/JOB.txt``.

    Raises:
        UnavailableError: If they can't be installed.
    """
    lock = _HERE / "jobs" / f"{job}.txt"
    home = _home(job, [lock])
    python = home / "bin" / "python"

    def build() -> None:
        _run([sys.executable, "-m", "venv", str(home)])
        _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "-r", str(lock)])

    _once(home, build)
    return python


def classpath(project: str) -> str:
    """Compiled classes of ``java/PROJECT`` and the jars that its POM names, fetched by Maven.

    Raises:
        UnavailableError: If there is no Java or Maven, or they fail.
    """
    pom = _HERE / "java" / project / "pom.xml"
    sources = sorted([*(_HERE / "java" / "shared").glob("*.java"), *pom.parent.glob("*.java")])
    home = _home(project, [pom, *sources])
    jars, classes = home / "jars", home / "classes"
    path = f"{classes}:{jars}/*"

    def build() -> None:
        maven = [_found("mvn"), "-q", "-B", "-Dstyle.color=never", "-f", str(pom)]
        _run([*maven, "dependency:copy-dependencies", f"-DoutputDirectory={jars}"])
        _run([_found("javac"), "--release", "17", "-cp", f"{jars}/*", "-d", str(classes), *map(str, sources)])

    _once(home, build)
    return path


def own_version() -> str:
    """Of streamgauge, with the commit if it is known."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return f"{importlib.metadata.version('streamgauge')} {commit}".strip()


def python_version(job: str, package: str) -> str:
    """The version of a package that is locked."""
    return _only(rf"^{package}==(\S+)$", _HERE / "jobs" / f"{job}.txt")


def java_version(project: str) -> str:
    """The version that the POM names."""
    return _only(r"<engine\.version>(.*?)</engine\.version>", _HERE / "java" / project / "pom.xml")


def _only(pattern: str, file: Path) -> str:
    (found,) = re.findall(pattern, file.read_text(), re.MULTILINE)
    return found


def _home(name: str, made_of: Sequence[Path]) -> Path:
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in made_of)).hexdigest()
    return CACHE / f"{name}-{digest[:12]}"


def _once(home: Path, build: Callable[[], None]) -> None:
    """Build a folder unless it is whole; what a failed try left is removed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    whole = home / "whole"
    with exclusive(CACHE / "lock"):
        if whole.exists():
            return
        shutil.rmtree(home, ignore_errors=True)
        build()
        whole.touch()


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise UnavailableError(f"{program!r} was not found")
    return path


def _run(command: list[str]) -> None:
    try:
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{Path(command[0]).name} did not end within {_LONGEST_S:.0f} s") from error
    if run.returncode:
        said = [line for line in (run.stdout + run.stderr).splitlines() if line.strip()]
        first = next((line for line in said if "error" in line.lower()), said[-1] if said else "it said nothing")
        raise UnavailableError(f"{Path(command[0]).name} failed: {first.strip()}")
