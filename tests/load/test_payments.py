import itertools
from collections import Counter

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load import CampaignConfig, Delay, Faults, PaymentsConfig, PaymentsLoad

START_MS = 1_700_000_000_000
SMALL = CampaignConfig(warmup_ms=1_000, period_ms=2_000, stretch=0.3)
BROKEN = Faults(late=0.1, late_delay=Delay(least_ms=100, mean_ms=50), disordered=0.2, duplicates=0.1)


def config(**changes):
    values = {"rate_per_s": 300, "seed": 7, "start_ms": START_MS, "accounts": 200, "merchants": 100}
    return PaymentsConfig(**(values | {"campaigns": SMALL, "faults": BROKEN} | changes))


def drive(load, cuts_ms):
    """All keys and payloads by topic, asked for piecemeal."""
    given = {}
    for cut_ms in cuts_ms:
        for outgoing in load.until(START_MS + cut_ms):
            assert outgoing.records.timestamps_ms is None
            given.setdefault(outgoing.topic, []).extend(
                zip(outgoing.records.keys, outgoing.records.values, strict=True)
            )
    return given


WHOLE = drive(PaymentsLoad(config()), [6_000])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6_000), max_size=40))
def test_cutting_time_changes_no_byte(cuts_ms):
    """Records and ground truth are the same in the same order, whatever the ticks."""
    assert drive(PaymentsLoad(config()), [*sorted(cuts_ms), 6_000]) == WHOLE


def test_a_tick_of_one_millisecond_gives_the_same():
    """The finest possible cutting gives the same bytes as none."""
    assert drive(PaymentsLoad(config()), range(1, 6_001)) == WHOLE


def test_another_seed_gives_other_records_and_ids():
    """No id of one run occurs in another, so two producers can share a topic."""
    other = drive(PaymentsLoad(config(seed=8)), [6_000])
    ids = [{orjson.loads(value)["id"] for _, value in given["payments"]} for given in (WHOLE, other)]
    assert not ids[0] & ids[1]


def test_records_have_exactly_the_documented_fields():
    """Nine fields of the right types, about 176 bytes, keyed by account; nothing more that a rule could lean on."""
    types = {"id": str, "type": str, "ts": int, "account": str, "merchant": str, "device": str, "country": str}
    types |= {"amount_cents": int, "currency": str}
    for key, value in WHOLE["payments"]:
        record = orjson.loads(value)
        assert {name: type(cell) for name, cell in record.items()} == types
        assert key == record["account"].encode()
        assert record["type"] in {"card", "transfer"}
        assert record["amount_cents"] >= 50
        assert 160 <= len(value) <= 190


@pytest.mark.parametrize("rate", [0.7, 3, 333, 20_000])
def test_the_rate_is_exact(rate):
    """Over a whole number of blocks the number of ordinary records is the rate times the time."""
    load = PaymentsLoad(config(rate_per_s=rate, campaigns=None, faults=Faults()))
    drive(load, [10_000])
    assert load.sent.records == int(rate * 10 + 1e-9)


def test_records_are_due_within_their_tick():
    """A record never claims a time at or after the end of the tick that it is given in."""
    load = PaymentsLoad(config(faults=Faults()))
    for cut_ms in range(37, 4_000, 37):
        for outgoing in load.until(START_MS + cut_ms):
            times = [orjson.loads(value)["ts"] - START_MS for value in outgoing.records.values]
            assert times == sorted(times)
            assert cut_ms - 37 <= times[0]
            assert times[-1] < cut_ms


def test_ramp_starts_low_and_reaches_the_rate():
    """Over a linear ramp half as many records come, and after it all of them."""
    load = PaymentsLoad(config(rate_per_s=1_000, campaigns=None, faults=Faults(), ramp_ms=10_000))
    drive(load, [10_000])
    ramp = load.sent.records
    drive(load, [20_000])
    assert abs(ramp - 5_000) <= 1
    assert abs(load.sent.records - ramp - 10_000) <= 1


def test_day_rhythm_peaks_in_the_afternoon():
    """With a swing of 0.5 the rate is 1.5 times the average at 15:00 UTC and half of it at 03:00."""
    rhythm = config(rate_per_s=100, day_swing=0.5)
    midnight_ms = START_MS - START_MS % 86_400_000
    assert rhythm.rate_at(midnight_ms + 15 * 3_600_000) == pytest.approx(150)
    assert rhythm.rate_at(midnight_ms + 3 * 3_600_000) == pytest.approx(50)


def ordinary_records():
    quiet = config(rate_per_s=2_000, accounts=2_000, merchants=500, campaigns=None, faults=Faults())
    return [orjson.loads(value) for _, value in drive(PaymentsLoad(quiet), [30_000])["payments"]]


def test_habits_look_like_people():
    """Few accounts pay much, most pay at home with own devices, and each has an amount level of its own."""
    records = ordinary_records()
    by_account = {}
    for record in records:
        by_account.setdefault(record["account"], []).append(record)
    sizes = sorted(map(len, by_account.values()))
    assert sizes[-1] > 3 * sizes[len(sizes) // 2]
    homes = [Counter(record["country"] for record in group).most_common(1)[0][1] for group in by_account.values()]
    assert 0.98 < sum(homes) / len(records) < 1
    devices = [len({record["device"] for record in group}) for group in by_account.values()]
    assert max(devices) <= 4
    many = [np.log([record["amount_cents"] for record in group]) for group in by_account.values() if len(group) > 20]
    within, between = np.mean([logs.std() for logs in many]), np.std([logs.mean() for logs in many])
    assert 0.3 < within < 0.6
    assert between > 0.3


def test_ordinary_people_are_hard_cases_too():
    """Without fraud there are still new countries, replaced devices and purchases far above the usual."""
    countries, devices, amounts = {}, {}, {}
    found = Counter()
    for record in ordinary_records():
        account = record["account"]
        for name, seen in (("country", countries), ("device", devices)):
            known = seen.setdefault(account, set())
            found[name] += bool(known) and record[name] not in known
            known.add(record[name])
        usual = amounts.setdefault(account, [])
        found["amount"] += len(usual) > 10 and record["amount_cents"] > 4 * float(np.mean(usual))
        usual.append(record["amount_cents"])
    assert min(found["country"], found["device"], found["amount"]) > 5


@pytest.mark.parametrize(
    "change",
    [{"rate_per_s": 0}, {"seed": -1}, {"accounts": 3}, {"merchants": 0}, {"day_swing": 1.5}, {"ramp_ms": -1}],
)
def test_numbers_out_of_range_are_refused(change):
    """A config that can't be generated is refused at once, with the offending value in the message."""
    with pytest.raises(ValueError, match=str(*change.values())):
        config(**change)


def test_ids_are_unique_without_duplicates():
    """Every record has an id of its own unless copies were asked for."""
    given = drive(PaymentsLoad(config(faults=Faults())), [5_000])["payments"]
    assert len({orjson.loads(value)["id"] for _, value in given}) == len(given)


def test_faults_do_not_change_the_flow():
    """The same accounts pay the same amounts with and without faults, so that runs can be compared."""
    clean = drive(PaymentsLoad(config(faults=Faults())), [5_000])["payments"]
    broken = drive(PaymentsLoad(config()), [5_000])["payments"]
    rows = [{tuple(sorted((orjson.loads(value) | {"ts": 0}).items())) for _, value in run} for run in (clean, broken)]
    assert rows[0] == rows[1]
    assert [*itertools.islice(clean, 50)] != [*itertools.islice(broken, 50)]
