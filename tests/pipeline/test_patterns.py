"""The catalogue of patterns: each finds the campaigns that it is there for and little else, with its defaults."""

from pathlib import Path

import pytest

from agents.patterns.catalogue import PATTERNS
from load.patterns import ALL_SHAPES
from pipeline.config import check_config, load_config
from pipeline.config.durations import show_duration
from tests.bench.patterns import CASES, SHARES, config_of, evaluate

DOCS = Path(__file__).parents[2] / "docs" / "patterns.md"


VARIANTS = {
    "guessed_password",
    "new_country",
    "new_payee",
    "velocity_of_day",
    "velocity_of_device",
    "velocity_of_minute",
}
RATES = [*zip(SHARES, (201, 202, 203), strict=True)]
RUNS = [(case, *rate) for case in sorted(CASES) for rate in (RATES[1:2] if case in VARIANTS else RATES)]
"""Each kind at three rates of fraud; of a kind that stands here again with other settings one is enough."""


@pytest.mark.parametrize(("case", "share", "seed"), RUNS)
def test_campaigns_are_caught(tmp_path, case, share, seed):
    """However many there are, 95 % of the campaigns and more, and four of five alerts are right."""
    found = evaluate(tmp_path, case, share, [seed])
    assert found.campaigns
    assert found.recall >= 0.95, found
    assert found.precision >= 0.8, found


def test_each_pattern_has_a_campaign_and_is_described():
    """No pattern of the catalogue goes untested, or is not in the docs with each of its settings."""
    assert set(ALL_SHAPES) == set(CASES)
    assert {kind for kind, _ in CASES.values()} | {"allow_list"} == set(PATTERNS)
    lines = {line.split("`")[1]: line for line in DOCS.read_text().splitlines() if line.startswith("| `")}
    assert set(lines) == set(PATTERNS)
    for kind, pattern in PATTERNS.items():
        assert pattern.doc in lines[kind]
        for name, default in pattern.settings.items():
            shown = "*" if default is None else show_duration(default) if name.endswith("_ms") else default
            assert f"`{name.removesuffix('_ms')}` {shown}" in lines[kind]


TOLD = [
    ("structuring", 'kind = "structuring"', 'kind = "structring"', ["kind is 'structring'; allowed are"]),
    ("structuring", 'by = "account"', 'by = "acount"', ["by names the unknown field 'acount'"]),
    ("structuring", 'amount = "amount_cents"', 'amount = "merchant"', ["amount must name a field of type"]),
    ("structuring", "limit = 1000000\n", "", ["[patterns.found] lacks 'limit'"]),
    ("structuring", "limit = 1000000", "limit = true", ["limit must be a number or a text, found true"]),
    ("structuring", "limit = 1000000", "limits = 1000000", ["unknown key 'limits'", "lacks 'limit'"]),
    ("structuring", 'by = "account"', 'by = "account"\ncount = "three"', ["count must be a number, found 'three'"]),
    ("structuring", 'by = "account"', 'by = "account"\nwindow = "1 week"', ["window: '1 week' is no duration"]),
    ("structuring", 'by = "account"', 'by = "account"\nseverity = "grave"', ["severity is 'grave'; allowed are"]),
    ("structuring", "[patterns.found]", "[tables]\nfound = 1\n[patterns.found]", ["there is a table found already"]),
    ("structuring", "[patterns.found]", "[detectors]\nfound = 1\n[patterns.found]", ["there is a detector found"]),
    ("impossible_travel", 'latitude = "latitude"', 'latitude = "country"', ["latitude must name a field of type"]),
    ("new_account", 'by = "account"', 'by = "account"\nage = 3', ['age must be a duration such as "10m", found 3']),
    ("amount_outlier_mad", '1\nkey = "account"', '4\nkey = "device"', ["key is not account", 'by = "device"']),
    ("amount_outlier_mad", 'by = "account"', 'by = "account"\nwindow = "1d"', ["unknown key 'window'"]),
    ("circular_flow", 'of = "merchant"', 'of = "account"', ["of names the field 'account', as by does"]),
    ("circular_flow", 'of = "merchant"', 'of = "merchant"\nshare = 1.5', ["share is 1.5; allowed is more than 0"]),
    ("circular_flow", 'of = "merchant"', 'of = "merchant"\nhops = 9', ["hops is 9; allowed is 3 to 6"]),
    ("circular_flow", 'of = "merchant"', 'of = "merchant"\nhops = "3"', ["hops must be a number, found '3'"]),
    ("circular_flow", 'of = "merchant"', 'of = "merchant"\nleast = 0', ["least must be above 0"]),
    ("circular_flow", 'of = "merchant"', 'of = "merchant"\nmax_transfers = 3', ["max_transfers is 3; allowed is 1024"]),
    ("circular_flow", 'of = "merchant"', 'of = "merchant"\nmost = 1', ["unknown key 'most'"]),
    ("pass_through", 'of = "merchant"', 'of = "merchant"\nmost = 0.5', ["most is 0.5, below share"]),
    ("pass_through", 'of = "merchant"\n', "", ["[patterns.found] lacks 'of'"]),
    ("block_list", 'entries = ["a999"]', "entries = 3", ['entries must be a list such as ["a1"']),
    ("block_list", 'entries = ["a999"]', "entries = [3]", ["an entry is a text, or a table such as", "found 3"]),
    ("block_list", 'entries = ["a999"]', 'entries = ["a1", "a1"]', ["'a1' is listed twice"]),
    ("block_list", 'entries = ["a999"]', 'entries = [{ value = "a", until = "soon" }]', ["until must be a date"]),
    ("block_list", 'entries = ["a999"]', 'entries = [{ valu = "a" }]', ["unknown key 'valu'", "lacks 'value'"]),
    ("block_list", 'entries = ["a999"]', 'suppresses = ["x"]', ["suppresses goes with kind"]),
    ("block_list", 'list = "list"\n', "", ["until is about records that are entries"]),
    ("block_list", 'list = "list"', 'list = "until"', ["list must name a field of type"]),
    ("allow_list", 'suppresses = ["found"]', "", ["[patterns.trusted] lacks 'suppresses'"]),
    ("allow_list", 'suppresses = ["found"]', 'suppresses = ["fond"]', ["unknown rule or pattern 'fond'", "'found'?"]),
    ("allow_list", 'suppresses = ["found"]', 'suppresses = "found"', ["suppresses must be a list of rules"]),
    ("allow_list", 'suppresses = ["found"]', 'suppresses = ["found"]\ncooldown = "1h"', ["raises no alerts"]),
    ("allow_list", 'list = "list"\nuntil = "until"\nreason = "reason"\n', "", ["would always be empty"]),
]


