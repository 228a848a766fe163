"""Alerts on measured series: policy, evidence, state, and independence of how the stream was cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Batch, RecordRef
from agents.identity import alert_id
from agents.series.agent import SeriesAgent, build_series_agent
from agents.series.samples import SampleRefs
from agents.spec import DetectorSpec
from detectors import SERIES

SPEC = DetectorSpec(
    name="latency",
    kind="ewma",
    stream="probes",
    by="host",
    value="ms",
    threshold=4.0,
    clear=2.0,
    severity="high",
    params={"half_life": 4.0, "warmup": 4},
)
LIMIT = replace(SPEC, kind="threshold", threshold=1.0, clear=1.0, params={"above": 10.0, "below": -10.0, "margin": 2.0})
VALUES = [0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 8.5, 10.0, 60.0, -60.0, float("nan")]
SAMPLES = st.lists(st.tuples(st.sampled_from("aaaabbcd"), st.sampled_from(VALUES)), min_size=20, max_size=120)


def refs_of(n, first=0):
    offsets = np.arange(first, first + n)
    return SampleRefs(
        stream="probes",
        topic="probes",
        partition=np.full(n, 2),
        offsets=offsets,
        appended_ms=1_000_000 + offsets,
        window_start_ms=900_000 + offsets,
        window_end_ms=900_001 + offsets,
        ids=[f"id-{offset}" for offset in offsets],
    )


def feed(agent, samples, first=0, size=None):
    """Give an agent samples (name, value) in chunks of ``size``; gives its alerts."""
    alerts = []
    for start in range(0, len(samples), size or max(1, len(samples))):
        part = samples[start : start + (size or len(samples))]
        refs = refs_of(len(part), first + start)
        names, values = [name for name, _ in part], np.array([value for _, value in part])
        alerts += agent.process(names, refs.window_start_ms, values, refs)
    return alerts


def flat(state):
    return {name: part if isinstance(part, list) else part.tobytes() for name, part in state.items()}


def by_hand(spec, samples, max_series):
    """Offsets and scores of alerts, with a detector of its own for each series and one sample at a time."""
    detectors, on, fired, row = {}, set(), [], np.array([0])
    for offset, (name, value) in enumerate(samples):
        if name not in detectors:
            if len(detectors) == max_series:
                unseen = next(iter(detectors))
                detectors.pop(unseen)
                on.discard(unseen)
            detectors[name] = SERIES[spec.kind](**spec.params)
            detectors[name].grow(1)
        detectors[name] = detectors.pop(name)  # the newest last
        score = float(detectors[name].score(row, np.array([value]))[0])
        detectors[name].learn(row, np.array([value]))
        odd = {"both": abs(score), "up": score, "down": -score}[spec.direction]
        if odd >= spec.threshold and name not in on:
            fired.append((offset, name, score))
            on.add(name)
        elif odd < (spec.clear or spec.threshold):
            on.discard(name)
    return fired


@pytest.mark.parametrize("direction", ["both", "up", "down"])
@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, kind="persistence", clear=None), LIMIT], ids=lambda s: s.kind)
@given(samples=SAMPLES, max_series=st.integers(1, 5))
def test_equals_one_sample_at_a_time(spec, direction, samples, max_series):
    """Alerts and scores are those of separate detectors fed sample by sample, dropped when unseen for longest."""
    spec = replace(spec, direction=direction)
    alerts = feed(build_series_agent(spec, max_series=max_series), samples)
    assert [(a.source.offset, a.key, a.values["score"]) for a in alerts] == by_hand(spec, samples, max_series)


@given(samples=SAMPLES, max_series=st.integers(1, 5))
def test_cutting_the_stream_changes_nothing(samples, max_series):
    """Chunks of 1, 7 or all at once give equal alerts and state, bit for bit, also while series are evicted."""
    whole = build_series_agent(SPEC, max_series=max_series)
    alerts = feed(whole, samples)
    for size in (1, 7):
        cut = build_series_agent(SPEC, max_series=max_series)
        assert feed(cut, samples, size=size) == alerts
        assert flat(cut.state()) == flat(whole.state())
        assert cut.evicted == whole.evicted


@given(samples=SAMPLES, cut=st.integers(0, 120))
def test_goes_on_after_a_restore(samples, cut):
    """An agent restored from a copy of the state raises the same alerts, and ends in the same state."""
    agent, restored = build_series_agent(SPEC, max_series=4), build_series_agent(SPEC, max_series=4)
    feed(agent, samples[:cut])
    state = agent.state()
    restored.restore(state)
    rest, first = samples[cut:], min(cut, len(samples))
    assert feed(agent, rest, first) == feed(restored, rest, first)
    assert flat(agent.state()) == flat(restored.state())
    for name, part in state.items():
        if name.startswith("detector."):
            part[:] = 1e9
    assert flat(agent.state()) == flat(restored.state())


def test_fires_once_an_episode():
    """A series fires as it goes on, not while it stays on, and again only after a score below ``clear``."""
    values = [5.0, 12.0, 15.0, 9.0, float("nan"), 11.0, 8.0, 12.0]
    alerts = feed(build_series_agent(LIMIT), [("a", value) for value in values])
    assert [alert.source.offset for alert in alerts] == [1, 7]


def test_a_missing_score_does_not_end_an_episode():
    """NaN within an episode neither ends it nor begins another."""
    samples = [("a", value) for value in (5.0, 12.0, float("nan"), 12.0)]
    agent = build_series_agent(LIMIT)
    assert [alert.source.offset for alert in feed(agent, samples)] == [1]
    assert agent.ignored == 1


def test_direction_decides_which_deviations_count():
    """``up`` is deaf to drops and ``down`` to rises."""
    samples = [("a", -12.0), ("a", 0.0), ("a", 12.0)]
    fired = {
        direction: [a.source.offset for a in feed(build_series_agent(replace(LIMIT, direction=direction)), samples)]
        for direction in ("both", "up", "down")
    }
    assert fired == {"both": [0, 2], "up": [2], "down": [0]}


def test_evidence():
    """An alert carries the value, its score, what it was compared with, the limits, and where it stands."""
    samples = [("h1", value) for value in (9.0, 11.0, 9.0, 11.0, 30.0)]
    (alert,) = feed(build_series_agent(SPEC), samples, first=100)
    source = RecordRef("probes", 2, 104, "id-104")
    assert alert.id == alert_id("latency", SPEC.version, "h1", source)
    assert (alert.rule, alert.version, alert.severity, alert.stream) == ("latency", SPEC.version, "high", "probes")
    assert (alert.table, alert.key, alert.source, alert.records) == (None, "h1", source, (source,))
    assert (alert.event_time_ms, alert.appended_ms) == (900_104, 1_000_104)
    assert (alert.window_start_ms, alert.window_end_ms) == (900_104, 900_105)
    assert alert.condition == "abs(ewma(ms)) >= 4.0"
    assert alert.thresholds == {"threshold": 4.0, "clear": 2.0}
    values = alert.values
    assert values["value"] == 30.0
    assert values["expected"] == pytest.approx(10.0, abs=0.3)
    assert values["spread"] == pytest.approx(1.0, abs=0.1)
    assert values["score"] == pytest.approx((30.0 - values["expected"]) / values["spread"])


@pytest.mark.parametrize(("direction", "text"), [("up", "ewma(ms) >= 4.0"), ("down", "ewma(ms) <= -4.0")])
def test_condition_says_the_direction(direction, text):
    """The condition reads as the comparison that was made."""
    spec = replace(SPEC, direction=direction)
    tail = 60.0 if direction == "up" else -60.0
    (alert,) = feed(build_series_agent(spec), [("a", v) for v in (9.0, 11.0, 9.0, 11.0, tail)])
    assert alert.condition == text


def test_two_limits_leave_the_baseline_open():
    """Where a detector has no one baseline the evidence holds none, not NaN."""
    (alert,) = feed(build_series_agent(LIMIT), [("a", 15.0)])
    assert alert.values == {"value": 15.0, "score": 1.5, "expected": None, "spread": None}


def test_windows_closed_by_one_record_have_ids_of_their_own():
    """Three windows of a key closed by one record can fire twice, with different ids."""
    spec = replace(LIMIT, stream=None, by=None, table="per_minute")
    starts = np.array([0, 60_000, 120_000])
    refs = replace(refs_of(3), offsets=np.full(3, 7), window_start_ms=starts, window_end_ms=starts + 60_000, ids=None)
    agent = build_series_agent(spec)
    alerts = agent.process(["a"] * 3, starts + 59_999, np.array([15, 0, 15]), refs)
    assert [(a.table, a.window_start_ms, a.source.offset) for a in alerts] == [
        ("per_minute", 0, 7),
        ("per_minute", 120_000, 7),
    ]
    assert alerts[0].id != alerts[1].id


def test_references_to_a_batch():
    """Samples of raw records stand for one moment, and carry the record's id and trace."""
    ones = np.ones(2, np.int64)
    headers = [[], [("other", b"x"), ("traceparent", b"00-aa-bb-01")]]
    batch = Batch(
        stream="s", topic="t", partition=ones, offsets=ones * 5, appended_ms=ones, time_ms=ones * 9, columns={},
        headers=headers,
    )  # fmt: skip
    refs = SampleRefs.of_batch(batch, ids=["x", "y"])
    assert refs.source(1) == RecordRef("t", 1, 5, "y")
    assert (refs.window_start_ms[0], refs.window_end_ms[0]) == (9, 10)
    assert [refs.trace(0), refs.trace(1)] == [None, "00-aa-bb-01"]


