"""The functions of the expression language, on columns as tables deliver them."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.language.expression import Scope, compile_expression
from agents.language.functions import FUNCTIONS
from agents.spec import Field
from detectors import amount_score, distinct_score, silence_score, velocity_score
from tables.spec import Measure

SCOPE = Scope(
    fields={
        "country": Field(name="country", type="str"),
        "amount": Field(name="amount", type="int"),
        "price": Field(name="price", type="float", unit=0.01),
        "ts": Field(name="ts", type="int"),
    },
    measures={"n": Measure(name="n", kind="count")},
)


def evaluate(text, **columns):
    expression = compile_expression(text, SCOPE)
    return expression.evaluate({name: np.asarray(column) for name, column in columns.items()})


def hidden(text):
    return compile_expression(text, SCOPE).hidden


@given(st.integers(-(10**12), 4 * 10**12))
def test_hour_and_weekday_are_those_of_the_calendar(time_ms):
    """``hour`` and ``weekday`` are UTC's, before 1970 too."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    assert evaluate("hour(ts)", ts=[time_ms]).tolist() == [moment.hour]
    assert evaluate("weekday(ts)", ts=[time_ms]).tolist() == [moment.weekday()]


def test_log_and_sqrt_have_no_opinion_out_of_range():
    """A logarithm of zero and a root of a negative number are NaN, silently."""
    assert evaluate("log(price)", price=[1.0, 0.0, -1.0]).tolist() == pytest.approx([0.0, np.nan, np.nan], nan_ok=True)
    assert evaluate("sqrt(price)", price=[4.0, -1.0]).tolist() == pytest.approx([2.0, np.nan], nan_ok=True)


def test_first_seen_reads_the_newness_of_the_table():
    """``first_seen`` is the hidden measure ``is_new`` of its field; a late record's NaN is not true."""
    assert hidden("first_seen(country)") == (Measure(name="is_new(country)", kind="is_new", input="country"),)
    columns = {"country": [1, 2, 3], "is_new(country)": np.array([True, False, np.nan], object).astype(np.float64)}
    assert evaluate("first_seen(country)", **columns).tolist() == [True, False, False]
    assert evaluate("not first_seen(country)", **columns).tolist() == [False, True, False]


def test_outlier_takes_the_moments_of_the_window():
    """``outlier`` is the amount score over the window's count, mean and deviation, in the unit of the field."""
    names = [(each.name, each.kind, each.input, each.unit) for each in hidden("outlier(amount)")]
    assert names == [
        ("count()", "count", None, 1.0),
        ("mean(amount)", "mean", "amount", 1.0),
        ("std(amount)", "std", "amount", 1.0),
    ]
    columns = {"amount": [95, 95], "count()": [6, 2], "mean(amount)": [32.5, 57.5], "std(amount)": [28.0, 37.5]}
    wanted = amount_score(*(np.array(column) for column in columns.values()))
    np.testing.assert_array_equal(evaluate("outlier(amount)", **columns), wanted)


def test_outlier_of_what_may_be_missing_counts_what_is_there():
    """The history of a value that may be NaN counts only records that have it."""
    count = next(each for each in hidden("outlier(price)") if each.kind == "count")
    assert (count.name, count.input) == ("count(not is_nan(price))", "not is_nan(price)")
    assert {each.unit for each in hidden("outlier(price)") if each.kind != "count"} == {0.01}


def test_burst_scores_the_different_values():
    """``burst`` is the distinct score over the window's different values and its count."""
    assert [each.name for each in hidden("burst(country)")] == ["distinct(country)", "count()"][::-1]
    columns = {"distinct(country)": np.array([2, 10]), "count()": np.array([10, 10])}
    found = evaluate("burst(country)", country=[1, 2], **columns)
    np.testing.assert_array_equal(found, distinct_score(*columns.values()))


def test_velocity_scores_a_count():
    """``velocity`` is the velocity score of any count against any expectation."""
    np.testing.assert_array_equal(evaluate("velocity(n, 4)", n=[3, 12]), velocity_score(np.array([3, 12]), 4))


def test_silence_compares_with_the_earlier_gaps():
    """``silence`` takes the gap before the record against the mean of the earlier gaps of the window."""
    assert [each.name for each in hidden("silence(ts)")] == ["count()", "last_seen()", "min(ts)"]
    # twelve records each second from 0 on, then one 30 s later
    columns = {"ts": [41_000], "last_seen()": [11_000.0], "min(ts)": [0.0], "count()": [13]}
    wanted = silence_score([30_000], [1_000], [11])
    np.testing.assert_allclose(evaluate("silence(ts)", **columns), wanted)


def test_silence_of_a_new_key_has_no_opinion():
    """A key's first records say nothing about its rhythm."""
    columns = {"ts": [5, 9], "last_seen()": [np.nan, 5.0], "min(ts)": [5.0, 5.0], "count()": [1, 2]}
    assert np.isnan(evaluate("silence(ts)", **columns)).all()


def _surge(times_ms):
    columns = {"ts": [times_ms[-1]], "count()": [len(times_ms)]}
    return evaluate("surge(ts)", **columns, **{"mean(ts)": [np.mean(times_ms)], "min(ts)": [float(min(times_ms))]})[0]


def test_surge_is_standard_normal_at_a_steady_rate():
    """At a steady rate the trend score has mean 0 and deviation 1, whatever the rate."""
    rng = np.random.default_rng(7)
    for n in (10, 200):
        scores = [_surge(np.sort(rng.random(n) * 1e6)) for _ in range(2_000)]
        assert abs(np.mean(scores)) < 0.3  # the last record itself is the end of the span
        assert np.std(scores) == pytest.approx(1.0, abs=0.1)


def test_surge_sees_a_burst_after_a_steady_flow():
    """Forty payments within five seconds stand out from one every two seconds."""
    steady = np.arange(0, 30_000, 2_000)
    assert _surge(np.append(steady, np.linspace(30_000, 35_000, 40))) > 6
    assert np.isnan(_surge(steady[:4]))


def test_surge_of_equal_times_has_no_opinion():
    """Records of one moment have no trend."""
    assert np.isnan(_surge(np.full(9, 1_000)))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_described(name):
    """Each function has a signature with its name and one line that says what it gives."""
    function = FUNCTIONS[name]
    assert function.signature.startswith(f"{name}(")
    assert function.doc.endswith(".")
    assert "\n" not in function.doc
    assert not function.many or len(function.arguments) > 1
