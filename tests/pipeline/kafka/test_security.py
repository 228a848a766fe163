"""Every way into a secured cluster, from the configuration on; and one clear line where there is no way in."""

import http.server
import json
import threading
from dataclasses import replace

import orjson
import pytest

from tests.broker.security import Security, unsigned_token
from tests.pipeline.cli.conftest import Shell

T0 = 1_700_000_000_000
CONFIG = """
[app]
name = "{app}"
log = "{url}"
alerts = "{app}-alerts"
health = false

[kafka]
request_timeout = "5s"
{kafka}

[streams.orders]
topic = "{app}-orders"
partitions = 1
key = "customer"
time = "ts"
fields = {{ customer = "str", ts = "int", cents = "int" }}

[tables.recent]
stream = "orders"
by = "customer"
window = {{ sliding = "1h", pane = "1m" }}
measures = {{ spent = "sum(cents)" }}

[rules.big-spender]
table = "recent"
when = "spent >= 1000"
severity = "high"
"""
ORDER = orjson.dumps({"customer": "ann", "ts": T0, "cents": 2_000})
SECURED = [kind for kind in Security if kind is not Security.PLAINTEXT]
WITH_PASSWORD = [kind for kind in SECURED if kind.mechanism not in {None, "OAUTHBEARER"}]


@pytest.fixture
def shell_for(tmp_path, kafka_prefix, monkeypatch):
    """Makes a shell whose configuration comes in as ``access`` says; secrets are in the environment."""

    def make(access, extra=""):
        made = Shell(tmp_path, tmp_path / "shop.toml")
        made.config.write_text(CONFIG.format(app=kafka_prefix, url=access.url, kafka=section(access) + extra))
        monkeypatch.setenv("KAFKA_PASSWORD", access.password or "not used")
        monkeypatch.setenv("KAFKA_TOKEN", unsigned_token(access.username) if access.username else "no token")
        return made

    return make


def section(access):
    """``[kafka]`` for an access."""
    lines = {"security_protocol": access.security_protocol, "sasl_mechanism": access.sasl_mechanism}
    if access.sasl_mechanism == "OAUTHBEARER":
        lines["oauth_token"] = "${KAFKA_TOKEN}"
    elif access.sasl_mechanism:
        lines |= {"username": access.username, "password": "${KAFKA_PASSWORD}"}
    lines |= {"ca_file": access.ca_file, "cert_file": access.cert_file, "key_file": access.key_file}
    return "".join(f'{key} = "{value}"\n' for key, value in lines.items() if value is not None)


def works(shell, app):
    """Produce, work, and read the alert."""
    shell.ok("produce", f"{app}-orders", data=ORDER)
    worker = shell.start("worker", "--until-idle")
    _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    (alert,) = shell.ok("alerts")
    assert (alert["rule"], alert["key"]) == ("big-spender", "ann")


def refused(shell, *commands):
    """What each command says before it ends with 3: one line."""
    for command in commands:
        process = shell.start(*command)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (3, b""), err
        assert err.count(b"\n") == 1, err
        assert b"Traceback" not in err
        yield err.decode()


COMMANDS = (["topics"], ["worker", "--until-idle"])


@pytest.mark.parametrize("kind", SECURED, ids=lambda kind: kind.name)
def test_a_right_configuration_comes_in(kafka_secured, shell_for, kafka_prefix, kind):
    """Producing, working and reading alerts go through each kind of listener."""
    works(shell_for(kafka_secured.access(kind)), kafka_prefix)


@pytest.mark.parametrize("kind", WITH_PASSWORD, ids=lambda kind: kind.name)
def test_a_wrong_password_is_one_line(kafka_secured, shell_for, kind):
    """The line says that the brokers refuse the user, and which keys to check; it does not show the password."""
    access = kafka_secured.stranger(kind)
    for line in refused(shell_for(access), *COMMANDS):
        assert f"refuse the user {access.username}: " in line
        assert "; check [kafka] username and password" in line
        assert access.password not in line


@pytest.mark.parametrize("kind", [Security.TLS, Security.SCRAM_512], ids=lambda kind: kind.name)
def test_a_broker_with_a_certificate_of_somebody_else_is_one_line(kafka_secured, shell_for, kind):
    """Where the authority did not sign the broker's certificate, the line names the key to set."""
    wrong = kafka_secured.stranger(Security.TLS).ca_file
    for line in refused(shell_for(replace(kafka_secured.access(kind), ca_file=wrong)), *COMMANDS):
        assert "[kafka] ca_file" in line