def test_an_evicted_series_begins_anew():
    """A series that lost its row is cold and not firing when it comes back."""
    agent = build_series_agent(LIMIT, max_series=1)
    alerts = feed(agent, [("a", 15.0), ("b", 9.0), ("a", 15.0), ("b", 15.0)])
    assert [alert.source.offset for alert in alerts] == [0, 2, 3]
    assert (agent.n_series, agent.evicted) == (1, 3)


def test_no_samples():
    """An empty chunk is no event."""
    assert feed(build_series_agent(SPEC), []) == []
    assert build_series_agent(SPEC).process([], np.empty(0, np.int64), np.empty(0), refs_of(0)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "ewmaa"}, "'ewmaa', expected one of .*ewma"),
        ({"params": {"halflife": 3}}, "halflife"),
        ({"params": {"half_life": "3"}}, "params of detector 'latency'"),
        ({"params": {"half_life": -3}}, "got -3"),
        ({"threshold": 0.0}, "got 0.0"),
        ({"threshold": float("nan")}, "got nan"),
        ({"clear": 4.5}, "got 4.5"),
        ({"clear": 0.0}, "got 0.0"),
        ({"rest": 1.0}, "got 1.0"),
        ({"rest": -0.5}, "got -0.5"),
    ],
)
def test_a_wrong_spec_is_refused(change, words):
    """A wrong kind, setting or limit is named with its value."""
    with pytest.raises(ValueError, match=words):
        build_series_agent(replace(SPEC, **change))


def test_refuses_foreign_state():
    """State that lacks a part, or whose parts differ in length, is refused."""
    agent = SeriesAgent(SPEC, SERIES["ewma"]())
    feed(agent, [("a", 1.0), ("b", 1.0)])
    state = agent.state()
    with pytest.raises(ValueError, match="lacks firing"):
        build_series_agent(SPEC).restore({name: part for name, part in state.items() if name != "firing"})
    with pytest.raises(ValueError, match="lengths"):
        build_series_agent(SPEC).restore({**state, "firing": np.zeros(3, np.bool_)})
    with pytest.raises(ValueError, match="expected"):
        build_series_agent(LIMIT).restore(state)
