"""``[kafka]``: what it says, and every mistake that can be made in it."""

import pytest

from pipeline.config import check_config, load_config, with_instance
from pipeline.errors import ConfigError, UsageError
from pipeline.kafka.settings import KafkaSettings
from pipeline.kafka.tokens import TokenSource

APP = '[app]\nname = "shop"\nlog = "kafka://one:9092,two:9092"\n'
ENVIRON = {"KAFKA_PASSWORD": "hunter2", "KEY_PASSWORD": "swordfish", "TOKEN": "header.claims.", "INSTANCE": "shop-1"}
SCRAM = 'security_protocol = "SASL_SSL"\nsasl_mechanism = "SCRAM-SHA-512"\n'
OAUTH = 'security_protocol = "SASL_SSL"\nsasl_mechanism = "OAUTHBEARER"\n'
PASSWORD = 'username = "ann"\npassword = "${KAFKA_PASSWORD}"\n'
CLIENT = 'oauth_url = "https://id/token"\noauth_client_id = "me"\noauth_client_secret = "${TOKEN}"\n'


@pytest.fixture
def settings(tmp_path):
    def load(kafka, environ=ENVIRON):
        path = tmp_path / "app.toml"
        path.write_text(f"{APP}[kafka]\n{kafka}")
        return load_config(path, environ).kafka

    return load


@pytest.fixture
def mistakes(tmp_path):
    def check(kafka, environ=ENVIRON):
        path = tmp_path / "app.toml"
        path.write_text(f"{APP}[kafka]\n{kafka}")
        return [line.removeprefix(f"{path}:") for line in check_config(path, environ)]

    return check


def test_without_the_section_the_cluster_is_open(tmp_path):
    """Nothing has to be said about a cluster that asks for nothing."""
    path = tmp_path / "app.toml"
    path.write_text(APP)
    assert load_config(path, {}).kafka == KafkaSettings()


def test_every_key_is_taken(settings):
    """Each key ends up in its setting."""
    found = settings(
        f"{SCRAM}{PASSWORD}"
        'ca_file = "ca.pem"\ncert_file = "me.pem"\nkey_file = "me.key"\nkey_password = "${KEY_PASSWORD}"\n'
        'check_hostname = false\nreplication = 3\nmin_isr = 2\ncompression = "zstd"\ninstance = "${INSTANCE}"\n'
        'session = "10s"\nrequest_timeout = "30s"\n'
    )
    assert found == KafkaSettings(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        username="ann",
        password="hunter2",
        ca_file="ca.pem",
        cert_file="me.pem",
        key_file="me.key",
        key_password="swordfish",
        check_hostname=False,
        replication=3,
        min_isr=2,
        compression="zstd",
        instance="shop-1",
        session_ms=10_000,
        request_timeout_ms=30_000,
    )


def test_a_token_is_given_or_fetched(settings):
    """OAUTHBEARER takes a token, or where to fetch one."""
    assert settings(f'{OAUTH}oauth_token = "${{TOKEN}}"\n').token == TokenSource(token="header.claims.")
    assert settings(f'{OAUTH}{CLIENT}oauth_scope = "kafka"\n').token == TokenSource(
        url="https://id/token", client_id="me", client_secret="header.claims.", scope="kafka"
    )


@pytest.mark.parametrize(
    ("kafka", "place", "said"),
    [
        ('security_protocol = "SASL-SSL"\n', "5:21", "did you mean 'SASL_SSL'?"),
        ('pasword = "x"\n', "5:1", "did you mean 'password'?"),
        ('sasl_mechanism = "PLAIN"\n', "5:1", 'sasl_mechanism needs security_protocol = "SASL_SSL"'),
        ('security_protocol = "SSL"\nusername = "ann"\n', "6:1", 'username needs security_protocol = "SASL_SSL"'),
        (f'security_protocol = "SASL_SSL"\n{PASSWORD}', "4:2", "[kafka] lacks 'sasl_mechanism'"),
        (
            f'security_protocol = "SASL_SSL"\nsasl_mechanism = "GSSAPI"\n{PASSWORD}',
            "6:18",
            "allowed are OAUTHBEARER, PLAIN",
        ),
        (f'{SCRAM}username = "ann"\n', "4:2", "[kafka] lacks 'password', which sasl_mechanism 'SCRAM-SHA-512' needs"),
        (f'{SCRAM}password = "${{KAFKA_PASSWORD}}"\n', "4:2", "[kafka] lacks 'username'"),
        (f'{SCRAM}{PASSWORD}oauth_token = "${{TOKEN}}"\n', "9:1", "oauth_token is not used with sasl_mechanism"),
        (f'{OAUTH}oauth_token = "${{TOKEN}}"\nusername = "ann"\n', "8:1", "username is not used with sasl_mechanism"),
        (OAUTH, "4:2", "[kafka] lacks 'oauth_token', or 'oauth_url'"),
        (f'{OAUTH}oauth_url = "https://id"\noauth_client_id = "me"\n', "4:2", "[kafka] lacks 'oauth_client_secret'"),
        (f'{OAUTH}oauth_token = "${{TOKEN}}"\noauth_scope = "x"\n', "8:1", "oauth_token gives one; leave one out"),
        (f"{OAUTH}{CLIENT.replace('https://id/token', 'id')}", "7:13", "'id' is no address of a token endpoint"),
        ('ca_file = "ca.pem"\n', "5:1", 'ca_file needs security_protocol = "SSL" or "SASL_SSL"'),
        ('security_protocol = "SSL"\nkey_file = "me.key"\n', "6:1", "name that in cert_file"),
        ('security_protocol = "SSL"\nca_file = ""\n', "6:11", "ca_file is empty"),
        ("replication = 0\n", "5:15", "allowed is 1 to 32767"),
        ("replication = 1\nmin_isr = 2\n", "6:11", "at most replication is allowed, 1"),
        ('compression = "lz5"\n', "5:15", "did you mean 'lz4'?"),
        ('instance = "shop 1"\n', "5:12", "'shop 1' is no member id"),
        ('instance = ".."\n', "5:12", "'..' is no member id"),
        ('session = "10"\n', "5:11", "'10' is no duration"),
        ('request_timeout = "1ms"\n', "5:19", "at least 100ms is needed"),
    ],
)
def test_a_mistake_has_its_place(mistakes, kafka, place, said):
    """What is wrong is said once, with line and column and what is allowed."""
    (line,) = mistakes(kafka)
    assert line.startswith(f"{place}: ")
    assert said in line


