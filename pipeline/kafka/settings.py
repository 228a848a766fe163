"""How to connect to Kafka and how topics are made there, as one frozen value."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.errors import UsageError
from pipeline.kafka.tokens import TokenSource, token_provider

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KafkaSettings:
    """Settings of a Kafka cluster; the defaults fit an open one on this machine.

    Args:
        security_protocol: Whether connections are encrypted (``SSL``) and ask who is there (``SASL``).
        sasl_mechanism: How to say who is there.
        username: For ``PLAIN`` and ``SCRAM``.
        password: For ``PLAIN`` and ``SCRAM``.
        token: Where tokens for ``OAUTHBEARER`` come from.
        ca_file: PEM file of the authorities that sign the brokers' certificates; ``None`` takes the system's.
        cert_file: PEM file of this client's certificate, for mutual TLS.
        key_file: PEM file of its key; ``None`` if ``cert_file`` holds it.
        key_password: Of the key, if it has one.
        check_hostname: Whether a broker's certificate must be for the name that it was reached by.
        replication: Replicas of the topics that are made; -1 takes the brokers' default.
        min_isr: Replicas that must have a record before it counts; ``None`` takes the brokers' default.
        compression: Of the batches that are written.
        instance: Static member id of this worker, unique in its group; ``None`` for a dynamic member.
        session_ms: How long after its last sign of life a worker is replaced.
        request_timeout_ms: How long to wait for an answer, and for a commit to become possible.
    """

    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: Mechanism = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: TokenSource = field(default_factory=TokenSource)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    check_hostname: bool = True
    replication: int = -1
    min_isr: int | None = None
    compression: Compression = "none"
    instance: str | None = None
    session_ms: int = 6_000
    request_timeout_ms: int = 10_000

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments of every client.

        Raises:
            UsageError: If a certificate or key can't be read.
        """
        options: dict[str, Any] = {
            "security_protocol": self.security_protocol,
            "request_timeout_ms": self.request_timeout_ms,
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self._ssl_context()
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
            if self.sasl_mechanism == "OAUTHBEARER":
                options["sasl_oauth_token_provider"] = token_provider(self.token)
        return options

    def _ssl_context(self) -> ssl.SSLContext:
        reading = self.ca_file or "the system's authorities"
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.check_hostname = self.check_hostname
            if self.cert_file is not None:
                reading = f"{self.cert_file} with key {self.key_file or self.cert_file}"
                context.load_cert_chain(self.cert_file, self.key_file, self.key_password)
        except OSError as error:  # ssl.SSLError is one too
            raise UsageError(
                f"[kafka] {reading} can't be used for TLS: {error.strerror or error}; name PEM files"
            ) from error
        return context