def test_a_missing_client_certificate_is_one_line(kafka_secured, shell_for):
    """Where the broker demands a certificate and none is given, the line says so."""
    access = replace(kafka_secured.access(Security.MTLS), cert_file=None, key_file=None)
    for line in refused(shell_for(access), *COMMANDS):
        assert "[kafka] cert_file" in line


def test_a_client_certificate_of_somebody_else_is_one_line(kafka_secured, shell_for):
    """Where the broker's authority did not sign the client's certificate, the line says so."""
    for line in refused(shell_for(kafka_secured.stranger(Security.MTLS)), *COMMANDS):
        assert "[kafka] cert_file" in line


def test_a_wrong_mechanism_is_one_line(kafka_secured, shell_for):
    """Where the listener does not take the mechanism, the line names it."""
    access = replace(kafka_secured.access(Security.SCRAM_256), sasl_mechanism="SCRAM-SHA-512")
    for line in refused(shell_for(access), *COMMANDS):
        assert "take no SCRAM-SHA-512 there; check [kafka] sasl_mechanism" in line


def test_a_token_of_nobody_is_one_line(kafka_secured, shell_for):
    """Where the broker does not take the token, the line names the key that it came from."""
    access = replace(kafka_secured.access(Security.OAUTH), username=None)
    for line in refused(shell_for(access), *COMMANDS):
        assert "[kafka] oauth_token" in line


@pytest.mark.parametrize(("spoken", "listener"), [("TLS", "PLAINTEXT"), ("PLAINTEXT", "TLS")])
def test_another_protocol_than_the_listener_s_is_one_line(kafka_secured, shell_for, spoken, listener):
    """A listener closes what it does not understand: the line names the key that may be wrong."""
    there = kafka_secured.access(Security[listener]).bootstrap
    access = replace(kafka_secured.access(Security[spoken]), bootstrap=there)
    (line,) = refused(shell_for(access), ["topics"])
    assert "[kafka] security_protocol may be another one" in line


def test_a_name_that_the_certificate_is_not_for(kafka_secured, shell_for, kafka_prefix):
    """A broker that is reached by another name is refused, unless names are not to be checked."""
    access = kafka_secured.access(Security.TLS)
    elsewhere = replace(access, bootstrap=access.bootstrap.replace("127.0.0.1", "127.1"))
    for line in refused(shell_for(elsewhere), *COMMANDS):
        assert "check_hostname = false in [kafka]" in line
    works(shell_for(elsewhere, "check_hostname = false\n"), kafka_prefix)


@pytest.fixture
def token_endpoint():
    """A token endpoint, and what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps({"access_token": unsigned_token("auditor"), "expires_in": 3_600}).encode()
            self.send_response(200 if self.path == "/token" else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


CLIENT = 'oauth_client_id = "shop"\noauth_client_secret = "${KAFKA_PASSWORD}"\noauth_scope = "kafka"\n'


def test_tokens_come_from_an_endpoint(kafka_secured, shell_for, kafka_prefix, token_endpoint):
    """The client credentials are exchanged for a token, with which everything works."""
    url, asked = token_endpoint
    access = replace(kafka_secured.access(Security.OAUTH), sasl_mechanism=None)
    works(shell_for(access, f'sasl_mechanism = "OAUTHBEARER"\noauth_url = "{url}/token"\n{CLIENT}'), kafka_prefix)
    assert {body for _, body in asked} == {b"grant_type=client_credentials&scope=kafka"}
    assert all(authorization.startswith("Basic ") for authorization, _ in asked)


def test_an_endpoint_that_gives_no_token_is_one_line(kafka_secured, shell_for, token_endpoint):
    """Where the endpoint refuses, the line names it and the keys to check."""
    url, _ = token_endpoint
    access = replace(kafka_secured.access(Security.OAUTH), sasl_mechanism=None)
    shell = shell_for(access, f'sasl_mechanism = "OAUTHBEARER"\noauth_url = "{url}/wrong"\n{CLIENT}')
    for line in refused(shell, *COMMANDS):
        assert f"{url}/wrong gave no token (401 Unauthorized)" in line
        assert "[kafka] oauth_url" in line


def test_a_file_that_is_not_there_is_one_line(kafka_secured, shell_for, tmp_path):
    """A certificate file that can't be read is a mistake of the configuration: its name, and code 2."""
    access = replace(kafka_secured.access(Security.TLS), ca_file=tmp_path / "nothing.pem")
    for words in COMMANDS:
        process = shell_for(access).start(*words)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err.count(b"\n")) == (2, 1)
        assert f"[kafka] {access.ca_file} can't be used for TLS: No such file" in err.decode()
