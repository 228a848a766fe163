"""One run of an engine: started on a core of its own, watched through its alerts, ended, judged."""

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.kafka.ground import peak_bytes
from tests.bench.peers.cores import pin, two_cores
from tests.bench.peers.engines import Engine, Job
from tests.bench.peers.reference import Alert, Payments, Place, brute_force, recent_start_ms
from tests.bench.peers.topics import Topics
from tests.bench.peers.verdict import Verdict, judge
from tests.broker.cluster import Cluster
from tests.crash.fleet import Child, Fleet

_LOOK_S = 0.25
_BEGIN_S = 180.0
_QUIET_S, _STILL_S = 6.0, 30.0
"""So long without an alert and without a commit of one means that all is done: each engine commits every second. While
there are fewer alerts than there must be, the longer one: the engine may just be held up."""
_END_S = 30.0


class RunError(RuntimeError):
    """A run gave no figures; the message ends with the engine's last words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A topic with payments.

    Args:
        topic: Its name.
        count: How many.
        expected: The alerts that brute force finds in them.
    """

    topic: str
    count: int
    expected: Mapping[Alert, Place]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a run gave.

    Args:
        verdict: On its alerts.
        peak_bytes: The most memory that the process held.
    """

    verdict: Verdict
    peak_bytes: int


class Ground:
    """A broker with its input, and processes that end with the comparison.

    Args:
        servers: ``HOST:PORT,…``.
        version: Of Kafka.
        folder: For messages and state.
        fleet: Starts processes.
        topics: Of the broker.
    """

    def __init__(self, *, servers: str, version: str, folder: Path, fleet: Fleet, topics: Topics) -> None:
        self.servers = servers
        self.version = version
        self.topics = topics
        self.core = two_cores()[1]
        self._folder = folder
        self._fleet = fleet
        self._runs = 0

    def fill(self, counts: Sequence[int]) -> dict[int, Input]:
        """A topic for each count: of the same payments, the first ones."""
        most, inputs = max(counts, default=0), {}
        payments = Payments.make(most, recent_start_ms(most))
        for count in sorted(set(counts)):
            topic = f"payments-{count}"
            self.topics.fill(topic, payments.first(count))
            inputs[count] = Input(topic=topic, count=count, expected=brute_force(self.topics.payments(topic)))
        return inputs

    def job(self, name: str, topic: str) -> Job:
        """A job of a new application."""
        self._runs += 1
        app = f"{name}-{self._runs}"
        folder = self._folder / app
        folder.mkdir()
        return Job(servers=self.servers, topic=topic, alerts=f"{app}-alerts", app=app, folder=folder)

    def start(self, job: Job, command: Sequence[str]) -> Child:
        """Start a process on the engine's core."""
        return self._fleet.start(job.app, ["taskset", "-c", str(self.core), *command])

    def python(self, name: str, module: str, *arguments: object) -> Child:
        """Start a module of the measurement, on the broker's core."""
        return self._fleet.python(name, module, *map(str, arguments))

    def run(self, name: str, engine: Engine, given: Input) -> Run:
        """Let an engine process all payments.

        Raises:
            RunError: If it fails, or raises no alerts.
        """
        job = self.job(name, given.topic)
        self.topics.create_alerts(job.alerts)
        child = self.start(job, engine.command(job))
        try:
            self._until_done(child, job, engine, len(given.expected))
            peak = peak_bytes(child)
        finally:
            end(child)
        try:
            verdict = judge(self.topics.alerts(job.alerts, engine.parse), given.expected)
        except ValueError as error:
            raise RunError(f"{error}\n{child.last_words()}") from error
        shutil.rmtree(job.folder)
        return Run(verdict=verdict, peak_bytes=peak)

    def _until_done(self, child: Child, job: Job, engine: Engine, expected: int) -> None:
        end, changed_at, began, is_counted = 0, 0.0, time.monotonic(), False
        while not changed_at or time.monotonic() - changed_at < _STILL_S:
            if child.code is not None:
                raise RunError(f"{child.name} ended with code {child.code}:\n{child.last_words()}")
            if not changed_at and time.monotonic() - began > _BEGIN_S:
                raise RunError(f"{child.name} raised no alert within {_BEGIN_S:.0f} s:\n{child.last_words()}")
            now = self.topics.end(job.alerts)
            if now != end:
                end, changed_at, is_counted = now, time.monotonic(), False
            elif changed_at and not is_counted and time.monotonic() - changed_at > _QUIET_S:
                if len(self.topics.alerts(job.alerts, engine.parse)) >= expected:
                    return
                is_counted = True
            time.sleep(_LOOK_S)  # another process works: there is no event to wait for


def end(child: Child) -> None:
    """By SIGTERM; by SIGKILL if that does not do."""
    child.send(signal.SIGTERM)
    deadline = time.monotonic() + _END_S
    while child.code is None:
        if time.monotonic() > deadline:
            child.send(signal.SIGKILL)
        time.sleep(_LOOK_S)


@contextmanager
def ground(counts: Sequence[int] = ()) -> Iterator[tuple[Ground, dict[int, Input]]]:
    """A broker of its own that holds so many payments, with a core of its own from then on.

    Raises:
        KafkaUnavailableError: If this machine can't run one.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="streamgauge-bench-")))
        cluster = stack.enter_context(Cluster.start(quick=False))
        topics = Topics(cluster.bootstrap)
        stack.callback(topics.close)
        fleet = stack.enter_context(Fleet(folder))
        here = Ground(servers=cluster.bootstrap, version=cluster.version, folder=folder, fleet=fleet, topics=topics)
        inputs = here.fill(counts)
        broker_core, _ = two_cores()
        pin(cluster.pid(), {broker_core})
        with _on_core(broker_core):
            yield here, inputs


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    pin(os.getpid(), {core})
    try:
        yield
    finally:
        pin(os.getpid(), before)
