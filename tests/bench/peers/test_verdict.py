"""Brute force and the verdict on a run, on payments that can be counted by hand."""

import orjson
import pytest

from tests.bench.peers.reference import Alert, Payments, Place, brute_force, recent_start_ms
from tests.bench.peers.verdict import Progress, Stamped, judge, last_quarter, progress, rate, tracks

MINUTE_MS = 60_000


def records(*payments):
    """Records of one partition, from account, event time and amount."""
    for offset, (account, ts, cents) in enumerate(payments):
        yield Place(0, offset, 0), orjson.dumps({"account": account, "ts": ts, "amount_cents": cents})


def test_the_twentieth_payment_of_a_window_raises_the_alert():
    """Neither the nineteenth nor one of the next window counts; the sum is that of the twenty, the place the last's."""
    early, next_window, last = (("a", 10, 1),) * 19, ("a", MINUTE_MS, 5), ("a", MINUTE_MS - 1, 7)
    found = brute_force(records(*early, next_window, last, *early))
    assert found == {Alert("a", 0, 20, 26): Place(0, 20, 0)}


def test_accounts_are_kept_apart():
    """Nineteen of each of two make no alert."""
    assert not brute_force(records(*(("a", 0, 1), ("b", 0, 1)) * 19))


def test_records_are_what_the_job_reads():
    """Every field has its type, a record has some 176 bytes, and the key is the account."""
    payments = Payments.make(1_000, recent_start_ms(1_000))
    for at, (key, value) in enumerate(payments.records()):
        said = orjson.loads(value)
        assert said["account"].encode() == key
        assert (said["ts"], said["amount_cents"]) == (payments.ts_ms[at], payments.cents[at])
        assert 170 <= len(value) <= 182


EXPECTED = {Alert(f"a{at}", 0, 20, 100): Place(at % 2, 100 * at, 0) for at in range(5)}


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
    first, second, third, *_ = EXPECTED
    found = [Stamped(first, 5), Stamped(second, 5), Stamped(third, 8)]
    assert progress(tracks(found, EXPECTED)) == [Progress(5, 1 + 101), Progress(8, 201 + 101)]


def test_the_last_quarter_is_not_quicker_for_seldom_commits():
    """Two partitions at ten payments a ms together, each of which says once in 100 ms how far it is."""
    even = [Progress(at, 5 * at) for at in range(0, 1001, 100)]
    odd = [Progress(at, 5 * at) for at in [*range(50, 1001, 100), 1000]]
    begin, end = last_quarter({0: even, 1: odd})
    assert (begin.at_ms, end) == (750, Progress(1_000, 10_000))
    assert rate([begin, end]) == pytest.approx(10_000)


def test_the_rate_is_between_the_first_alert_and_the_last():
    """What came before the first one is left out, with its time."""
    assert rate([Progress(1_000, 50), Progress(2_000, 80), Progress(3_000, 250)]) == 100.0
    with pytest.raises(ValueError, match="two alerts"):
        rate([Progress(1_000, 50)])
