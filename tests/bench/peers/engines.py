"""The engines that are compared: how each is started, and what its alerts look like.

Every job is started with the same five words: SERVERS TOPIC ALERTS APP FOLDER.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from tests.bench.peers import install
from tests.bench.peers.reference import Alert

_JOBS = Path(__file__).with_name("jobs")
_TOML = """
[app]
name = "{app}"
log = "kafka://{servers}"
alerts = "{alerts}"
commit = "1s"
health = false

[streams.payments]
topic = "{topic}"
key = "account"
time = "ts"
partitions = 4
fields = {{ id = "str", account = "str", ts = "int", amount_cents = "int" }}

[tables.account_60s]
stream = "payments"
by = "account"
window = {{ tumbling = "60s", grace = "5s" }}
closed = false # the job asks for alerts, none of the engines sends rows of windows
measures = {{ {measures} }}
"""
_RULE = """
[rules.busy]
table = "account_60s"
when = "n >= 20 and spent >= 0" # an alert shows what its condition names: the sum too
severity = "high"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What an engine is to work on.

    Args:
        servers: ``HOST:PORT,…``.
        topic: Holds the payments.
        alerts: Topic for the alerts.
        app: Name of the application and of its consumer group, new for each run.
        folder: For its state and files, its own.
    """

    servers: str
    topic: str
    alerts: str
    app: str
    folder: Path

    @property
    def words(self) -> list[str]:
        """As the arguments of a command."""
        return [self.servers, self.topic, self.alerts, self.app, str(self.folder)]


def plain_alert(value: bytes) -> Alert:
    """An alert as the peers' jobs send it."""
    said = orjson.loads(value)
    return Alert(said["account"], said["window_start"], said["count"], said["sum"])


def our_alert(value: bytes) -> Alert:
    """An alert as streamgauge sends it."""
    said = orjson.loads(value)
    return Alert(said["key"], said["window_start_ms"], said["values"]["n"], said["values"]["spent"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """An engine with its job.

    Args:
        title: Its name for people.
        settings: What it was set to, one line.
        version: Finds it out.
        prepare: Installs it unless it is there, and returns the command without the job's words.
        arguments: The job's words for it; writes files that it needs.
        parse: Reads one of its alerts.
        most: Payments that it is given at most, because it is slow.
    """

    title: str
    settings: str
    version: Callable[[], str]
    prepare: Callable[[], list[str]]
    arguments: Callable[[Job], list[str]] = field(default=lambda job: job.words)
    parse: Callable[[bytes], Alert] = plain_alert
    most: int | None = None

    def command(self, job: Job) -> list[str]:
        """What starts it."""
        return [*self.prepare(), *self.arguments(job)]


def our_config(job: Job, *, counts_only: bool = False) -> Path:
    """The reference job for streamgauge as a file; or just count for each account, with no alerts."""
    measures = 'n = "count()"' if counts_only else 'n = "count()", spent = "sum(amount_cents)"'
    text = _TOML.format(app=job.app, servers=job.servers, alerts=job.alerts, topic=job.topic, measures=measures)
    file = job.folder / "job.toml"
    file.write_text(text if counts_only else text + _RULE)
    return file


def _streamgauge() -> list[str]:
    return [str(Path(sys.executable).with_name("streamgauge")), "worker"]


def _python(script: str) -> Callable[[], list[str]]:
    return lambda: [str(install.interpreter(script)), str(_JOBS / f"{script}.py")]


def _java(project: str, main: str, *options: str) -> Callable[[], list[str]]:
    return lambda: ["java", *options, "-cp", install.classpath(project), main]


_OPENED = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.lang", "java.util", "java.time")]

ENGINES: Mapping[str, Engine] = {
    "streamgauge": Engine(
        title="streamgauge",
        settings="exactly once, commit every 1 s and early for alerts, state in a compacted topic",
        version=install.own_version,
        prepare=_streamgauge,
        arguments=lambda job: ["-c", str(our_config(job))],
        parse=our_alert,
    ),
    "flink": Engine(
        title="Flink",
        settings="keyed process function, hash state, exactly once, aligned checkpoint every 1 s to disk, object reuse",
        version=lambda: install.java_version("flink"),
        prepare=_java("flink", "FlinkJob", "-Xmx2g", *_OPENED),
    ),
    "kafka-streams": Engine(
        title="Kafka Streams",
        settings="processor API, in-memory window store with changelog, exactly_once_v2, commit every 1 s",
        version=lambda: install.java_version("kafka-streams"),
        prepare=_java("kafka-streams", "KafkaStreamsJob", "-Xmx2g"),
    ),
    "bytewax": Engine(
        title="Bytewax",
        settings="windows by hand in keyed state, recovery on, snapshot every 1 s, at least once",
        version=lambda: install.python_version("bytewax_job", "bytewax"),
        prepare=_python("bytewax_job"),
    ),
    "quix": Engine(
        title="Quix Streams",
        settings="its tumbling window, RocksDB with changelog, exactly once, commit every 1 s",
        version=lambda: install.python_version("quix_job", "quixstreams"),
        prepare=_python("quix_job"),
        most=500_000,
    ),
    "faust": Engine(
        title="Faust",
        settings="table with a tumbling window in memory with changelog, commit every 1 s, at least once",
        version=lambda: install.python_version("faust_job", "faust-streaming"),
        prepare=_python("faust_job"),
        most=100_000,
    ),
}
