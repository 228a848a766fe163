"""``[web]``: what it says, and every mistake that can be made in it."""

import pytest

from pipeline.access.roles import Role
from pipeline.access.settings import OidcSettings, WebSettings
from pipeline.config import check_config, load_config

APP = '[app]\nname = "shop"\n'
ENVIRON = {"AUDIT": "0123456789abcdef0123456789abcdef", "SHORT": "abc", "STORE": "postgresql://ann:secret@db/shop"}
OIDC = 'oidc_issuer = "https://id/r"\noidc_audience = "gauge"\noidc_jwks = "https://id/keys"\n'


@pytest.fixture
def load(tmp_path):
    def load(web, **environ):
        path = tmp_path / "app.toml"
        path.write_text(f"{APP}[web]\n{web}")
        return load_config(path, ENVIRON | environ)

    return load


@pytest.fixture
def mistakes(tmp_path):
    def check(web):
        path = tmp_path / "app.toml"
        path.write_text(f"{APP}[web]\n{web}")
        return [line.removeprefix(f"{path}:") for line in check_config(path, ENVIRON)]

    return check


def test_without_the_section_it_serves_this_machine(tmp_path):
    """Nothing has to be said to look at one's own stream."""
    path = tmp_path / "app.toml"
    path.write_text(APP)
    config = load_config(path, {})
    assert (config.web_host, config.web_port, config.web) == ("127.0.0.1", 8080, WebSettings())


def test_every_key_is_taken(load):
    """Each key ends up in its setting; secrets are not shown."""
    config = load(
        'host = "0.0.0.0"\nport = 443\nlogin = true\nusers = "u.db"\nsession = "30m"\nhosts = ["gauge.example"]\n'
        'proxies = ["10.0.0.0/8", "::1"]\ncert_file = "c.pem"\nkey_file = "k.pem"\naudit_key = "${AUDIT}"\n'
        f'{OIDC}oidc_algorithms = ["ES256", "EdDSA"]\noidc_name_claim = "email"\noidc_role_claim = "groups"\n'
        'oidc_roles = { "sg-admins" = "admin", "all" = "viewer" }\nstore = "${STORE}"\n'
    )
    assert (config.web_host, config.web_port) == ("0.0.0.0", 443)
    assert config.web == WebSettings(
        login=True,
        users="u.db",
        session_ms=1_800_000,
        hosts=("gauge.example",),
        proxies=("10.0.0.0/8", "::1"),
        cert_file="c.pem",
        key_file="k.pem",
        audit_key=ENVIRON["AUDIT"],
        oidc=OidcSettings(
            issuer="https://id/r",
            audience="gauge",
            jwks="https://id/keys",
            algorithms=("ES256", "EdDSA"),
            name_claim="email",
            role_claim="groups",
            roles={"sg-admins": Role.ADMIN, "all": Role.VIEWER},
        ),
        store=ENVIRON["STORE"],
    )
    assert ENVIRON["AUDIT"] not in repr(config)


def test_variables_set_it_too(load):
    """As every section; the key of the audit log may come from its own variable."""
    config = load("", STREAMGAUGE_WEB__LOGIN="true", STREAMGAUGE_WEB__AUDIT_KEY="1" * 40)
    assert (config.web.login, config.web.audit_key) == (True, "1" * 40)


@pytest.mark.parametrize(
    ("web", "line"),
    [
        ('users = ""', "4:9: users is empty; say what it is, or leave it out"),
        ("login = 1", "4:9: login must be true or false, found 1"),
        ('session = "5s"', "4:11: session is 5s; at least 1m is needed"),
        ("hosts = []", "4:9: hosts is empty; say what it is, or leave it out"),
        ('hosts = "x"', "4:9: hosts must be a list of texts, found 'x'"),
        ('hosts = ["https://x"]', "4:9: 'https://x' is no host name; write it as a browser would"),
        ('hosts = ["x:80"]', "4:9: 'x:80' is no host name"),
        ('proxies = ["proxy"]', "4:11: 'proxy' is no address and no network; write 10.0.0.7 or 10.0.0.0/24"),
        ('proxies = ["*"]', "4:11: '*' is no address"),
        ('login = false\nproxies = ["10.0.0.1"]', "4:9: login is false, but proxies lets others in"),
        ('key_file = "k.pem"', "4:1: key_file belongs to a certificate; name that in cert_file"),
        (
            'audit_key = "in the file"',
            '4:13: audit_key stands in the file for all to read; write audit_key = "${NAME}"',
        ),
        ('audit_key = "${SHORT}"', "4:13: audit_key must have at least 32 characters; `openssl rand -base64 32`"),
        ('oidc_issuer = "https://id"', "3:2: [web] lacks 'oidc_audience', without which no bearer token counts"),
        (OIDC.replace("https://id/keys", "http://id/keys"), "6:13: 'http://id/keys' is no address of keys that can be"),
        (f'{OIDC}oidc_algorithms = ["none"]', "7:19: oidc_algorithms has 'none'; allowed are ES256, ES384"),
        (f'{OIDC}oidc_algorithms = ["HS256"]', "did you mean"),
        (f'{OIDC}oidc_roles = {{ x = "root" }}', "7:20: 'root' is no role; there are admin, analyst, operator"),
        (f'{OIDC}oidc_roles = "x"', "7:14: oidc_roles must be a table"),
        ("port = 70000", "4:8: port is 70000; allowed is 0 to 65535"),
        ("pasword = 1", "4:1: unknown key 'pasword'; allowed are audit_key, cert_file"),
    ],
)
def test_each_mistake_has_its_place(mistakes, web, line):
    """Line, column, what was found, what is allowed."""
    found = mistakes(web)
    assert any(line in each for each in found), found
    assert not any(ENVIRON["SHORT"] in each for each in found)


def test_keys_over_http_are_for_this_machine_only(mistakes):
    """An issuer beside us may speak plain http; one on the network may not."""
    for host in ("127.0.0.1:8000", "localhost", "[::1]:80"):
        assert mistakes(OIDC.replace("https://id/keys", f"http://{host}/keys")) == []
    for host in ("127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil.example"):
        assert mistakes(OIDC.replace("https://id/keys", f"http://{host}/keys")) != [], host
