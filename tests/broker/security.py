"""Ways into a broker: what a listener demands, what the broker is told, what a client needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Self

CONTROLLER = "CONTROLLER"


class Security(Enum):
    """What a listener demands; the name is the listener's."""

    PLAINTEXT = ("PLAINTEXT",)

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a client needs to come in.

    Args:
        bootstrap: Addresses with commas between them.
        security_protocol: As Kafka calls it.
    """

    bootstrap: str
    security_protocol: str = "PLAINTEXT"

    @property
    def url(self) -> str:
        """As a job's ``log`` names it."""
        return f"kafka://{self.bootstrap}"

    def aiokafka(self) -> dict[str, Any]:
        """As arguments of aiokafka's clients."""
        return {"bootstrap_servers": self.bootstrap, "security_protocol": self.security_protocol}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The listeners of a cluster."""

    kinds: tuple[Security, ...]

    @classmethod
    def make(cls, security: Sequence[Security], folder: Path) -> Self:
        """The plain one, which nodes use among themselves, and the ones asked for."""
        return cls(kinds=tuple(dict.fromkeys([Security.PLAINTEXT, *security])))

    def properties(self, ports: Mapping[Security, int]) -> dict[str, str]:
        """What the broker is told."""
        protocols = {CONTROLLER: "PLAINTEXT"} | {kind.name: kind.protocol for kind in self.kinds}
        return {"listener.security.protocol.map": ",".join(f"{name}:{value}" for name, value in protocols.items())}

    def scram_users(self) -> list[str]:
        return []

    def access(self, security: Security, bootstrap: str) -> Access:
        return Access(bootstrap=bootstrap, security_protocol=security.protocol)
