"""Risk scores in a configuration: what is read, what stands in where nothing is said, and what is refused."""

from pathlib import Path

import pytest

from agents.risk.spec import DAY_MS, LabelSpec, RiskRule, RiskSpec
from pipeline.config import check_config, load_config

EXAMPLE = Path(__file__).parents[3] / "examples" / "fraud.toml"

GOOD = """\
[app]
name = "shop"

[streams.payments]
partitions = 4
key = "card"
time = "ts"
fields = { id = "str", type = "str", ts = "int", card = "str?", shop = "str?", euros = "float?", fraud = "bool?" }

[scores.risk]
stream = "payments"
keys = ["card", "shop"]
amount = "euros"
windows = ["2h", "1d"]
labels = { type = "verdict", field = "fraud", wait = "9d" }
review = 0.2
block = 0.7

[scores.risk.rules.many]
when = "card_payments_2h > 5 and euros < 3"
score = 0.3
always = true
"""
SHORT = GOOD.partition("windows")[0] + "labels = {}\n"


def mistakes(tmp_path, text):
    """What is wrong with a text, without the name of its file."""
    path = tmp_path / "app.toml"
    path.write_text(text)
    return [line.removeprefix(f"{path}:") for line in check_config(path, {})]


def spec_of(tmp_path, text):
    path = tmp_path / "app.toml"
    path.write_text(text)
    return load_config(path, {}).scores["risk"]


def test_everything_is_read(tmp_path):
    """Each key ends up where it belongs; a float amount is counted in its field's unit."""
    assert spec_of(tmp_path, GOOD) == RiskSpec(
        name="risk",
        stream="payments",
        keys=("card", "shop"),
        amount="euros",
        unit=0.001,
        windows=(("2h", DAY_MS // 12), ("1d", DAY_MS)),
        labels=LabelSpec(type="verdict", field="fraud", wait_ms=9 * DAY_MS),
        rules=(RiskRule(name="many", when="card_payments_2h > 5 and euros < 3", score=0.3, always=True),),
        review=0.2,
        block=0.7,
    )


def test_defaults(tmp_path):
    """A stream, keys, an amount and labels are enough."""
    spec = spec_of(tmp_path, SHORT)
    assert spec == RiskSpec(name="risk", stream="payments", keys=("card", "shop"), amount="euros", unit=0.001)


def test_the_example_is_right():
    """The shipped configuration passes the check."""
    assert check_config(EXAMPLE, {}) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('stream = "payments"', 'stream = "payment"', ["11:10: stream names the unknown stream 'payment'"]),
        (
            '["card", "shop"]',
            '["shop"]',
            ["write partitions = 1, or make one of shop the stream's key", "unknown name"],
        ),
        ('["card", "shop"]', '["card", "chop"]', ["12:17: keys names 'chop', which is no text field"]),
        ('["card", "shop"]', '["card", "card"]', ["'card' is among keys twice"]),
        ('["card", "shop"]', '"card"', ["keys must be a list of fields"]),
        ('"euros"\nwindows', '"card"\nwindows', ['amount must name a field of type "int" or "float", found \'card\'']),
        ('["2h", "1d"]', '["2h", "1x"]', ["14:18: windows: '1x' is no duration"]),
        ('["2h", "1d"]', '["2h", "2h"]', ["2h is no window, or there twice"]),
        ('field = "fraud"', 'field = "frodd"', ["15:38: field must name a field of type"]),
        ("wait", "wiat", ["unknown key 'wiat'"]),
        ("review = 0.2", "review = 0.8", ["16:10: review is 0.8 and block 0.7; they must ascend"]),
        ("card_payments_2h", "card_payments_3h", ["20:9: unknown name 'card_payments_3h'"]),
        ("score = 0.3", "score = 1.0", ["21:9: score is 1; a chance between 0 and 1"]),
        ("rules.many", "rules.too-many", ["'too-many' is no name of a rule"]),
        ('id = "str", ', "", ["has no id, by which labels name their payments"]),
        ('type = "str", ', "", ['needs a field type = "str"']),
        ("labels = {", "lables = {", ["unknown key 'lables'", "lacks 'labels'"]),
    ],
)
def test_mistakes_are_told(tmp_path, old, new, told):
    """Each is named once, with what is allowed, and hides no other."""
    found = mistakes(tmp_path, GOOD.replace(old, new))
    assert len(found) == len(told), found
    for part in told:
        assert any(part in line for line in found), found


def test_names_of_what_raises_alerts_differ(tmp_path):
    """A score can't be called like a rule."""
    text = GOOD + (
        '[tables.t]\nstream = "notes"\nby = "who"\nwindow = { sliding = "1m" }\nmeasures = { n = "count()" }\n'
        '[streams.notes]\ntime = "ts"\nfields = { ts = "int", who = "str" }\n'
        '[rules.risk]\ntable = "t"\nwhen = "n > 3"\nseverity = "low"\n'
    )
    assert [line for line in mistakes(tmp_path, text) if "there is a rule risk already" in line]


def test_one_partition_takes_any_keys(tmp_path):
    """Where all records meet, keys need not be the stream's."""
    assert (
        mistakes(
            tmp_path,
            GOOD.replace("partitions = 4", "partitions = 1")
            .replace('["card", "shop"]', '["shop"]')
            .replace("card_payments", "shop_payments"),
        )
        == []
    )
