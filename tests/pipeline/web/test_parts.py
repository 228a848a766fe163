"""What pages are made of, without a browser: topology, trends, courses of measures, the configuration in force."""

from dataclasses import replace

import pytest

from agents.spec import SEVERITIES
from pipeline.config import load_config
from pipeline.health.burrow import Status
from pipeline.health.lag import LagRow
from pipeline.kafka.settings import KafkaSettings
from pipeline.readmodel.lag_trend import STEP_MS, STEPS, LagTrends
from pipeline.readmodel.questions import KeyHistory, StoredAlert
from pipeline.web.blocks.evidence import courses
from pipeline.web.blocks.in_force import sections
from pipeline.web.blocks.topology import nodes
from pipeline.web.pages.incidents import STATES
from tests.pipeline.web.filled import EXAMPLE

NOW_MS = 1_800_000_000_000


@pytest.fixture(scope="module")
def config():
    return load_config(EXAMPLE)


def row(time_ms, lag, partition=0):
    return LagRow(
        group="g",
        topic="t",
        partition=partition,
        time_ms=time_ms,
        start=0,
        end=lag,
        committed=0,
        committed_ms=time_ms,
        lag_records=lag,
        lag_ms=0,
        owner=None,
        lease="none",
        status=Status.OK,
        reason="",
    )


def test_every_edge_of_the_topology_ends_at_a_box(config):
    """Whatever feeds something feeds a box that is there, to its right or below it; health is left out."""
    made = {(node.kind, node.name): node for node in nodes(config)}
    assert len(made) == len(nodes(config))
    for node in made.values():
        for target in node.into:
            assert made[target].column >= node.column
    assert [name for _, name in made["stream", "samples"].into] == ["sample-outlier", "sample-jump"]
    assert not any("health" in name for _, name in made)


def test_trend_holds_the_worst_of_each_step():
    """The largest lag of a step that is over stands for it; a step nobody looked in is a gap; others are forgotten."""
    trends = LagTrends()
    for time_ms, lag in ((0, 5), (1_000, 9), (STEP_MS, 3), (3 * STEP_MS, 7), (4 * STEP_MS, 1)):
        trends.add([row(time_ms, lag), row(time_ms, 2 * lag, partition=1)])
    assert trends.of(row(0, 0))[-4:] == [9, 3, None, 7]
    assert len(trends.of(row(0, 0))) == STEPS
    trends.add([row(5 * STEP_MS, 1)])
    assert trends.of(row(0, 0, partition=1)) == []


def test_courses_put_measures_with_a_threshold_first(config):
    """A measure has its threshold, its alerts as dots and its history as a line; moments are not drawn."""

    class Model:
        specs = ()

    document = {
        "table": "account_10m",
        "event_time_ms": NOW_MS,
        "values": {"ts": NOW_MS, "n": 4, "country": "FR", "large": 3, "is_new(country)": True},
        "thresholds": {"large": 2},
    }
    alerts = [
        StoredAlert(number=at, detected_ms=NOW_MS + at, document=document, incident=None, fraud=None) for at in (2, 1)
    ]
    history = KeyHistory(times_ms=[NOW_MS], values={"large": [2.0]})
    large, count = courses(Model(), alerts, history)
    assert (large.name, large.limit, count.name, count.limit) == ("large", 2.0, "n", None)
    assert large.dots == [(NOW_MS + 1, 3.0), (NOW_MS + 2, 3.0)]
    assert list(large.line) == [(NOW_MS, 2.0)]
    assert large.sentence == "large from 2 to 3, newest 3, threshold 2"
    assert courses(Model(), [], None) == []


def test_a_detectors_threshold_is_that_of_its_score():
    """A series detector says ``threshold`` and means its score."""

    class Model:
        specs = ()

    document = {
        "table": None,
        "event_time_ms": NOW_MS,
        "values": {"score": 9.5, "value": 50.0},
        "thresholds": {"threshold": 8},
    }
    found = courses(Model(), [StoredAlert(number=1, detected_ms=1, document=document, incident=None, fraud=None)], None)
    assert [(course.name, course.limit) for course in found] == [("score", 8.0), ("value", None)]


def test_configuration_in_force_shows_no_secret(config):
    """Everything is listed, defaults included, and a secret only as being set."""
    secret = "hunter2-of-kafka"
    kafka = KafkaSettings(username="ann", password=secret)
    changed = replace(config, log="kafka://broker:9092", kafka=kafka)
    shown = {(section, name): dict(settings) for section, name, settings in sections(changed)}
    assert secret not in repr(shown)
    assert shown["kafka", ""]["password"] == "***"
    assert shown["kafka", ""]["username"] == "ann"
    assert shown["app", ""]["commit"] == "1 s"
    assert shown["rules", "rapid-large"]["when"].startswith("large >= 2")


def test_styles_know_every_severity_state_and_status():
    """Each word that becomes a class has a style of its own, or is meant to have none."""
    from pipeline.web.parts.layout import STATIC

    css = (STATIC / "streamgauge.css").read_text()
    for name in (*SEVERITIES[1:], *(status.name.lower() for status in Status)):
        assert f".sg-pill.{name}" in css, name
    assert all(f".sg-state.{name}" in css for name in STATES[:2])
