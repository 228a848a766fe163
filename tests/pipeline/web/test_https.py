"""Over the network: https by the view itself, and behind a proxy that speaks it."""

import datetime as dt
import ipaddress
import os

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.access.roles import Role
from pipeline.access.settings import WebSettings
from pipeline.config import AppConfig
from pipeline.errors import UsageError
from pipeline.web.app import serve
from tests.pipeline.access.kit import PASSWORD, TESTER, Kit
from tests.pipeline.web.filled import now_ms
from tests.pipeline.web.running import process


@pytest.fixture
def kit(tmp_path):
    made = Kit(tmp_path / "access.db")
    made.clock.ms = now_ms()
    made.users.add("ann", Role.VIEWER, PASSWORD, by=TESTER)
    yield made
    made.database.close()


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "tls.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@pytest.fixture
def served(tmp_path, kit, monkeypatch):
    """Starts a view with settings of ``[web]``; its address."""

    def serve_with(**settings):
        for name, value in {"users": str(kit.database.path), **settings}.items():
            monkeypatch.setitem(os.environ, f"STREAMGAUGE_WEB__{name.upper()}", value)
        return process("web", f"local://{tmp_path}/log.db")

    return serve_with


def address_of(running):
    line = running.stdout.readline()
    assert line.startswith("web view: "), line + running.stderr.read()
    return line.removeprefix("web view: ").strip().rstrip("/")


def log_in(client, origin, **headers):
    form = {"name": "ann", "password": PASSWORD}
    return client.post("/login", data=form, headers={"origin": origin, **headers})


def test_the_view_speaks_https(served, certificate):
    """With a certificate the address is https, and the cookie is for https only."""
    import ssl

    with served(login="true", cert_file=str(certificate)) as running:
        address = address_of(running)
        assert address.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=address, verify=trusted, timeout=60) as client:
            answer = log_in(client, address)
            assert answer.status_code == 303
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-sg-session-payments=")
            assert "; Secure" in cookie
            assert client.get("/api/me").json()["how"] == "session"
            assert client.get("/api/me").headers["strict-transport-security"] == "max-age=31536000"


def test_a_trusted_proxy_is_believed(served, kit):
    """Behind one that is named, login is on, https and the client's address count as it says."""
    with served(hosts='["gauge.example"]', proxies='["127.0.0.1"]') as running:
        forwarded = {"host": "gauge.example", "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
        with httpx.Client(base_url=address_of(running), timeout=60) as client:
            plain = client.get("/login", headers={"host": "gauge.example"})
            assert "plain http" in plain.text
            assert log_in(client, "http://gauge.example", **forwarded).status_code == 403
            answer = log_in(client, "https://gauge.example", **forwarded)
            assert answer.status_code == 303
            assert "__Host-" in answer.headers["set-cookie"]
            assert client.get("/login", headers={"host": "evil.example"}).status_code == 400
    assert kit.audit.newest(1)[0]["address"] == "203.0.113.9"


def test_an_unknown_proxy_is_not_believed(served, kit):
    """What anybody can send does not change where a login came from."""
    with served(login="true") as running:
        address = address_of(running)
        with httpx.Client(base_url=address, timeout=60) as client:
            spoofed = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
            assert log_in(client, address, **spoofed).status_code == 303
    assert kit.audit.newest(1)[0]["address"] == "127.0.0.1"


def test_a_certificate_that_is_none(tmp_path, kit):
    """A file that is missing or no PEM is one sentence."""
    (tmp_path / "bad.pem").write_text("no certificate")
    for name in ("missing.pem", "bad.pem"):
        web = WebSettings(users=str(kit.database.path), cert_file=str(tmp_path / name))
        with pytest.raises(UsageError, match=r"cert_file or key_file of \[web\] can't be used"):
            serve(AppConfig(name="a", log=f"local://{tmp_path}/log.db", web=web), "127.0.0.1", 0)
