"""What the codec accepts, what it refuses and why."""

import json
from dataclasses import replace

import pytest

from pipeline.codec import MAX_DEPTH, Decoder, Reason
from pipeline.codec.rows import MAX_TIME_MS
from tests.pipeline.codec.records import NOW_MS, STREAM, chunk, nested, outcome, payload


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null"),
        (b"null", "null"),
        (b" null\n", "null"),
        (b"", "bad-json"),
        (b"  ", "bad-json"),
        (b"{}", "missing-field"),
        (b"[]", "wrong-type"),
        (b"17", "wrong-type"),
        (b'"text"', "wrong-type"),
        (b"{},{}", "missing-field"),
        (b'{"id":"x"}\n{"id":"y"}', "missing-field"),
        (payload() + payload(), "bad-json"),
        (payload() + b"," + payload(), "bad-json"),
        (payload() + b"x", "bad-json"),
        (payload() + b" \r\n\t", None),
        (b"\n " + payload(), None),
        (payload()[:-1], "bad-json"),
        (b"\xef\xbb\xbf" + payload(), "bad-json"),
        (payload().decode().encode("utf-16"), "invalid-utf8"),
        (payload(id=b'"\xff"'), "invalid-utf8"),
        (payload(other=b'"\xff"'), "invalid-utf8"),
        (payload(id=b'"\xed\xa0\x80"'), "invalid-utf8"),
        (b"\xc3", "invalid-utf8"),
        (payload(id=rb'"\ud800"'), "bad-json"),
        (payload(other=rb'"\ud800"'), "bad-json"),
        (payload(id=rb'"\ud83d\ude00"'), None),
        (payload(id=b'"a\nb"'), "bad-json"),
        (payload(other=b"NaN"), "bad-json"),
        (payload(price=b"NaN"), "bad-json"),
        (payload(price=b"Infinity"), "bad-json"),
        (payload(price=b"1e400"), "out-of-range"),
        (payload(price=b"1" * 400), "out-of-range"),
        (payload(price=b"-1e-400"), None),
        (payload(price=b"3"), None),
        (payload(price=b"true"), "wrong-type"),
        (payload(ok=b"2"), "out-of-range"),
        (payload(ok=b"1.0"), "wrong-type"),
        (payload(amount=b"1.0"), "wrong-type"),
        (payload(amount=b"1e3"), "wrong-type"),
        (payload(amount=b"true"), "wrong-type"),
        (payload(amount=b'"5"'), "wrong-type"),
        (payload(amount=b"null"), "wrong-type"),
        (payload(amount=b"01"), "bad-json"),
        (payload(amount=2**63 - 1), None),
        (payload(amount=2**63), "out-of-range"),
        (payload(amount=-(2**63)), None),
        (payload(amount=-(2**63) - 1), "out-of-range"),
        (payload(amount=b"9" * 5000), "out-of-range"),
        (payload(score=2**63), "out-of-range"),
        (payload(score=b'"1"'), "wrong-type"),
        (payload(hist=[1, 2]), "wrong-type"),
        (payload(hist=[1, 2, 3, 4]), "wrong-type"),
        (payload(hist=[1, 2, "3"]), "wrong-type"),
        (payload(hist=[1, 2, 2**63]), "out-of-range"),
        (payload(ts=0), "absurd-time"),
        (payload(ts=-1), "absurd-time"),
        (payload(ts=1), None),
        (payload(ts=MAX_TIME_MS + 1), "absurd-time"),
        (payload(ts=b"9" * 5000), "absurd-time"),
        (payload(ts=NOW_MS + STREAM.max_ahead_ms), None),
        (payload(ts=NOW_MS + STREAM.max_ahead_ms + 1), "absurd-time"),
        (payload(ts=b"1.5"), "wrong-type"),
        (payload(other=[{"a": None}, 1e9]), None),
        (payload(other=b"1e999"), None),
    ],
)
def test_verdict_on_each_kind_of_payload(value, reason):
    """Each malformed payload is refused for the documented reason, each odd but valid one is accepted."""
    assert outcome(value) == reason


def test_the_last_second_of_the_year_9999_is_a_time():
    """The largest allowed event time is accepted when the append time is near it."""
    batch, rejects = Decoder(STREAM).decode(chunk([payload(ts=MAX_TIME_MS)], now_ms=MAX_TIME_MS))
    assert rejects == []
    assert batch.time_ms.tolist() == [MAX_TIME_MS]


