"""Ways into a broker, and what a client needs for each."""

import base64
import json
import ssl
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from aiokafka.abc import AbstractTokenProvider

_TOKEN_LIFE_S = 3_600


class Security(Enum):
    """What a listener demands: its protocol, its SASL mechanism and whether a client must show a certificate.

    The name is the listener's.
    """

    PLAINTEXT = ("PLAINTEXT", None, False)
    TLS = ("SSL", None, False)
    MTLS = ("SSL", None, True)
    PLAIN = ("SASL_PLAINTEXT", "PLAIN", False)
    PLAIN_TLS = ("SASL_SSL", "PLAIN", False)
    SCRAM_256 = ("SASL_SSL", "SCRAM-SHA-256", False)
    SCRAM_512 = ("SASL_SSL", "SCRAM-SHA-512", False)
    OAUTH = ("SASL_PLAINTEXT", "OAUTHBEARER", False)

    def __init__(self, protocol: str, mechanism: str | None, needs_certificate: bool) -> None:
        self.protocol = protocol
        self.mechanism = mechanism
        self.needs_certificate = needs_certificate

    @property
    def is_encrypted(self) -> bool:
        """Whether it is TLS."""
        return self.protocol.endswith("SSL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a client needs to come in; ``dataclasses.replace`` makes a wrong one of it.

    Args:
        bootstrap: Addresses with commas between them.
        security_protocol: As Kafka calls it.
        sasl_mechanism: As Kafka calls it.
        username: For SASL; the subject of the token for OAUTHBEARER.
        password: For SASL.
        ca_file: PEM, what the broker's certificate is checked against.
        cert_file: PEM, the client's certificate.
        key_file: PEM, the key to it.
    """

    bootstrap: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def url(self) -> str:
        """As a job's ``log`` names it."""
        return f"kafka://{self.bootstrap}"

    def aiokafka(self) -> dict[str, Any]:
        """The same as arguments of aiokafka's clients."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.ca_file:
            options["ssl_context"] = context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        if self.sasl_mechanism == "OAUTHBEARER":
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_oauth_token_provider": _Tokens(self.username or ""),
            }
        elif self.sasl_mechanism:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options


def unsigned_token(subject: str) -> str:
    """A token that says who one is and proves nothing, which brokers of tests believe."""
    now_s = int(time.time())
    parts = [{"alg": "none"}, {"sub": subject, "iat": now_s, "exp": now_s + _TOKEN_LIFE_S}]
    return ".".join([base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]) + "."


class _Tokens(AbstractTokenProvider):
    def __init__(self, subject: str) -> None:
        self._subject = subject

    async def token(self) -> str:
        return unsigned_token(self._subject)
