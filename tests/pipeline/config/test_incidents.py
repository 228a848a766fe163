"""``[incidents]``: what it says, and what is wrong with it."""

import re
from pathlib import Path

import pytest

from pipeline.config import check_config, load_config
from pipeline.config.incidents import KEYS
from pipeline.incidents import IncidentSettings, Maintenance
from pipeline.plan import topic_specs
from pipeline.reset import own_topics

HOUR, DAY = 3_600_000, 86_400_000
TEXT = """\
[app]
name = "shop"
health = false

[streams.orders]
key = "account"
time = "ts"
fields = { account = "str", ts = "int" }

[tables.recent]
stream = "orders"
by = "account"
window = { sliding = "1h", pane = "1m" }
measures = { n = "count()" }

[rules.many]
table = "recent"
when = "n > 10"
severity = "low"

[rules.more]
table = "recent"
when = "n > 20"
severity = "low"
cooldown = "5m"
"""


def load(folder, text=""):
    path = folder / "app.toml"
    path.write_text(TEXT + text)
    return load_config(path, {})


def test_without_the_section_alerts_are_left_alone(tmp_path):
    """No incidents, and none of their topics."""
    config = load(tmp_path)
    assert config.incidents is None
    assert not [spec.name for spec in topic_specs(config) if "alert-" in spec.name]


def test_an_empty_section_turns_incidents_on_with_the_cool_downs_of_the_rules(tmp_path):
    """Everything has a default; a rule that says no cool-down rests for its window."""
    config = load(tmp_path, "[incidents]\n")
    assert config.incidents == IncidentSettings(rests_ms={"many": HOUR, "more": 300_000})
    made = {spec.name: (spec.partitions, spec.cleanup) for spec in topic_specs(config) if "alert-" in spec.name}
    assert made == {
        "shop-alert-commands": (1, "delete"),
        "shop-alert-commands.dead-letter": (1, "delete"),
        "shop-alert-state": (1, "compact"),
        "shop-alert-notices": (1, "delete"),
    }
    assert set(made) <= set(own_topics(config, alerts=True))
    assert not set(made) & set(own_topics(config))


def test_every_key_is_taken(tmp_path):
    """Lengths of time, groups, the storm's size, and both kinds of maintenance."""
    config = load(
        tmp_path,
        """
[incidents]
group_by = ["rule", "device"]
hold = "1m"
reopen = "2m"
cooldown = "3m"
keep = "4m"
remember = "5m"
max_age = "5m"
storm = 7
storm_window = "6m"

[incidents.maintenance.backup]
daily = "23:00-01:30"
days = ["sat", "sun"]
rule = "many"

[incidents.maintenance.move]
reason = "the data centre moves"
from = 2026-01-31T22:00:00Z
until = 2026-02-01T00:00:00+01:00
""",
    )
    windows = (
        Maintenance(
            reason="backup", rule="many", from_ms=23 * HOUR, until_ms=HOUR * 3 // 2, daily=True, days=frozenset({5, 6})
        ),
        Maintenance(reason="the data centre moves", from_ms=1_769_896_800_000, until_ms=1_769_900_400_000),
    )
    assert config.incidents == IncidentSettings(
        group_by=("rule", "device"),
        hold_ms=60_000,
        reopen_ms=120_000,
        cooldown_ms=180_000,
        keep_ms=240_000,
        remember_ms=300_000,
        max_age_ms=300_000,
        storm_limit=7,
        storm_window_ms=360_000,
        maintenance=windows,
        rests_ms={"many": HOUR, "more": 300_000},
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("group_by = []", "group_by must be a list of names"),
        ("group_by = [1]", "group_by must be a list of names"),
        ('hold = "soon"', "'soon' is no duration"),
        ("storm = 1", "storm is 1; allowed is 2 to 1000"),
        ('max_age = "8d"', "max_age must not be longer than remember"),
        ("maintenance = 1", "maintenance must hold tables"),
        ('maintenance.a = { daily = "9:00-10:00" }', "daily must be two times of day"),
        ('maintenance.a = { daily = "09:00-10:00", days = ["monday"] }', "'monday' is no day"),
        ("maintenance.a = { }", "a maintenance window has either daily"),
        ("maintenance.a = { from = 2026-01-01T00:00:00 }", "from must be a time with its zone"),
        (
            "maintenance.a = { from = 2026-01-02T00:00:00Z, until = 2026-01-01T00:00:00Z }",
            "until must be later than from",
        ),
        ("cool_down = 1", "unknown key 'cool_down'"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path, line, message):
    """Each is one line that begins with file, line and column."""
    path = tmp_path / "app.toml"
    path.write_text(f"{TEXT}[incidents]\n{line}\n")
    found = check_config(path, {})
    assert any(message in each for each in found), found
    assert all(each.startswith(f"{path}:{len(TEXT.splitlines()) + 2}:") for each in found)


def test_a_stream_that_would_share_the_topic_is_refused(tmp_path):
    """The state of a topic called alert would go where that of the incidents is."""
    path = tmp_path / "app.toml"
    path.write_text(TEXT.replace("[streams.orders]", '[streams.orders]\ntopic = "alert"') + "[incidents]\n")
    assert any("'shop-alert-state'" in each for each in check_config(path, {}))


def test_every_key_is_described():
    """The page about alerts has a row for each key, and no others."""
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    section = page.partition("## Incidents")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(KEYS) - {"maintenance"}