def test_times_before_the_earliest_are_absurd():
    """A time below earliest_ms is refused, with the right number where it holds seconds; one at it is accepted."""
    earliest_ms = 100_000_000_000
    decoder = Decoder(replace(STREAM, earliest_ms=earliest_ms))
    seconds = NOW_MS // 1_000
    times = [earliest_ms, earliest_ms - 1, seconds, 5, NOW_MS, seconds + 600, seconds + 601]
    batch, rejects = decoder.decode(chunk([payload(ts=time) for time in times]))
    assert batch.time_ms.tolist() == [earliest_ms, NOW_MS]
    assert batch.offsets.tolist() == [100, 108]
    assert [(each.index, str(each.reason)) for each in rejects] == [(at, "absurd-time") for at in (1, 2, 3, 5, 6)]
    hints = [each.message.partition("; ")[2] for each in rejects]
    begin = "these look like seconds, send "
    assert hints == ["", f"{begin}{NOW_MS}", "", f"{begin}{NOW_MS + 600_000}", ""]


def test_over_long_payloads_are_refused_at_the_limit():
    """A payload of max_bytes is accepted and one byte more is refused, whatever it holds."""
    exact = payload()
    decoder = Decoder(replace(STREAM, max_bytes=len(exact)))
    assert outcome(exact, decoder) is None
    assert outcome(exact + b" ", decoder) == "too-long"
    assert outcome(b"\xff" * (len(exact) + 1), decoder) == "too-long"
    batch, rejects = decoder.decode(chunk([exact, exact + b" ", exact]))
    assert (len(batch), [str(reject.reason) for reject in rejects]) == (2, ["too-long"])


def test_nesting_is_bounded_at_a_fixed_depth():
    """500 levels are accepted and 501 refused; brackets within strings are no levels; deeper ones never crash."""
    assert outcome(nested(MAX_DEPTH)) is None
    assert outcome(nested(MAX_DEPTH + 1)) == "bad-json"
    assert outcome(payload(other="[" * 5000 + '\\"{' * 100)) is None
    assert outcome(payload(other=[[]] * 5000)) is None
    assert outcome(payload(other=b'{"a":' * 5000 + b"1" + b"}" * 5000)) == "bad-json"
    assert outcome(b"[" * 60_000) == "bad-json"


def test_depth_check_is_linear_on_unfinished_strings():
    """Quotes and backslashes without end are judged in one pass over them."""
    assert outcome(b"[" * 600 + b'"\\"' * 20_000) == "bad-json"
    assert outcome(b"[" * 600 + b'"' + b"\\" * 60_001) == "bad-json"


def test_a_repeated_name_counts_as_its_last_value_but_each_must_have_the_type():
    """Two values for one name: the last is taken, as by json.loads, and a wrong one is not hidden by it."""
    twice = payload()[:-1] + b',"amount":9}'
    batch, _ = Decoder(STREAM).decode(chunk([twice]))
    assert batch.columns["amount"].tolist() == [9] == [json.loads(twice)["amount"]]
    assert outcome(payload()[:-1] + b',"amount":"x","amount":9}') == "wrong-type"
    assert outcome(payload()[:-1] + rb',"\u0061mount":"x"}') == "wrong-type"


def test_summed_fields_are_bounded_in_their_unit():
    """A bounded field is refused from 2**42 units on, in both directions, and an unbounded one is not."""
    decoder = Decoder(STREAM, bounded={"amount", "price", "hist", "score", "ratio"})
    limit = 2**42
    for name, inside, outside in [
        ("amount", limit - 1, limit),
        ("score", limit - 1, limit),
        ("hist", [0, 0, limit - 1], [0, 0, limit]),
        ("price", limit * 0.01 - 1, limit * 0.01),
        ("ratio", limit * 0.001 - 1, limit * 0.001),
    ]:
        negative = [-v for v in inside] if isinstance(inside, list) else -inside
        assert outcome(payload(**{name: inside}), decoder) is None
        assert outcome(payload(**{name: negative}), decoder) is None
        beyond = [-v for v in outside] if isinstance(outside, list) else -outside
        assert outcome(payload(**{name: outside}), decoder) == "out-of-range"
        assert outcome(payload(**{name: beyond}), decoder) == "out-of-range"
        assert outcome(payload(**{name: outside})) is None


def test_a_reject_tells_class_and_sentence_but_no_payload():
    """A reject names the error's class and the field, and does not repeat what the payload held."""
    values = [payload(amount="secret"), b"secret", None, payload(id=b'"\xffsecret"'), b"s" * 70_000]
    _, rejects = Decoder(STREAM).decode(chunk(values))
    assert [reject.error for reject in rejects] == [
        "ValidationError",
        "DecodeError",
        "TypeError",
        "UnicodeDecodeError",
        "ValueError",
    ]
    assert rejects[0].message == "Expected `int`, got `str` - at `$.amount`"
    assert not any("secret" in reject.message for reject in rejects)


def test_reasons_are_kebab_case():
    """A reason reads the same in headers, counters and code."""
    assert {str(reason) for reason in Reason} == {reason.name.lower().replace("_", "-") for reason in Reason}
