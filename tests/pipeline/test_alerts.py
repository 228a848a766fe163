"""Alerts come back as they went, name their cause in one sentence, and follow CloudEvents and their schema."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Alert, RecordRef
from agents.spec import SEVERITIES
from pipeline.alerts import AlertMessage, alert_schema, decode_alert, encode_alert, explain, read_alert
from pipeline.errors import StateError
from pipeline.explanation import explanation

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "alert.schema.json"
ALERT = Alert(
    id="0" * 31 + "1",
    rule="rapid-large",
    version="0a1b2c3d",
    severity="high",
    stream="payments",
    table="account_10m",
    key="a17",
    event_time_ms=1_700_000_000_123,
    appended_ms=1_700_000_000_500,
    window_start_ms=1_699_999_400_000,
    window_end_ms=1_700_000_000_000,
    condition="large >= 3 and first_seen(country)",
    values={"country": "FR", "is_new(country)": True, "large": 3},
    thresholds={"large": 3},
    source=RecordRef("payments", 2, 42, "p-42"),
    records=(RecordRef("payments", 2, 40, None), RecordRef("payments", 2, 42, "p-42")),
    trace="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)


def test_the_payload_holds_every_field_of_the_alert():
    """Subscribers find each field of the alert under its own name, with detection time and sentence."""
    message = json.loads(encode_alert(ALERT, detected_ms=5, app="demo").value)
    refs = {"source": ALERT.source._asdict(), "records": [ref._asdict() for ref in ALERT.records]}
    assert message == asdict(ALERT) | refs | {
        "detected_ms": 5,
        "why": explain(ALERT),
        "explanation": explanation(ALERT),
    }
    assert decode_alert(encode_alert(ALERT, detected_ms=5, app="demo").value) == message


def test_headers_are_cloudevents_in_binary_mode():
    """The headers are those of CloudEvents 1.0 for Kafka, with the event time and the trace; the key is the alert's."""
    key, _, headers = encode_alert(ALERT, detected_ms=5, app="my app/ü")
    assert key == b"a17"
    assert headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", ALERT.id.encode()),
        ("ce_source", b"/streamgauge/my%20app%2F%C3%BC"),
        ("ce_type", b"streamgauge.alert.v1"),
        ("ce_subject", b"a17"),
        ("ce_time", b"2023-11-14T22:13:20.123Z"),
        ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("content-type", b"application/json"),
    ]


def test_what_is_absent_has_no_header():
    """Without a trace or a key there is no such header, since an attribute is never empty."""
    names = [name for name, _ in encode_alert(replace(ALERT, trace=None, key=""), detected_ms=5, app="a").headers]
    assert "traceparent" not in names
    assert "ce_subject" not in names


@pytest.mark.parametrize(
    ("time_ms", "written"),
    [(1, b"1970-01-01T00:00:00.001Z"), (253_402_300_799_999, b"9999-12-31T23:59:59.999Z")],
)
def test_the_first_and_last_event_times_are_written_exactly(time_ms, written):
    """The whole range of event times that the codec accepts is written to the millisecond."""
    headers = dict(encode_alert(replace(ALERT, event_time_ms=time_ms), detected_ms=5, app="a").headers)
    assert headers["ce_time"] == written


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, 'rapid-large fired for "a17": large = 3 (limit 3) and country "FR" is new.'),
        (
            {"values": {"n": 12, "spent": 123456.7, "large": 4}, "thresholds": {"large": 3, "spent": 5e4}},
            'rapid-large fired for "a17": large = 4 (limit 3) and spent = 123457 (limit 50000).',
        ),
        (
            {
                "values": {"outlier(amount)": 7.123456, "amount": 5, "mean(amount)": 0.5, "n": 9},
                "thresholds": {"outlier(amount)": 6.0},
                "condition": "outlier(amount) >= 6 and n > m",
            },
            'rapid-large fired for "a17": outlier(amount) = 7.123 (limit 6) and n = 9.',
        ),
        ({"values": {"is_new(ip)": False}, "thresholds": {}}, 'rapid-large fired for "a17": ip is not new.'),
        (
            {
                "values": {"ratio": math.nan, "ok": True, "sd": None},
                "thresholds": {},
                "condition": "ratio > sd or ok",
            },
            'rapid-large fired for "a17": ratio = unknown, ok = true and sd = unknown.',
        ),
        (
            {"values": {}, "thresholds": {}},
            'rapid-large fired for "a17": large >= 3 and first_seen(country).',
        ),
        (
            {
                "key": 'a"b',
                "values": {"value": 2.0, "score": -5.25, "expected": 40.0, "spread": 7.0},
                "thresholds": {"threshold": 4.0, "clear": 2.0},
            },
            'rapid-large fired for "a\\"b": score = -5.25 (limit -4), value = 2 and expected = 40.',
        ),
        (
            {"values": {"value": 9.0, "score": 5.25}, "thresholds": {"threshold": 4.0, "clear": 2.0}},
            'rapid-large fired for "a17": score = 5.25 (limit 4) and value = 9.',
        ),
        (
            {
                "values": {
                    "first_seen(country)": True,
                    "is_new(country)": True,
                    "country": "FR",
                    "start": ALERT.event_time_ms,
                },
                "thresholds": {},
                "condition": "first_seen(country) and ts - start < 9",
            },
            'rapid-large fired for "a17": country "FR" is new and start = "22:13:20.123Z".',
        ),
        (
            {"values": {"ok": np.bool_(1), "n": np.int64(7)}, "condition": "ok and n > m"},
            'rapid-large fired for "a17": ok = true and n = 7.',
        ),
    ],
)
def test_the_sentence_names_values_and_limits(changes, sentence):
    """Why an alert fired reads as one sentence, the values that have limits first."""
    alert = replace(ALERT, **changes)
    assert explain(alert) == sentence
    assert decode_alert(encode_alert(alert, detected_ms=1, app="a").value)["why"] == sentence


