"""Kafka's jars: fetched once for each version, by Maven, into ``var/kafka/<version>/jars``."""

import fcntl
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.broker.errors import KafkaUnavailableError

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "var" / "kafka"
_POM = Path(__file__).with_name("pom.xml")
_FETCH_S = 240.0
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def default_version() -> str:
    """The version that the POM names."""
    found = re.search(r"<kafka\.version>(.*?)</kafka\.version>", _POM.read_text())
    if not found:
        raise KafkaUnavailableError(f"{_POM} names no kafka.version")
    return found[1]


def jars(version: str, *, cache: Path = CACHE, maven: str = "mvn") -> Path:
    """The folder with the jars of a version; fetches them when they are not there yet.

    The folder appears whole or not at all, and of several processes one fetches while the others wait.

    Raises:
        KafkaUnavailableError: If there is no such version, no Maven, or Maven fails.
    """
    if not _VERSION.fullmatch(version):
        raise KafkaUnavailableError(f"expected a Kafka version such as {default_version()}, found {version!r}")
    whole = cache / version / "jars"
    if whole.is_dir():
        return whole
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive(cache / "fetch.lock"):
        if not whole.is_dir():
            _fetch(version, whole, maven)
    return whole


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold a lock that ends with this process at the latest."""
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _fetch(version: str, whole: Path, maven: str) -> None:
    found = shutil.which(maven)
    if not found:
        raise KafkaUnavailableError(f"Kafka {version} is fetched by Maven: {maven!r} was not found; install maven")
    part = Path(tempfile.mkdtemp(prefix="part-", dir=whole.parents[1]))
    command = [
        *(found, "-q", "-B", "-Dstyle.color=never", "-f", str(_POM), f"-Dkafka.version={version}"),
        *("dependency:copy-dependencies", f"-DoutputDirectory={part}"),
    ]
    try:
        _run(command, version)
        if not list(part.glob(f"kafka_*-{version}.jar")):
            raise KafkaUnavailableError(f"Maven fetched no broker of Kafka {version}")
        part.chmod(0o755)
        whole.parent.mkdir(exist_ok=True)
        part.rename(whole)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _run(command: list[str], version: str) -> None:
    try:
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise KafkaUnavailableError(f"Maven did not fetch Kafka {version} within {_FETCH_S:.0f} s") from error
    if run.returncode:
        said = next((line for line in run.stdout.splitlines() if "[ERROR]" in line), run.stdout + run.stderr)
        said = said.rpartition("[ERROR] ")[2].partition(" -> [Help")[0]
        raise KafkaUnavailableError(f"Maven could not fetch Kafka {version}: {said}")
