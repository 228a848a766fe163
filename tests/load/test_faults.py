from collections import Counter

import numpy as np
import orjson
import pytest

from agents.events import Chunk
from agents.spec import Field, StreamSpec
from load import MALFORMED, CampaignConfig, Delay, Faults, PaymentsConfig, PaymentsLoad
from pipeline.codec import Decoder

START_MS = 1_700_000_000_000
SOON = CampaignConfig(warmup_ms=1_000, period_ms=2_000)


def generate(faults, seconds=10, seed=5, tick_ms=10_000):
    load = PaymentsLoad(
        PaymentsConfig(rate_per_s=1_000, seed=seed, start_ms=START_MS, accounts=500, campaigns=SOON, faults=faults)
    )
    values, truth = [], []
    for end_ms in range(tick_ms, seconds * 1_000 + 1, tick_ms):
        for outgoing in load.until(START_MS + end_ms):
            (values if outgoing.topic == "payments" else truth).extend(outgoing.records.values)
    return values, [orjson.loads(label) for label in truth], load.sent


def refused(values):
    """How many records the decoder of the pipeline refuses, by reason."""
    types = {"id": "str", "type": "str", "ts": "int", "account": "str", "merchant": "str", "device": "str"}
    types |= {"country": "str", "amount_cents": "int", "currency": "str"}
    fields = {name: Field(name=name, type=kind) for name, kind in types.items()}
    stream = StreamSpec(name="p", topic="p", partitions=1, key="account", time="ts", id="id", fields=fields)
    n = len(values)
    chunk = Chunk(
        topic="p",
        partition=0,
        offsets=np.arange(n),
        timestamps_ms=np.full(n, START_MS + 10_000),
        keys=[None] * n,
        values=values,
        next_offset=n,
    )
    return Counter(str(reject.reason) for reject in Decoder(stream).decode(chunk)[1])


def test_malformed_records_are_counted_by_the_reason_they_are_refused_for():
    """The decoder's counts of rejects equal the generator's of each kind, so nothing is spoilt by halves."""
    values, _, sent = generate(Faults(malformed=dict.fromkeys(MALFORMED, 0.02)))
    assert all(100 < count < 300 for count in sent.malformed.values())
    assert refused(values) == sent.malformed


@pytest.mark.parametrize("kind", MALFORMED)
def test_each_kind_alone_spoils_every_ordinary_record(kind):
    """At a share of 1 all but the records of campaigns are refused, each for that reason."""
    values, truth, sent = generate(Faults(malformed={kind: 1.0}), seconds=3, tick_ms=3_000)
    assert refused(values) == {kind: len(values) - len(truth)}
    assert sent.malformed[kind] == 3_000
    assert len(truth) == sent.campaign_records > 0


def test_shares_that_add_up_to_one_spare_nobody():
    """Rounding of the shares' sum lets no ordinary record through."""
    _, _, sent = generate(Faults(malformed=dict.fromkeys(MALFORMED, 1 / 7)), seconds=5, tick_ms=5_000)
    assert sum(sent.malformed.values()) == 5_000


def test_copies_are_counted_and_are_the_same_bytes():
    """The copies handed out are exactly the repeated payloads, and their ground truth is not repeated."""
    values, truth, sent = generate(Faults(duplicates=0.2))
    counts = Counter(values)
    assert sum(counts.values()) - len(counts) == sent.duplicates
    assert 0.17 < sent.duplicates / len(counts) < 0.2  # the last copies are not due yet
    assert max(counts.values()) == 2
    assert len({label["id"] for label in truth}) == len(truth)


def test_copies_come_later_by_the_given_delay():
    """The mean distance between a record and its copy is the mean delay."""
    faults = Faults(duplicates=0.5, duplicate_delay_ms=300)
    values, _, _ = generate(faults, seconds=20, tick_ms=1)
    first, distance = {}, []
    for at, value in enumerate(values):
        if value in first:
            distance.append(at - first[value])
        first.setdefault(value, at)
    per_ms = len(values) / 20_000
    assert 270 < np.mean(distance) / per_ms < 330


def test_late_records_claim_a_time_long_gone():
    """Late records are those that are at least the least delay behind, on average by the given mean."""
    faults = Faults(late=0.1, late_delay=Delay(least_ms=30_000, mean_ms=10_000))
    values, _, sent = generate(faults)
    times = np.array([orjson.loads(value)["ts"] for value in values])
    behind = np.maximum.accumulate(times) - times
    late = behind >= 30_000 - 50
    assert late.sum() == sent.late
    assert 0.08 < sent.late / sent.records < 0.12
    assert 39_000 < behind[late].mean() < 41_000


def test_disordered_records_are_behind_by_at_most_the_jitter():
    """Disorder stays within the jitter, and only the share asked for is moved."""
    values, _, sent = generate(Faults(disordered=0.3, jitter_ms=200))
    clean, _, _ = generate(Faults())
    moved = [orjson.loads(was)["ts"] - orjson.loads(value)["ts"] for value, was in zip(values, clean, strict=True)]
    assert sum(shift > 0 for shift in moved) == sent.disordered
    assert 0.27 < sent.disordered / sent.records < 0.33
    assert min(moved) == 0
    assert 190 < max(moved) <= 200


def test_late_records_are_not_disordered_as_well():
    """Each record is late, slightly disordered or neither, so that the counts add up."""
    _, _, sent = generate(Faults(late=0.5, disordered=1.0))
    assert sent.late + sent.disordered == sent.records
    assert min(sent.late, sent.disordered) > 0


def test_only_well_formed_records_are_copied():
    """Whatever comes twice is a record that the decoder takes, so rejects are counted once each."""
    values, _, sent = generate(Faults(duplicates=1.0, malformed={"wrong-type": 0.5}))
    twice = [value for value, count in Counter(values).items() if count > 1]
    assert len(twice) == sent.duplicates > 1_000
    assert not refused(twice)


def test_without_faults_nothing_is_counted():
    """A clean stream reports no fault, and its records come in order of time."""
    values, _, sent = generate(Faults())
    assert (sent.late, sent.disordered, sent.duplicates, sum(sent.malformed.values())) == (0, 0, 0, 0)
    assert sent.records == len(values)
    times = [orjson.loads(value)["ts"] for value in values]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"late": 1.5}, "late"),
        ({"duplicates": -0.1}, "-0.1"),
        ({"malformed": {"bad-jsn": 0.1}}, "bad-jsn"),
        ({"malformed": {"bad-json": 0.6, "null": 0.6}}, "in all"),
        ({"jitter_ms": 0}, "jitter"),
    ],
)
def test_wrong_shares_are_refused(change, found):
    """The message names the fault and the share."""
    with pytest.raises(ValueError, match=found):
        Faults(**change)


def test_negative_delays_are_refused():
    """A late record can't come from the future."""
    with pytest.raises(ValueError, match="-5"):
        Delay(least_ms=-5)
