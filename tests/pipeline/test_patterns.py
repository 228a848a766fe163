"""The catalogue of patterns: each finds the campaigns that it is there for and little else, with its defaults."""

from pathlib import Path

import pytest

from agents.catalogue import PATTERNS
from agents.events import TopicPartition
from load.patterns import SHAPES, staged
from pipeline.config import check_config, load_config
from tests.pipeline.shards import build_shard, chunk_of, payload

DOCS = Path(__file__).parents[2] / "docs" / "patterns.md"
BASE = """\
[app]
name = "shop"
health = false

[streams.payments]
partitions = 1
key = "account"
time = "ts"
max_ahead = "90000d"

[streams.payments.fields]
id = "str"
type = "str"
ts = "int"
account = "str"
merchant = "str"
device = "str"
country = "str"
amount_cents = "int"

[patterns.found]
stream = "payments"
"""
ASKED = {  # what has to be said: the key, and the fields and settings that have no default
    "account_takeover": 'by = "account"\nof = "type"\nfirst = "details_changed"\nthen = "payout"\n',
    "amount_outlier": 'by = "account"\namount = "amount_cents"\n',
    "card_testing": 'by = "account"\namount = "amount_cents"\n',
    "distinct_burst": 'by = "account"\nof = "device"\n',
    "dormant_then_active": 'by = "account"\namount = "amount_cents"\nquiet = "19d"\n',
    "fan_in": 'by = "merchant"\nof = "account"\n',
    "fan_out": 'by = "account"\nof = "merchant"\n',
    "new_value": 'by = "account"\nof = "device"\namount = "amount_cents"\n',
    "refund_ratio": 'by = "account"\nof = "type"\n',
    "round_amounts": 'by = "account"\namount = "amount_cents"\n',
    "silence": 'by = "account"\n',
    "spending": 'by = "account"\namount = "amount_cents"\nlimit = 450000\n',
    "spike": 'by = "merchant"\n',
    "structuring": 'by = "account"\namount = "amount_cents"\nlimit = 1000000\nfrom = 850000\n',
    "unusual_hour": 'by = "account"\n',
    "velocity": 'by = "account"\n',
}


def config_of(tmp_path, kind, more=""):
    path = tmp_path / "app.toml"
    path.write_text(f'{BASE}kind = "{kind}"\n{ASKED[kind]}{more}')
    return path


@pytest.mark.parametrize(("share", "seed"), [(0.001, 201), (0.01, 202), (0.05, 203)])
@pytest.mark.parametrize("kind", sorted(PATTERNS))
def test_campaigns_are_caught(tmp_path, kind, share, seed):
    """However many there are, 95 % of the campaigns and more, and four of five alerts are right."""
    records, truth = staged(kind, share=share, seed=seed)
    shard = build_shard(load_config(config_of(tmp_path, kind), {}), TopicPartition("payments", 0))
    alerts = shard.process(chunk_of([payload(record) for record in records])).alerts
    right = [truth[alert.source.id] for alert in alerts if alert.source.id in truth]
    campaigns = set(truth.values())
    assert len(set(right)) >= 0.95 * len(campaigns), (len(set(right)), len(campaigns))
    assert len(right) >= 0.8 * len(alerts), (len(right), len(alerts))


def test_each_pattern_has_a_campaign_and_is_described():
    """No pattern of the catalogue goes untested, or is not in the docs with each of its settings."""
    assert set(SHAPES) == set(ASKED) == set(PATTERNS)
    lines = {line.split("`")[1]: line for line in DOCS.read_text().splitlines() if line.startswith("| `")}
    assert set(lines) == set(PATTERNS)
    for kind, pattern in PATTERNS.items():
        assert pattern.doc in lines[kind]
        for name, default in pattern.settings.items():
            shown = "*" if default is None else "30d" if name == "quiet_ms" else default
            assert f"`{name.removesuffix('_ms')}` {shown}" in lines[kind]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('kind = "structuring"', 'kind = "structring"', ["kind is 'structring'; allowed are"]),
        ('by = "account"', 'by = "acount"', ["by names the unknown field 'acount'"]),
        ('amount = "amount_cents"', 'amount = "merchant"', ["amount must name a field of type"]),
        ("limit = 1000000\n", "", ["[patterns.found] lacks 'limit'"]),
        ("limit = 1000000", "limit = true", ["limit must be a number or a text, found True"]),
        ("limit = 1000000", "limits = 1000000", ["unknown key 'limits'", "lacks 'limit'"]),
        ('by = "account"', 'by = "account"\ncount = "three"', ["count must be a number, found 'three'"]),
        ('by = "account"', 'by = "account"\nwindow = "1 week"', ["window: '1 week' is no duration"]),
        ('by = "account"', 'by = "account"\nseverity = "grave"', ["severity is 'grave'; allowed are"]),
        ("[patterns.found]", "[tables]\nfound = 1\n[patterns.found]", ["there is a table found already"]),
        ("[patterns.found]", "[detectors]\nfound = 1\n[patterns.found]", ["there is a detector found already"]),
    ],
)
def test_mistakes_are_told(tmp_path, old, new, told):
    """Each is named with what is allowed, and none of the text that a pattern stands for is shown."""
    path = config_of(tmp_path, "structuring")
    path.write_text(path.read_text().replace(old, new))
    found = check_config(path, {})
    for part in told:
        assert any(part in line for line in found), found
    assert not [line for line in found if "amount >=" in line or "count(" in line]


def test_settings_reach_the_rule(tmp_path):
    """What is said replaces the default, in the condition as in the table."""
    more = 'count = 7\nwindow = "3h"\ncooldown = "1h"\nseverity = "low"\nmax_keys = 9\ndescription = "so"\n'
    config = load_config(config_of(tmp_path, "structuring", more), {})
    rule, table = config.rules["found"], config.tables["found"]
    assert rule.when == "near >= 7 and amount_cents >= 850000 and amount_cents < 1000000"
    assert (rule.cooldown_ms, rule.severity, rule.description) == (3_600_000, "low", "so")
    assert (table.window.size_ms, table.max_keys, table.by) == (3 * 3_600_000, 9, "account")


def test_a_measure_makes_way_for_a_field(tmp_path):
    """A stream that has a field of a measure's name gets another measure, not a mistake."""
    path = config_of(tmp_path, "velocity")
    path.write_text(path.read_text().replace('id = "str"', 'id = "str"\nn = "int"'))
    assert "n_ >= 15" in load_config(path, {}).rules["found"].when
