"""Brute force and the verdict on a run, on payments that can be counted by hand."""

import numpy as np
import orjson
import pytest

from tests.bench.peers.reference import Alert, Payments, Place, recent_start_ms
from tests.bench.peers.verdict import Progress, Stamped, judge, progress, rate

MINUTE_MS = 60_000


def made(account, ts_ms, cents):
    columns = (np.array(column, np.int64) for column in (account, ts_ms, cents))
    return Payments(**dict(zip(("account", "ts_ms", "cents"), columns, strict=True)))


def test_the_twentieth_payment_of_a_window_raises_the_alert():
    """Neither the nineteenth nor one of the next window counts, and the sum is that of the twenty."""
    payments = made([1] * 25, [10] * 19 + [MINUTE_MS] + [MINUTE_MS - 1] + [10] * 4, range(25))
    (alert,) = payments.alerts()
    assert alert == Alert("acct-00001", 0, 20, sum(range(19)) + 20)


def test_the_place_of_an_alert_counts_the_payments_of_its_partition():
    """What goes to other partitions takes no offset."""
    one, other = made([1], [0], [1]), made([2], [0], [1])
    payments = made([1, 2] * 20, [0] * 40, [1] * 40)
    assert set(payments.alerts().values()) <= {Place(number, offset) for number in range(4) for offset in (19, 38, 39)}
    assert not one.alerts()
    assert not other.alerts()


def test_records_are_what_the_job_reads():
    """Every field has its type, a record has some 176 bytes, and the key is the account."""
    payments = Payments.make(1_000, recent_start_ms(1_000))
    for at, (key, value) in enumerate(payments.records()):
        said = orjson.loads(value)
        assert said["account"].encode() == key
        assert (said["ts"], said["amount_cents"]) == (payments.ts_ms[at], payments.cents[at])
        assert 170 <= len(value) <= 182


EXPECTED = {Alert(f"a{at}", 0, 20, 100): Place(at % 2, 100 * at) for at in range(5)}


def run(alerts, *, every_ms=100):
    return [Stamped(alert, at * every_ms) for at, alert in enumerate(alerts)]


def test_a_right_run_is_right():
    """Each alert once."""
    verdict = judge(run(EXPECTED), EXPECTED)
    assert (verdict.exact, verdict.missing, verdict.extra, verdict.is_right) == (5, 0, 0, True)


def test_wrong_sums_and_repeats_and_gaps_are_seen():
    """A wrong sum is one missing and one extra, a repeat one extra."""
    wrong, gone, *rest = EXPECTED
    verdict = judge(run([wrong._replace(sum_cents=99), *rest, rest[0]]), EXPECTED)
    assert gone not in rest
    assert (verdict.exact, verdict.missing, verdict.extra, verdict.is_right) == (3, 2, 2, False)


def test_progress_adds_up_partitions():
    """Each alert says how far its own partition is; alerts of one moment count together."""
    first, second, *_ = EXPECTED
    assert progress([Stamped(first, 5), Stamped(second, 5)], EXPECTED) == [Progress(5, 1 + 101)]


def test_the_rate_is_between_the_first_alert_and_the_last():
    """What came before the first one is left out, with its time."""
    assert rate([Progress(1_000, 50), Progress(2_000, 80), Progress(3_000, 250)]) == 100.0
    with pytest.raises(ValueError, match="two alerts"):
        rate([Progress(1_000, 50)])
