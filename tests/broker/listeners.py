"""The listeners of a cluster: what the brokers are told of them, and what is handed to clients, right or wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.broker.certificates import Certificates
from tests.broker.security import Access, Security

CONTROLLER = "CONTROLLER"
USERNAME, PASSWORD = "auditor", "seven-ledgers"
_WRONG_PASSWORD = "eight-ledgers"  # of one length with the right one
_MODULES = {
    "PLAIN": f'plain.PlainLoginModule required user_{USERNAME}="{PASSWORD}"',
    "SCRAM-SHA-256": "scram.ScramLoginModule required",
    "SCRAM-SHA-512": "scram.ScramLoginModule required",
    "OAUTHBEARER": 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The plain one, which nodes use among themselves, and others.

    Args:
        kinds: Each once, the plain one first.
        certificates: If one of them is encrypted.
    """

    kinds: tuple[Security, ...]
    certificates: Certificates | None

    @classmethod
    def make(cls, security: Sequence[Security], folder: Path) -> Self:
        """The plain one and the ones asked for, with new certificates in ``folder`` if need be."""
        kinds = tuple(dict.fromkeys([Security.PLAINTEXT, *security]))
        is_encrypted = any(kind.is_encrypted for kind in kinds)
        return cls(kinds=kinds, certificates=Certificates.make(folder) if is_encrypted else None)

    def properties(self) -> dict[str, str]:
        """What a broker is told, but for the ports."""
        protocols = {CONTROLLER: "PLAINTEXT"} | {kind.name: kind.protocol for kind in self.kinds}
        told = {"listener.security.protocol.map": ",".join(f"{name}:{value}" for name, value in protocols.items())}
        for kind in self.kinds:
            told |= _of_listener(kind)
        if self.certificates:
            told |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self.certificates.server),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.certificates.ca),
            }
        return told

    def scram_users(self) -> list[str]:
        """Users that are made with the data, in the words of Kafka's tool."""
        mechanisms = [str(kind.mechanism) for kind in self.kinds if "SCRAM" in str(kind.mechanism)]
        return [f"{mechanism}=[name={USERNAME},password={PASSWORD}]" for mechanism in mechanisms]

    def access(self, security: Security, bootstrap: str) -> Access:
        """What opens a listener."""
        if security not in self.kinds:
            raise ValueError(f"this cluster has no listener {security.name}, only {[kind.name for kind in self.kinds]}")
        certificates = self.certificates if security.is_encrypted else None
        cert_file, key_file = certificates.client if certificates and security.needs_certificate else (None, None)
        return Access(
            bootstrap=bootstrap,
            security_protocol=security.protocol,
            sasl_mechanism=security.mechanism,
            username=USERNAME if security.mechanism else None,
            password=PASSWORD if security.mechanism not in {None, "OAUTHBEARER"} else None,
            ca_file=certificates.ca if certificates else None,
            cert_file=cert_file,
            key_file=key_file,
        )

    def stranger(self, security: Security, bootstrap: str) -> Access:
        """What is like the right access and must not open a listener."""
        right = self.access(security, bootstrap)
        if right.password:
            return replace(right, password=_WRONG_PASSWORD)
        if right.sasl_mechanism:
            return replace(right, username="")
        if not self.certificates or not right.ca_file:
            raise ValueError(f"{security.name} lets everybody in")
        if security.needs_certificate:
            cert_file, key_file = self.certificates.stranger
            return replace(right, cert_file=cert_file, key_file=key_file)
        return replace(right, ca_file=self.certificates.strange_ca)


def _of_listener(kind: Security) -> dict[str, str]:
    name = f"listener.name.{kind.name.lower()}"
    told = {f"{name}.ssl.client.auth": "required"} if kind.needs_certificate else {}
    if kind.mechanism:
        module = f"org.apache.kafka.common.security.{_MODULES[kind.mechanism]};"
        told |= {
            f"{name}.sasl.enabled.mechanisms": kind.mechanism,
            f"{name}.{kind.mechanism.lower()}.sasl.jaas.config": module,
        }
    return told
