"""``server.properties`` of a node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.broker.listeners import CONTROLLER, Listeners
from tests.broker.ports import HOST
from tests.broker.security import Security


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a node lives.

    Args:
        number: The node's id.
        folder: For configuration, data and log.
        controller: Port of the controller.
        ports: Of each listener.
    """

    number: int
    folder: Path
    controller: int
    ports: Mapping[Security, int]


def server_properties(
    seat: Seat, seats: Sequence[Seat], listeners: Listeners, overrides: Mapping[str, object]
) -> dict[str, str]:
    """The settings of one node among ``seats``; ``overrides`` win."""
    return (
        _identity(seat, seats)
        | _replication(len(seats))
        | _pace()
        | listeners.properties()
        | {key: str(value) for key, value in overrides.items()}
    )


def as_text(properties: Mapping[str, str]) -> str:
    """As Java reads it: a backslash is doubled, the rest stands for itself."""
    return "".join(f"{key}={value}\n".replace("\\", "\\\\") for key, value in properties.items())


def _identity(seat: Seat, seats: Sequence[Seat]) -> dict[str, str]:
    own = {security.name: port for security, port in seat.ports.items()}
    addresses = [f"{name}://{HOST}:{port}" for name, port in own.items()]
    return {
        "process.roles": "broker,controller",
        "node.id": str(seat.number),
        "controller.quorum.voters": ",".join(f"{other.number}@{HOST}:{other.controller}" for other in seats),
        "controller.listener.names": CONTROLLER,
        "listeners": ",".join([*addresses, f"{CONTROLLER}://{HOST}:{seat.controller}"]),
        "advertised.listeners": ",".join(addresses),
        "inter.broker.listener.name": Security.PLAINTEXT.name,
        "log.dirs": str(seat.folder / "data"),
    }


def _replication(nodes: int) -> dict[str, str]:
    """Every topic lives on every node, and a write needs all but one."""
    factor, least = str(nodes), str(max(1, nodes - 1))
    return {
        "default.replication.factor": factor,
        "min.insync.replicas": least,
        "offsets.topic.replication.factor": factor,
        "transaction.state.log.replication.factor": factor,
        "transaction.state.log.min.isr": least,
        "share.coordinator.state.topic.replication.factor": factor,
        "share.coordinator.state.topic.min.isr": least,
    }


def _pace() -> dict[str, str]:
    """Small and quick, as tests want it."""
    return {
        "num.partitions": "4",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "log.cleaner.backoff.ms": "1000",
        "log.retention.check.interval.ms": "1000",
        "log.initial.task.delay.ms": "500",  # retention and cleaning begin half a minute after the start otherwise
        # How long a node that was killed is believed to live, by the others and by itself when it comes back.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "5000",
    }