@pytest.mark.parametrize("written", ['"hunter2"', "12345", '""'])
def test_a_secret_in_the_file_is_a_mistake(mistakes, written):
    """A password that stands in the file is refused, and not shown."""
    (line,) = mistakes(f'{SCRAM}username = "ann"\npassword = {written}\n')
    assert (
        line
        == '8:12: password stands in the file for all to read; write password = "${NAME}" and set the variable NAME'
    )


def test_an_empty_secret_is_a_mistake(mistakes):
    """A variable that is set to nothing is no password."""
    (line,) = mistakes(f"{SCRAM}{PASSWORD}", {"KAFKA_PASSWORD": ""})
    assert line.startswith("8:12: password is empty")


def test_a_secret_that_is_not_set_is_one_mistake(mistakes):
    """A missing variable is named once, without mistakes that only follow from it."""
    (line,) = mistakes(f"{SCRAM}{PASSWORD}", {})
    assert line.startswith("8:12: ${KAFKA_PASSWORD} stands for an environment variable that is not set")


@pytest.mark.parametrize("password", ["hunter2", "12345", "true", '"quoted"', "[1]"])
def test_a_secret_from_an_override_is_text(settings, password):
    """A password that looks like a TOML value is taken as it is."""
    kafka = settings(f'{SCRAM}username = "ann"\n', {"STREAMGAUGE_KAFKA__PASSWORD": password})
    assert kafka.password == password


def test_overrides_work(settings):
    """Other keys are set from the environment as in every section."""
    environ = {"STREAMGAUGE_KAFKA__INSTANCE": "shop-7", "STREAMGAUGE_KAFKA__REPLICATION": "3"}
    found = settings("", environ)
    assert (found.instance, found.replication) == ("shop-7", 3)


def test_secrets_are_not_in_the_representation(settings):
    """What prints the settings does not print secrets."""
    found = settings(f'{SCRAM}{PASSWORD}cert_file = "me.pem"\nkey_password = "${{KEY_PASSWORD}}"\n')
    assert "hunter2" not in repr(found)
    assert "swordfish" not in repr(found)
    assert "header.claims." not in repr(settings(f"{OAUTH}{CLIENT}"))


def test_mistakes_elsewhere_do_not_show_a_secret(mistakes):
    """A secret from an override is hidden where another message would quote it."""
    environ = {"STREAMGAUGE_KAFKA__PASSWORD": "hunter2"}
    (line,) = mistakes(f'{SCRAM}username = "ann"\ncompression = "hunter2"\n', environ)
    assert "hunter2" not in line


def test_an_instance_of_its_own(tmp_path):
    """A worker's static id replaces that of the file; none leaves it."""
    path = tmp_path / "app.toml"
    path.write_text(f'{APP}[kafka]\ninstance = "shop"\n')
    config = load_config(path, {})
    assert with_instance(config, None) is config
    assert with_instance(config, "shop-2").kafka.instance == "shop-2"
    with pytest.raises(UsageError, match="--instance: 'a b' is no member id"):
        with_instance(config, "a b")


def test_the_section_must_be_a_table(tmp_path):
    """A single value in its place is a mistake of its own."""
    path = tmp_path / "app.toml"
    path.write_text(f"kafka = 3\n{APP}")
    with pytest.raises(ConfigError, match=r":1:9: \[kafka\] must be a table"):
        load_config(path, {})
