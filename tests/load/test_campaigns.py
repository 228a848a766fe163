from collections import defaultdict

import numpy as np
import orjson
import pytest

from load import KINDS, CampaignConfig, PaymentsConfig, PaymentsLoad

START_MS = 1_700_000_000_000


def generate(campaigns, seconds=60, **changes):
    """Ordinary records, and the records of each campaign with its labels."""
    values = {"rate_per_s": 2_000, "seed": 3, "start_ms": START_MS, "accounts": 4_000}
    load = PaymentsLoad(PaymentsConfig(campaigns=campaigns, **(values | changes)))
    topics = {outgoing.topic: outgoing.records for outgoing in load.until(START_MS + seconds * 1_000)}
    records = [orjson.loads(value) for value in topics["payments"].values]
    labels = {label["id"]: label for label in map(orjson.loads, topics["payments.truth"].values)}
    assert load.sent.campaign_records == len(labels)
    grouped = defaultdict(list)
    for record in records:
        if record["id"] in labels:
            grouped[labels[record["id"]]["campaign"]].append((record, labels[record["id"]]))
    return [record for record in records if record["id"] not in labels], grouped, labels


ORDINARY, CAMPAIGNS, LABELS = generate(CampaignConfig())


def of_kind(kind):
    """The finished campaigns of one kind: key and records."""
    latest_ms = START_MS + 60_000 - 8_000
    groups = [group for group in CAMPAIGNS.values() if group[0][1]["kind"] == kind]
    finished = [
        (group[0][1]["key"], [record for record, _ in group]) for group in groups if group[0][0]["ts"] < latest_ms
    ]
    assert len(finished) >= 5
    return finished


def span_ms(records):
    return records[-1]["ts"] - records[0]["ts"]


def before(account, time_ms):
    return [record for record in ORDINARY if record["account"] == account and record["ts"] < time_ms]


def test_truth_labels_exactly_the_records_of_campaigns():
    """Each label names a record that was sent, its time, and one kind and key for the whole campaign."""
    assert sum(map(len, CAMPAIGNS.values())) == len(LABELS)
    for group in CAMPAIGNS.values():
        assert all(record["ts"] == label["ts"] and set(label) == TRUTH_FIELDS for record, label in group)
        assert len({(label["kind"], label["key"]) for _, label in group}) == 1


TRUTH_FIELDS = {"id", "campaign", "kind", "key", "ts"}


def test_each_kind_appears_twice_within_25_s_and_none_before_8_s():
    """With the defaults a run of half a minute has two campaigns of each kind, after a time for histories."""
    starts = defaultdict(list)
    for group in CAMPAIGNS.values():
        starts[group[0][1]["kind"]].append(group[0][0]["ts"] - START_MS)
    assert set(starts) == set(KINDS)
    for times_ms in starts.values():
        assert min(times_ms) >= 8_000
        assert sum(time_ms < 25_000 for time_ms in times_ms) >= 2


def test_starts_are_spread_over_their_period():
    """When within its period a campaign starts is left to chance, so nothing can learn the rhythm."""
    phases = {(group[0][0]["ts"] - START_MS - 8_000) % 7_000 // 500 for group in CAMPAIGNS.values()}
    assert len(phases) > 8


def test_no_account_suffers_twice():
    """Campaigns against accounts choose different ones, so that an alert belongs to one campaign."""
    keys = [
        key for kind in ("velocity-burst", "card-testing", "amount-outlier", "new-device") for key, _ in of_kind(kind)
    ]
    assert len(set(keys)) == len(keys)


def test_velocity_burst():
    """One account pays 30-100 times within 6 s, at home and with a device it had."""
    for key, records in of_kind("velocity-burst"):
        assert {record["account"] for record in records} == {key}
        assert 30 <= len(records) <= 100
        assert span_ms(records) <= 6_000
        assert len({record["device"] for record in records}) == 1


def test_card_testing():
    """5-15 small payments, then a large one, from a device that the account did not have."""
    for key, records in of_kind("card-testing"):
        *small, large = records
        assert 5 <= len(small) <= 15
        assert max(record["amount_cents"] for record in small) <= 300
        assert 20_000 <= large["amount_cents"] <= 200_000
        assert records[0]["device"] not in {record["device"] for record in before(key, records[0]["ts"])}


def test_amount_outlier():
    """One payment far above all that an account with a history has paid."""
    for key, [record] in of_kind("amount-outlier"):
        history = [past["amount_cents"] for past in before(key, record["ts"])]
        assert len(history) >= 12
        assert record["amount_cents"] > 8 * float(np.median(history))


def test_new_device_and_location():
    """3-5 large payments within a minute, from a country and a device that the account never used."""
    for key, records in of_kind("new-device"):
        past = before(key, records[0]["ts"])
        assert past
        assert 3 <= len(records) <= 5
        assert span_ms(records) <= 60_000
        assert min(record["amount_cents"] for record in records) >= 15_000
        for name in ("country", "device"):
            assert len({record[name] for record in records}) == 1
            assert records[0][name] not in {record[name] for record in past}


def test_mule_fan_in():
    """15 or more distinct accounts transfer to one payee, not to itself, within minutes."""
    for key, records in of_kind("mule-fan-in"):
        accounts = {record["account"] for record in records}
        assert len(accounts) == len(records) >= 15
        assert key not in accounts
        assert {(record["type"], record["merchant"]) for record in records} == {("transfer", key)}


def test_merchant_spike():
    """A merchant gets many times its usual rate, from many accounts."""
    for key, records in of_kind("merchant-spike"):
        usual_per_ms = sum(record["merchant"] == key for record in ORDINARY) / 60_000
        assert len(records) > 10 * usual_per_ms * span_ms(records)
        assert len({record["account"] for record in records}) > len(records) / 2
        assert {(record["type"], record["merchant"]) for record in records} == {("card", key)}


def test_leaving_kinds_out_moves_no_other_campaign():
    """A campaign's start depends on the seed, its kind and its number alone."""
    _, alone, _ = generate(CampaignConfig(kinds=("mule-fan-in",)), seconds=30)
    starts = {name: group[0][0]["ts"] for name, group in CAMPAIGNS.items()}
    assert len(alone) >= 2
    for name, group in alone.items():
        assert name.split("-", 1)[1].startswith("mule-fan-in")
        assert group[0][0]["ts"] == starts[name]


def test_stretch_makes_campaigns_longer():
    """Stretched twentyfold, the same campaign takes twenty times as long."""
    slow = CampaignConfig(kinds=("velocity-burst",), stretch=20, period_ms=10_000)
    _, long, _ = generate(slow, 150, rate_per_s=20)
    first = next(group for name, group in long.items() if name.endswith("-0"))
    assert 2.5 * 20_000 < group_span_ms(first) <= 6 * 20_000


def group_span_ms(group):
    return span_ms([record for record, _ in group])


@pytest.mark.parametrize(
    ("change", "found"),
    [({"kinds": ("phishing",)}, "phishing"), ({"period_ms": 0}, "0 ms"), ({"stretch": -1.0}, "-1.0")],
)
def test_wrong_configs_are_refused(change, found):
    """The message names what was found."""
    with pytest.raises(ValueError, match=found):
        CampaignConfig(**change)
