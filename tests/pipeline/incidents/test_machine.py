"""What holds for every input: cuts, ticks, restarts and repeats change nothing; notices are few and make sense."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.spec import SEVERITIES
from pipeline.incidents import Acknowledge, Maintenance, Resolve, Snooze, State, Tick, Unsnooze, restore, step
from pipeline.incidents.draft import Draft
from pipeline.incidents.records import decode_record, encode_record
from tests.pipeline.incidents.lives import MINUTE, SECOND, SETTINGS, START, alert, ended, lasting

TESTED = replace(
    SETTINGS,
    hold_ms=2 * MINUTE,
    longest_ms=6 * MINUTE,
    reopen_ms=MINUTE,
    cooldown_ms=3 * MINUTE,
    keep_ms=4 * MINUTE,
    storm_limit=4,
    storm_window_ms=20 * SECOND,
    remember=12,
    remember_ms=10 * MINUTE,
    maintenance=(Maintenance(reason="m", key="k1", from_ms=START + 5 * MINUTE, until_ms=START + 8 * MINUTE),),
)
few = st.sampled_from(["1", "2", "3"])
gaps = st.sampled_from([0, 1, SECOND, 7 * SECOND, 50 * SECOND, 2 * MINUTE, 5 * MINUTE])
alerts = st.builds(
    lambda name, rule, key, severity: alert(
        f"a{name}", rule=f"r{rule}", key=f"k{key}", severity=severity, detected=START + 10**9
    ),
    st.integers(0, 40),
    few,
    few,
    st.sampled_from(SEVERITIES),
)
snoozes = st.builds(
    lambda name, after_ms, rule: Snooze(id=f"z{name}", until_ms=START + after_ms, reason="x", rule=f"r{rule}"),
    few,
    st.integers(1, 20 * MINUTE),
    few,
)
ends = st.builds(lambda name, of: Unsnooze(id=f"u{name}", snooze=f"z{of}"), few, few)
# Commands name an incident by its place in the state, since ids are known only once it is there.
touches = st.tuples(st.sampled_from([Acknowledge, Resolve]), st.integers(0, 30), st.integers(0, 5))
event_times = st.integers(START, START + 20)
episodes = st.builds(
    lambda name, rule, key, time: lasting(f"e{name}", rule=f"r{rule}", key=f"k{key}", time=time),
    st.integers(0, 40),
    few,
    few,
    event_times,
)
overs = st.builds(lambda rule, key, time: ended(rule=f"r{rule}", key=f"k{key}", time=time), few, few, event_times)
inputs = st.lists(
    st.tuples(gaps, st.one_of(alerts, alerts, episodes, episodes, overs, snoozes, ends, touches)), max_size=60
)


def resolved_inputs(drawn):
    """The drawn inputs as (time, event), with commands bound to incidents that there are."""
    state, now, made = State(), START, []
    for gap, drawn_event in drawn:
        now += gap
        event = drawn_event
        if isinstance(event, tuple):
            kind, name, at = event
            ids = sorted(each.id for each in state.incidents.values())
            event = kind(id=f"c{name}", incident=ids[at % len(ids)] if ids else "none", by="ann")
        made.append((now, event))
        state, _ = step(state, event, now, TESTED)
    return made


def run(events, state=None, settings=TESTED):
    """Final state, notices, and the compacted topic."""
    state, notices, topic = state or State(), [], {}
    for time_ms, event in events:
        state, outputs = step(state, event, time_ms, settings)
        notices += outputs.notices
        topic |= outputs.changes
    return state, notices, topic


def as_restored(topic):
    """The state from what a compacted topic holds, through its bytes."""
    stored = {key: encode_record(record) for key, record in topic.items()}
    return restore([(key, decode_record(value)) for key, value in stored.items() if value is not None], TESTED)


@given(inputs, st.integers(0, 60))
def test_a_restart_anywhere_changes_nothing(drawn, cut):
    """Restored from its own compacted records, the machine has the same state and goes on to the same notices."""
    events = resolved_inputs(drawn)
    whole = run(events)
    state, notices, topic = run(events[:cut])
    again = as_restored(topic)
    assert again == state
    after, more, changes = run(events[cut:], again)
    assert (after, notices + more) == whole[:2]
    assert as_restored(topic | changes) == whole[0]


@given(inputs, st.sampled_from([1, 2, 7, 1_000]))
def test_how_input_is_cut_into_batches_changes_nothing(drawn, size):
    """Batches of any size, each begun from what the compacted topic holds, give what one run over all gives."""
    events = resolved_inputs(drawn)
    notices, topic = [], {}
    for start in range(0, len(events), size):
        _, more, changes = run(events[start : start + size], as_restored(topic))
        notices += more
        topic |= changes
    assert (as_restored(topic), notices) == run(events)[:2]


@given(inputs, st.lists(st.integers(0, 200 * MINUTE), max_size=20))
def test_ticks_change_nothing(drawn, ticks):
    """What happens by itself happens at its own time, whether somebody looks or not."""
    events = resolved_inputs(drawn)
    end = (START + 300 * MINUTE, Tick())
    ticked = sorted([*events, *((START + after, Tick()) for after in ticks)], key=lambda row: row[0])
    assert run([*events, end])[:2] == run([*ticked, end])[:2]


@given(inputs)
def test_redelivery_changes_nothing(drawn):
    """Each event delivered twice in a row, as after a crash, gives what it gives once."""
    events = resolved_inputs(drawn)
    assert run([event for event in events for _ in range(2)])[:2] == run(events)[:2]


@given(inputs)
def test_a_step_leaves_the_state_before_it_alone(drawn):
    """A state is a value: stepping from it twice gives the same twice."""
    events = resolved_inputs(drawn)
    state = State()
    for time_ms, event in events:
        first, second = step(state, event, time_ms, TESTED), step(state, event, time_ms, TESTED)
        assert first == second
        state = first[0]


@given(inputs)
def test_notices_make_sense(drawn):
    """Ids are unique, times in order, and each incident is opened before anything else is told of it."""
    remembering = replace(TESTED, remember=1_000, remember_ms=10**9)  # else alerts come a second time as new ones
    _, notices, _ = run([*resolved_inputs(drawn), (START + 300 * MINUTE, Tick())], settings=remembering)
    assert len({notice.id for notice in notices}) == len(notices)
    assert [notice.time_ms for notice in notices] == sorted(notice.time_ms for notice in notices)
    known, severities = set(), {}
    for notice in notices:
        if notice.incident is None:
            continue
        name = notice.incident.id
        assert name in known or notice.kind in ("opened", "acknowledged", "resolved")
        known.add(name)
        assert SEVERITIES.index(notice.severity) >= severities.get(name, 0)
        severities[name] = SEVERITIES.index(notice.severity)


@given(inputs)
def test_nothing_is_overdue_and_in_the_end_nothing_is_left(drawn):
    """The time of what comes next is never missed; long after the last event the state is empty."""
    events = resolved_inputs(drawn)
    state = State()
    for time_ms, event in events:
        state, _ = step(state, event, time_ms, TESTED)
        exact = Draft(state, TESTED)
        exact.look_ahead()
        assert state.now_ms < state.next_ms <= exact.next_ms
    state, _ = step(state, Tick(), START + 10_000 * MINUTE, TESTED)
    assert [len(each) for each in (state.incidents, state.snoozes, state.storms, state.seen)] == [0, 0, 0, 0]


@given(inputs)
def test_every_alert_counts_once(drawn):
    """However grouped, snoozed or folded: records of incidents hold each alert, repeats left out."""
    wide = replace(TESTED, keep_ms=10**9, reopen_ms=0, hold_ms=10**8, remember=10**6, remember_ms=10**9)
    state, ids = State(), set()
    for time_ms, event in ((START + n, event) for n, (_, event) in enumerate(drawn) if not isinstance(event, tuple)):
        state, _ = step(state, event, time_ms, wide)
        ids |= {event.id} if hasattr(event, "severity") else set()
    assert sum(each.count for each in state.incidents.values()) == len(ids)
