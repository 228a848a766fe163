"""A Kafka of our own: one node or several, on free ports, with data in a temporary folder."""

import atexit
import base64
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.broker.jars import default_version, jars
from tests.broker.listeners import Listeners
from tests.broker.node import Node
from tests.broker.ports import HOST, free_ports
from tests.broker.probe import live_brokers
from tests.broker.properties import Seat, as_text, server_properties
from tests.broker.security import Access, Security

_READY_S = 120.0
_END_S = 60.0
_LOOK_S = 0.05


class Cluster:
    """Nodes that are brokers and controllers at once. Made by `start`, ended by `stop` or as a context manager.

    With three nodes every topic is written to all, internal ones too, and a write needs two.

    ``with Cluster.start(nodes=3) as cluster: cluster.kill(2)``
    """

    def __init__(
        self, *, version: str, folder: Path, seats: Sequence[Seat], listeners: Listeners, detached: bool, quick: bool
    ) -> None:
        self.version = version
        self.folder = folder
        self._listeners = listeners
        self._seats = {seat.number: seat for seat in seats}
        home = jars(version)
        self._nodes = {
            seat.number: Node(number=seat.number, folder=seat.folder, jars=home, detached=detached, quick=quick)
            for seat in seats
        }

    @classmethod
    def start(
        cls,
        *,
        nodes: int = 1,
        security: Sequence[Security] = (),
        version: str | None = None,
        overrides: Mapping[str, object] | None = None,
        folder: Path | None = None,
        detached: bool = False,
        quick: bool = True,
    ) -> Self:
        """Start a cluster and wait until every node knows every other.

        Args:
            nodes: How many.
            security: Listeners besides the plain one, which is always there.
            version: Of Kafka; by default the one that the POM names.
            overrides: Server properties that win over ours.
            folder: For everything it writes, temporary by default. It is removed by `stop` in any case.
            detached: Whether it outlives this process; then it is not this object's to signal or to stop.
            quick: Quick to be ready, for a test; or else quick at work, once it is warm.

        Raises:
            KafkaUnavailableError: If this machine cannot run one.
            BrokerError: If a node does not become ready.
        """
        version = version or default_version()
        jars(version)
        home = folder or Path(tempfile.mkdtemp(prefix="streamgauge-kafka-"))
        listeners = Listeners.make(security, home / "certificates")
        seats = _seats(nodes, listeners, home)
        cluster = cls(version=version, folder=home, seats=seats, listeners=listeners, detached=detached, quick=quick)
        atexit.register(cluster.stop)
        try:
            cluster._begin(overrides or {})
        except BaseException:
            cluster.stop()
            raise
        if detached:
            atexit.unregister(cluster.stop)
            for node in cluster._nodes.values():
                node.release()
        return cluster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def nodes(self) -> tuple[int, ...]:
        """Their ids, from 1."""
        return tuple(self._nodes)

    @property
    def bootstrap(self) -> str:
        """Addresses of the plain listeners, with commas between them."""
        return self.access().bootstrap

    def access(self, security: Security = Security.PLAINTEXT) -> Access:
        """What a client needs to come in by a listener."""
        return self._listeners.access(security, self._addresses(security))

    def stranger(self, security: Security) -> Access:
        """The same for a client that must not come in: a wrong password, or a strange authority's certificate."""
        return self._listeners.stranger(security, self._addresses(security))

    def log(self, node: int = 1) -> Path:
        """The file with what a node says."""
        return self._nodes[node].log

    def properties(self, node: int = 1) -> Path:
        """The file with the settings of a node."""
        return self._nodes[node].properties

    def pid(self, node: int = 1) -> int:
        """Process id of a node."""
        return self._nodes[node].pid

    def kill(self, node: int = 1) -> None:
        """End a node by SIGKILL."""
        self._nodes[node].kill()

    def terminate(self, node: int = 1) -> None:
        """End a node by SIGTERM and wait until it has handed over."""
        self._nodes[node].terminate(_END_S)

    def pause(self, node: int = 1) -> None:
        """Hold a node still by SIGSTOP."""
        self._nodes[node].pause()

    def resume(self, node: int = 1) -> None:
        """Let a paused node go on."""
        self._nodes[node].resume()

    def restart(self, node: int = 1) -> None:
        """Start a node again with its ports and data, after killing it if it still runs, and wait until it is ready."""
        self._nodes[node].kill()
        self._nodes[node].start()
        self._wait([node], time.monotonic() + _READY_S)

    def stop(self) -> None:
        """End every node at once and remove the data. May be called again."""
        atexit.unregister(self.stop)
        for node in self._nodes.values():
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _addresses(self, security: Security) -> str:
        return ",".join(f"{HOST}:{seat.ports[security]}" for seat in self._seats.values() if security in seat.ports)

    def _begin(self, overrides: Mapping[str, object]) -> None:
        seats = list(self._seats.values())
        for seat in seats:
            seat.folder.mkdir(parents=True)
            properties = server_properties(seat, seats, self._listeners, overrides)
            self._nodes[seat.number].properties.write_text(as_text(properties))
        # The first byte is fixed, because an id that begins with a dash is an option to Kafka's tool.
        cluster_id = base64.urlsafe_b64encode(b"k" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        first, *others = self._nodes.values()
        first.format(cluster_id, self._listeners.scram_users())
        for node in others:
            node.format_like(first)
        for node in [first, *others]:
            node.start()
        self._wait(self.nodes, time.monotonic() + _READY_S)

    def _wait(self, numbers: Sequence[int], deadline: float) -> None:
        """Until each of these nodes lists every node that runs."""
        for number in numbers:
            node, port = self._nodes[number], self._seats[number].ports[Security.PLAINTEXT]
            while True:
                known = live_brokers(port)
                running = {other.number for other in self._nodes.values() if other.is_running}
                if known and known >= running:
                    break
                if not node.is_running:
                    raise node.error("ended while it started")
                if time.monotonic() > deadline:
                    raise node.error(f"was not ready within {_READY_S:.0f} s; it knew of {sorted(known)}")
                time.sleep(_LOOK_S)


def _seats(nodes: int, listeners: Listeners, home: Path) -> list[Seat]:
    per_node = 1 + len(listeners.kinds)
    ports = free_ports(nodes * per_node)
    found = []
    for number in range(1, nodes + 1):
        controller, *rest = ports[(number - 1) * per_node : number * per_node]
        own = dict(zip(listeners.kinds, rest, strict=True))
        found.append(Seat(number=number, folder=home / f"node-{number}", controller=controller, ports=own))
    return found