SCALARS = (
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
NAMES = st.sampled_from(["n", "score", "threshold", "value", "country", "is_new(country)", "mean(x)", "spread"])
REFS = st.builds(RecordRef, st.text(), st.integers(0, 99), st.integers(0, 2**63 - 1), st.none() | st.text())


@given(
    st.builds(
        replace,
        st.just(ALERT),
        severity=st.sampled_from(SEVERITIES),
        key=st.text(),
        table=st.none() | st.text(),
        condition=st.text(),
        values=st.dictionaries(NAMES, SCALARS | st.none()),
        thresholds=st.dictionaries(NAMES, SCALARS),
        source=REFS,
        records=st.lists(REFS, max_size=3).map(tuple),
        trace=st.none() | st.text(),
    ),
    st.integers(0, 2**62),
)
def test_any_alert_is_read_back_as_it_was(alert, detected_ms):
    """Encoding and reading give the same alert, detection time and sentence, and never raise."""
    value = encode_alert(alert, detected_ms=detected_ms, app="a").value
    assert read_alert(value) == (alert, detected_ms, explain(alert))


def test_nan_becomes_null():
    """JSON has no NaN: a value that is none is null."""
    value = encode_alert(replace(ALERT, values={"x": math.nan}), detected_ms=1, app="a").value
    assert decode_alert(value)["values"] == {"x": None}


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b'{"id": "\xff"}', b"[]", b'{"id": 5}'])
@pytest.mark.parametrize("read", [decode_alert, read_alert])
def test_what_is_no_alert_is_told(value, read):
    """Anything else on the topic is one clear error that names the schema."""
    with pytest.raises(StateError, match=r"alert can't be read: .*alert.schema.json"):
        read(value)


def test_fields_of_later_versions_are_ignored():
    """A reader takes an alert that has a field it doesn't know."""
    value = json.loads(encode_alert(ALERT, detected_ms=5, app="a").value) | {"later": 1}
    assert read_alert(json.dumps(value).encode()).alert == ALERT


def test_schema_file_is_current():
    """The published schema is the one that the code's types give."""
    write = "sys.stdout.buffer.write(pipeline.alerts.alert_schema())"
    command = f"python -c 'import sys, pipeline.alerts; {write}' > docs/schemas/alert.schema.json"
    assert SCHEMA.read_bytes() == alert_schema(), f"the schema changed, write it anew: {command}"


def test_schema_names_exactly_the_fields_of_a_payload():
    """What is encoded has the properties that the schema tells, and all that it requires."""
    described = json.loads(alert_schema())["$defs"]["AlertMessage"]
    sent = set(json.loads(encode_alert(ALERT, detected_ms=5, app="a").value))
    assert sent == set(described["properties"]) == set(AlertMessage.__struct_fields__)
    assert set(described["required"]) == sent - {"trace", "explanation"}  # earlier ones have no explanation
    assert (
        msgspec.json.decode(encode_alert(ALERT, detected_ms=5, app="a").value, type=AlertMessage).trace == ALERT.trace
    )


def test_the_explanation_of_a_rule_has_all_that_made_it_fire():
    """Values with their limits, condition, version, the window's bounds and the records, in one sentence."""
    assert explanation(ALERT) == (
        'rapid-large (version 0a1b2c3d) fired for "a17" at record p-42 of 2023-11-14T22:13:20.123Z, because large >= 3 '
        'and first_seen(country) held with country = "FR", is_new(country) = true and large = 3 (limit 3), in the '
        "window from 2023-11-14T22:03:20.000Z up to 2023-11-14T22:13:20.000Z of account_10m, with the contributing "
        "records payments/2 at 40 and p-42."
    )


@pytest.mark.parametrize(("score", "limit"), [(9.5, "9.5 (limit 9)"), (-9.5, "-9.5 (limit -9)")])
def test_the_explanation_of_a_detector_names_its_baseline(score, limit):
    """What was measured, what was expected, and the limit on the side on which the score lies."""
    values = {"value": 41.5, "score": score, "expected": 10.0, "spread": None}
    alert = replace(ALERT, table=None, values=values, thresholds={"threshold": 9.0, "clear": 1.0})
    assert f"value = 41.5, baseline = 10 and score = {limit}, in the window" in explanation(alert)