@pytest.mark.parametrize(("case", "old", "new", "told"), TOLD)
def test_mistakes_are_told(tmp_path, case, old, new, told):
    """Each is named with its place and what is allowed, and none of what a pattern stands for is shown."""
    path = config_of(tmp_path, case)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = check_config(path, {})
    for part in told:
        assert any(part in line for line in found), found
    assert all(line.startswith(f"{path}:") and line.split(":")[1].isdigit() for line in found)
    assert not [line for line in found if "amount >=" in line or "count(" in line]


def test_a_list_must_meet_what_it_suppresses(tmp_path):
    """With several partitions a list by one key never sees the alerts by another, but those of a flow it does."""
    path = config_of(tmp_path, "allow_list")
    text = path.read_text().replace("partitions = 1", "partitions = 4")
    path.write_text(text.replace('suppresses = ["found"]\nby = "account"', 'suppresses = ["found"]\nby = "device"'))
    (told,) = check_config(path, {})
    assert "found follows account, and the list device: with 4 partitions they are kept in different ones" in told
    path = config_of(tmp_path, "circular_flow", text[text.index("[patterns.trusted]") :])
    path.write_text(path.read_text().replace("partitions = 1", "partitions = 4"))
    assert check_config(path, {}) == []


def test_settings_reach_the_rule(tmp_path):
    """What is said replaces the default, in the condition as in the table."""
    more = 'count = 7\nwindow = "3h"\ncooldown = "1h"\nseverity = "low"\nmax_keys = 9\ndescription = "so"\n'
    config = load_config(config_of(tmp_path, "structuring", more), {})
    rule, table = config.rules["found"], config.tables["found"]
    assert rule.when == "near >= 7 and amount_cents >= 850000 and amount_cents < 1000000"
    assert (rule.cooldown_ms, rule.severity, rule.description) == (3_600_000, "low", "so")
    assert (table.window.size_ms, table.max_keys, table.by) == (3 * 3_600_000, 9, "account")


def test_settings_reach_the_flow_and_the_list(tmp_path):
    """What is said of money and lists replaces the default as well."""
    more = 'share = 0.9\nhops = 3\nwindow = "3h"\ncooldown = "1h"\nseverity = "low"\nmax_transfers = 2048\n'
    flow = load_config(config_of(tmp_path, "circular_flow", more), {}).flows["found"]
    assert (flow.share, flow.hops, flow.window_ms, flow.cooldown_ms) == (0.9, 3, 3 * 3_600_000, 3_600_000)
    assert (flow.severity, flow.max_transfers, flow.least) == ("low", 2_048, 10_000)
    path = config_of(tmp_path, "block_list", 'cooldown = "0s"\nkeep = "2d"\nmax_entries = 5\n')
    entry = '{ value = "a1", until = 2027-01-31, reason = "so" }, { value = "a2", until = 2027-01-31T01:00:00+01:00 }'
    path.write_text(path.read_text().replace('["a999"]', f"[{entry}]"))
    spec = load_config(path, {}).lists["found"]
    assert (spec.cooldown_ms, spec.keep_ms, spec.max_entries) == (0, 2 * 86_400_000, 5)
    assert [entry.until_ms for entry in spec.entries] == [1_801_353_600_000] * 2
    assert spec.entries[0].reason == "so"


def test_a_measure_makes_way_for_a_field(tmp_path):
    """A stream that has a field of a measure's name gets another measure, not a mistake."""
    path = config_of(tmp_path, "velocity")
    path.write_text(path.read_text().replace('id = "str"', 'id = "str"\nn = "int"'))
    assert "n_ >= 15" in load_config(path, {}).rules["found"].when
