"""An authority made for one cluster, the keys and certificates that it signed, and a stranger's that it did not."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.broker.ports import HOST

_LIFE = dt.timedelta(days=2)
_EARLY = dt.timedelta(hours=1)  # clocks that differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files.

    Args:
        ca: The authority's certificate.
        server: The broker's key and certificate in one file, as Kafka reads them.
        client: A client's certificate and its key.
        stranger: The same, signed by the strange authority.
        strange_ca: Certificate of an authority that the broker does not know.
    """

    ca: Path
    server: Path
    client: tuple[Path, Path]
    stranger: tuple[Path, Path]
    strange_ca: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """New ones, in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        authority, strange = _Authority("streamgauge tests"), _Authority("somebody else")
        key, certificate = authority.issue("broker")
        return cls(
            ca=_write(folder / "ca.pem", _pem(authority.certificate)),
            server=_write(folder / "server.pem", _key_pem(key) + _pem(certificate)),
            client=_pair(folder, "client", authority),
            stranger=_pair(folder, "stranger", strange),
            strange_ca=_write(folder / "strange-ca.pem", _pem(strange.certificate)),
        )


class _Authority:
    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        builder = _builder(self._name, self._name, self._key)
        only_signs = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = builder.add_extension(only_signs, critical=True).sign(self._key, hashes.SHA256())

    def issue(self, name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """A key and a certificate for this machine under a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
        builder = _builder(_name(name), self._name, key).add_extension(
            x509.SubjectAlternativeName(places), critical=False
        )
        return key, builder.sign(self._key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + _LIFE)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pair(folder: Path, name: str, authority: _Authority) -> tuple[Path, Path]:
    key, certificate = authority.issue(name)
    return _write(folder / f"{name}.pem", _pem(certificate)), _write(folder / f"{name}-key.pem", _key_pem(key))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _write(file: Path, content: bytes) -> Path:
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file
