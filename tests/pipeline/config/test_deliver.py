"""``[deliver]``: what it says, and what is wrong with it."""

import re
from pathlib import Path

import pytest

from pipeline.config import check_config, load_config
from pipeline.config.deliver import KINDS, PATIENCE, ROUTE_KEYS
from pipeline.delivery import DeliverySettings, Destination, Email, File, Route, Slack, Webhook
from pipeline.delivery.templates import CHAT, SUBJECT, TEXT

SECRET, OLD = "whsec_" + "A" * 43 + "=", "B" * 43 + "="
ENVIRONMENT = {"SECRET": SECRET, "OLD": OLD, "SLACK": "https://hooks.example.com/x", "PASSWORD": "hunter-2"}
TEXT_HEAD = """\
[app]
name = "shop"

"""
WHOLE = """\
[deliver.teams]
payments = ["rapid-large", "card-testing"]

[deliver.destinations.pager]
kind = "webhook"
url = "https://pager.example.com/events"
secret = "${SECRET}"
previous_secret = "${OLD}"
timeout = "3s"
attempts = 4
wait = "2s"
longest_wait = "20s"
failures = 6
pause = "40s"
per_minute = 100

[deliver.destinations.chat]
kind = "slack"
url = "${SLACK}"

[deliver.destinations.mail]
kind = "email"
host = "smtp.example.com"
username = "shop"
password = "${PASSWORD}"
sender = "alerts@example.com"
recipients = ["ann@example.com"]
subject = "{{ rule }}"

[deliver.destinations.archive]
kind = "file"
path = "var/alerts.ndjson"

[deliver.routes.night]
to = ["pager", "mail"]
severity = "high"
teams = ["payments"]
rules = ["merchant-spike"]
keys = ["a17"]
hours = "22:00-06:30"
days = ["mon", "fri"]
zone = "Europe/Berlin"

[deliver.routes.all]
to = ["archive"]
"""


def found(tmp_path, text, environment=ENVIRONMENT):
    path = tmp_path / "app.toml"
    path.write_text(TEXT_HEAD + text)
    return check_config(path, environment)


def test_without_the_section_nothing_is_delivered(tmp_path):
    """It is there or not."""
    path = tmp_path / "app.toml"
    path.write_text(TEXT_HEAD)
    assert load_config(path, {}).deliver is None


def test_every_key_is_taken(tmp_path):
    """Each kind of destination, patience, routes with teams resolved to rules; secrets from the environment."""
    path = tmp_path / "app.toml"
    path.write_text(TEXT_HEAD + WHOLE)
    pager = Webhook(url="https://pager.example.com/events", secret=SECRET, previous_secret=OLD)
    mail = Email(
        host="smtp.example.com",
        port=587,
        security="starttls",
        username="shop",
        password="hunter-2",
        sender="alerts@example.com",
        recipients=("ann@example.com",),
        subject="{{ rule }}",
        text=TEXT,
    )
    destinations = {
        "pager": Destination(
            name="pager",
            target=pager,
            timeout_ms=3_000,
            attempts=4,
            wait_ms=2_000,
            longest_wait_ms=20_000,
            failures=6,
            pause_ms=40_000,
            per_minute=100,
        ),
        "chat": Destination(name="chat", target=Slack(url="https://hooks.example.com/x", text=CHAT)),
        "mail": Destination(name="mail", target=mail),
        "archive": Destination(name="archive", target=File(path="var/alerts.ndjson")),
    }
    night = Route(
        name="night",
        to=("pager", "mail"),
        severity="high",
        rules=("card-testing", "merchant-spike", "rapid-large"),
        keys=("a17",),
        from_minute=22 * 60,
        until_minute=6 * 60 + 30,
        days=frozenset({0, 4}),
        zone="Europe/Berlin",
    )
    routes = (night, Route(name="all", to=("archive",), severity="info"))
    settings = load_config(path, ENVIRONMENT).deliver
    assert settings == DeliverySettings(of="alerts", destinations=destinations, routes=routes)
    assert not [secret for secret in ENVIRONMENT.values() if secret in repr(settings)]
    path.write_text(TEXT_HEAD + WHOLE + "[incidents]\n")
    assert load_config(path, ENVIRONMENT).deliver.of == "notices"
    assert SUBJECT


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "slack"', 'kind = "slak"', "kind is 'slak'"),
        ('secret = "${SECRET}"', f'secret = "{SECRET}"', "secret stands in the file for all to read"),
        ('url = "${SLACK}"', 'url = "https://x"', "url stands in the file for all to read"),
        ('url = "https://pager', 'url = "ftp://pager', "url must begin with http"),
        ('secret = "${SECRET}"', 'secret = "${PASSWORD}"', "secret must be at least 24 random bytes"),
        ('subject = "{{ rule }}"', 'subject = "{{ rule"', "subject is no template"),
        ('recipients = ["ann@example.com"]', "recipients = []", "recipients must be a list"),
        ('sender = "alerts@example.com"', "", "lacks 'sender'"),
        ('to = ["archive"]', 'to = ["archiv"]', "to names the unknown 'archiv'"),
        ('to = ["archive"]', "", "lacks 'to'"),
        ('teams = ["payments"]', 'teams = ["payment"]', "did you mean 'payments'?"),
        ('hours = "22:00-06:30"', 'hours = "22-6"', "hours must be two times of day"),
        ('days = ["mon", "fri"]', 'days = ["monday"]', "days names the unknown 'monday'"),
        ('zone = "Europe/Berlin"', 'zone = "Europe/Bonn"', "is no time zone"),
        ('payments = ["rapid-large", "card-testing"]', "payments = 1", "teams must hold lists by name"),
        ("attempts = 4", "attempts = 0", "attempts is 0"),
        ('path = "var/alerts.ndjson"', 'pth = "x"', "unknown key 'pth'"),
        ("[deliver.teams]", '[deliver]\nof = "notices"\n[deliver.teams]', "there are no notices without [incidents]"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, message):
    """Each is said with its place, and shows no secret."""
    assert old in WHOLE
    lines = found(tmp_path, WHOLE.replace(old, new))
    assert any(message in line for line in lines), lines
    assert not [line for line in lines if SECRET in line]


def test_the_whole_example_has_no_mistake(tmp_path):
    """So that each mistake above is its own."""
    assert found(tmp_path, WHOLE) == []


def test_every_key_is_described():
    """The page about alerts has each key of destinations and routes."""
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    section = page.partition("## Delivery")[2].partition("\n## ")[0]
    described = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))))
    assert described == {key for keys in KINDS.values() for key in keys} | {*PATIENCE, *ROUTE_KEYS}
