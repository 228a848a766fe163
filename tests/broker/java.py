"""Commands that run Kafka's classes, and processes made from them."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.broker.errors import KafkaUnavailableError

_LOG = "-Dorg.slf4j.simpleLogger"
_FLAGS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    f"{_LOG}.showDateTime=true",
    f"{_LOG}.dateTimeFormat=HH:mm:ss.SSS",
    f"{_LOG}.log.org.apache.kafka.common.config=warn",  # else two thirds of the log are settings
    f"{_LOG}.log.kafka.server.KafkaConfig=warn",
)
_QUICK = "-XX:TieredStopAtLevel=1"  # half the processor time until it is ready, a fraction of the throughput later

# A process that is to die with its parent dies with the *thread* that started it. Tests start brokers in short-lived
# threads too, so one thread that stays until the interpreter ends starts them all.
# The parent may be gone before the child has asked for that: the shell, which runs afterwards, looks who its parent is.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="broker-starter")

_IF_PARENT_LIVES = 'test "$PPID" = "$0" && exec "$@"'


def java_command(jars: Path, main: str, *arguments: str, quick: bool = True) -> list[str]:
    """The command for a class of Kafka's; ``quick`` to start, or else quick to work."""
    java = shutil.which("java")
    if not java:
        raise KafkaUnavailableError("Kafka needs Java 17 or newer: 'java' was not found; install a JRE")
    return [java, *_FLAGS, *([_QUICK] if quick else []), "-cp", f"{jars}/*", main, *arguments]


def spawn(command: list[str], *, log: Path, detached: bool) -> subprocess.Popen[bytes]:
    """Start a process that writes to ``log``; it dies with this one, by SIGKILL, unless it is detached."""
    if not detached:
        setpriv = shutil.which("setpriv")
        if not setpriv:
            raise KafkaUnavailableError("brokers of tests die with them by means of 'setpriv'; install util-linux")
        command = [setpriv, "--pdeathsig", "KILL", "sh", "-c", _IF_PARENT_LIVES, str(os.getpid()), *command]
    return _STARTER.submit(_popen, command, log).result()


def _popen(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        # A session of its own: Ctrl-C is for the tests, which then end the broker themselves.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
