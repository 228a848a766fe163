"""Overrides and secrets from the environment."""

import re

import pytest

from pipeline.config import check_config, load_config
from pipeline.errors import ConfigError

TEXT = """\
[app]
name = "shop"
log = "local://var/${LOG_PASSWORD}/log.db"

[streams.orders]
time = "ts"
fields = { ts = "int", account = "str" }

[tables.recent]
stream = "orders"
by = "account"
window = { sliding = "10m" }
measures = { n = "count()" }

[rules.too-many]
table = "recent"
when = "n > 3"
severity = "high"
"""
SECRET = {"LOG_PASSWORD": "s3cr'et"}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "app.toml"
    file.write_text(TEXT)
    return file


def test_overrides(path):
    """A variable sets one value; TOML values keep their type, anything else is text."""
    environ = {
        **SECRET,
        "STREAMGAUGE_APP__LOG": "local://var/other.db",
        "STREAMGAUGE_WEB__PORT": "9000",
        "STREAMGAUGE_APP__HEALTH": "false",
        "STREAMGAUGE_RULES__TOO_MANY__WHEN": "n > 5",
        "STREAMGAUGE_TABLES__RECENT__WINDOW": '{ tumbling = "1m" }',
    }
    config = load_config(path, environ)
    assert (config.log, config.web_port, config.health) == ("local://var/other.db", 9000, False)
    assert config.rules["too-many"].when == "n > 5"
    assert config.tables["recent"].window.kind == "tumbling"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("STREAMGAUGE_PORT", "1", "unknown section"),
        ("STREAMGAUGE_APP", "1", "not of the form STREAMGAUGE_APP__KEY"),
        ("STREAMGAUGE_RULES__WHEN", "1", "not of the form STREAMGAUGE_RULES__NAME__KEY"),
        ("STREAMGAUGE_APP__LOGG", "x", "did you mean 'log'?"),
        ("STREAMGAUGE_RULES__TO_MANY__WHEN", "x", "did you mean 'too_many'?"),
        ("STREAMGAUGE_RULES__TOO_MANY__SEVERITY", "hihg", "did you mean 'high'?"),
        ("STREAMGAUGE_RULES__TOO_MANY__WHEN", "m > 3", "unknown name 'm'"),
        ("STREAMGAUGE_WEB__PORT", "many", "must be a whole number"),
        ("STREAMGAUGE_TABLES__RECENT__WINDOW", '{ sliding = "10" }', "is no duration"),
    ],
)
def test_mistakes_name_the_variable(path, name, value, message):
    """A mistake that came from the environment names the variable, not a line of the file."""
    (line,) = check_config(path, {**SECRET, name: value})
    assert line.startswith(f"environment variable {name}: ")
    assert message in line


def test_other_variables_are_ignored(path):
    """Variables of other programs are not looked at."""
    assert check_config(path, {**SECRET, "PATH": "/bin", "STREAMGAUGER_X": "1"}) == []


def test_secrets_are_filled_in(path):
    """``${NAME}`` takes the variable's value."""
    assert load_config(path, SECRET).log == "local://var/s3cr'et/log.db"


def test_missing_secret(path):
    """A secret that is not set is a mistake at its place."""
    with pytest.raises(ConfigError, match=r"app.toml:3:7: \${LOG_PASSWORD} stands for .* not set"):
        load_config(path, {})


@pytest.mark.parametrize("secret", ["s3cr'et", "s3\"cr'et", "back\\slash", "hunter2"])
def test_secrets_are_never_shown(path, secret):
    """A message that quotes a value with a secret in it shows its name instead."""
    path.write_text(TEXT.replace("local://", "lokal://").replace('"n > 3"', '"${LOG_PASSWORD} > 3"'))
    lines = check_config(path, {"LOG_PASSWORD": secret})
    assert "${LOG_PASSWORD}" in lines[0]
    for line in lines:
        assert secret not in line
        assert repr(secret)[1:-1] not in line


@pytest.mark.parametrize("padding", range(40, 62))
def test_a_secret_is_not_shown_in_part(path, padding):
    """A long value is cut in messages; where the cut falls, no part of the secret before it is shown."""
    path.write_text(TEXT.replace('severity = "high"', f'severity = "{"x" * padding}${{LOG_PASSWORD}}"'))
    (line,) = check_config(path, {"LOG_PASSWORD": "hunter2-and-more"})
    assert "xxx" in line
    assert not re.search("xh|hun", line)


def test_the_process_environment_is_the_default(path, monkeypatch):
    """Without variables given, those of the process count."""
    for name, value in SECRET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STREAMGAUGE_APP__NAME", "other")
    assert load_config(path).name == "other"
