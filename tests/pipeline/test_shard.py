"""The shard: whatever the cut and whatever the restart, the same records give the same output."""

from dataclasses import replace

import orjson
from hypothesis import given
from hypothesis import strategies as st

from agents.events import TopicPartition
from agents.spec import DetectorSpec
from pipeline.incidents import IncidentSettings
from pipeline.incidents.events import decode_event
from pipeline.plan import plans, source_topics, topic_specs
from pipeline.reset import own_topics
from tests.pipeline.shards import app, build_shard, chunk_of, feed, fresh, payload, records_of

record = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "account": st.sampled_from(["ann", "bob", "eve"]),
        "merchant": st.sampled_from(["m1", "m2"]),
        "country": st.sampled_from(["DE", "FR"]),
        "step": st.integers(-120, 80) | st.integers(-50, 900),
        "cents": st.integers(-5, 100),
    }
)
sizes = st.lists(st.integers(1, 9), max_size=4)


def stream(steps):
    """Payloads, some of them malformed, with event times that mostly move on."""
    now, values = 100_000, []
    for each in steps:
        now += each["step"]
        values.append(payload({**each, "ts": now}) if each["cents"] != 7 else b"{broken")
    return values


def alerts_of(outputs):
    return [alert for output in outputs for alert in output.alerts]


def topics_of(outputs):
    return sorted({out.topic for output in outputs for out in output.outgoing} - {REPARTITION})


REPARTITION = "app-payments-by-merchant-repartition"


def rows(payloads):
    return sorted(repr(sorted(orjson.loads(value).items())) for value in payloads if value is not None)


@given(steps=st.lists(record, min_size=1, max_size=60), sizes=sizes)
def test_chunks_change_nothing(steps, sizes):
    """Alerts with their ids and evidence, closed windows, rejects and late records do not depend on the cut."""
    values = stream(steps)
    whole, pieces = feed(fresh(), values, []), feed(fresh(), values, sizes)
    assert alerts_of(whole) == alerts_of(pieces)
    assert topics_of(whole) == topics_of(pieces)
    for topic in topics_of(whole):
        assert records_of(whole, topic) == records_of(pieces, topic)


@given(steps=st.lists(record, min_size=2, max_size=60), sizes=sizes, stop=st.integers(1, 59))
def test_a_restored_shard_goes_on(steps, sizes, stop):
    """Slabs of several commits and the records after them give the alerts that an undisturbed run gives."""
    values = stream(steps)
    whole = feed(fresh(), values, [])
    first, stored = fresh(), {}
    stop = min(stop, len(values))
    outputs = []
    while first.position < stop:
        outputs += [first.process(chunk_of(values[first.position : first.position + 3], start=first.position))]
        for key, slab in first.dirty().items():
            stored.pop(key, None)
            if slab is not None:
                stored[key] = slab
    second = fresh()
    second.restore(stored)
    assert second.position == first.position
    second.remember(chunk_of(values[: second.position]))
    outputs += feed(second, values, sizes)
    assert alerts_of(outputs) == alerts_of(whole)
    assert rows(records_of(outputs, "app-windows")) == rows(records_of(whole, "app-windows"))


@given(steps=st.lists(record, min_size=1, max_size=80), sizes=sizes)
def test_a_rule_fires_once_a_window_where_brute_force_says(steps, sizes):
    """`n >= 3` on a tumbling table: one alert for each key and window that gets a third record in time."""
    values = stream(steps)
    found = {
        (alert.key, alert.window_start_ms, alert.source.offset)
        for alert in alerts_of(feed(fresh(), values, sizes))
        if alert.rule == "fifth"
    }
    head, counts, expected = 0, {}, set()
    for offset, value in enumerate(values):
        if value == b"{broken":
            continue
        each = orjson.loads(value)
        head = max(head, each["ts"])
        if each["ts"] < head - 50:
            continue
        cell = each["account"], each["ts"] // 300 * 300
        counts[cell] = counts.get(cell, 0) + 1
        if counts[cell] == 3:
            expected.add((*cell, offset))
    assert found == expected


@given(steps=st.lists(record, min_size=1, max_size=60), sizes=sizes)
def test_repartitioned_tables_count_every_row(steps, sizes):
    """What goes through the internal topic adds up, by merchant and window, to what brute force gives."""
    values = stream(steps)
    outputs = feed(fresh(), values, sizes)
    shards = {number: build_shard(app(), TopicPartition(REPARTITION, number)) for number in range(2)}
    closed = []
    for output in outputs:
        for out in output.outgoing:
            if out.topic == REPARTITION:
                shard = shards[out.partition]
                given_chunk = chunk_of(
                    out.records.values, topic=REPARTITION, partition=out.partition, start=shard.position
                )
                closed += [shard.process(given_chunk)]
    closed += [shard.advance(10**9) for shard in shards.values()]
    got = {}
    for value in records_of(closed, "app-shops"):
        row = orjson.loads(value)
        got[row["key"], row["window_start_ms"]] = row["n"], row["spent"]
    head, expected = 0, {}
    for value in values:
        if value == b"{broken":
            continue
        each = orjson.loads(value)
        head = max(head, each["ts"])
        if each["ts"] >= head - 50:
            cell = each["merchant"], each["ts"] // 300 * 300
            n, spent = expected.get(cell, (0, 0))
            expected[cell] = n + 1, spent + each["cents"]
    assert got == expected


def test_rejects_are_counted_and_sent_with_their_payload():
    """A malformed record goes to the dead-letter topic intact, and its neighbours count."""
    good = payload({"id": "1", "account": "ann", "merchant": "m", "country": "DE", "ts": 1000, "cents": 5})
    output = fresh().process(chunk_of([good, b"{broken", None, good]))
    assert output.rejects == {"bad-json": 1, "null": 1}
    assert records_of([output], "payments.dead-letter") == [b"{broken", None]
    assert len(output.time_ms) == 2


def test_late_records_keep_their_payload():
    """What comes too late is sent on byte by byte, fields that nobody reads included."""
    base = {"id": "1", "account": "ann", "merchant": "m", "country": "DE", "cents": 5}
    late = payload({**base, "ts": 1_000, "note": "nobody reads this"})
    output = fresh().process(chunk_of([payload({**base, "ts": 90_000}), late]))
    assert output.late == 1
    assert records_of([output], "payments.late") == [late]


def test_keys_that_make_room_are_told():
    """An output says how many keys were dropped because a table was full."""
    config = app()
    small = {name: replace(table, max_keys=2) for name, table in config.tables.items()}
    base = {"id": "1", "merchant": "m", "country": "DE", "cents": 5, "ts": 1_000}
    output = fresh(app(tables=small)).process(chunk_of([payload({**base, "account": key}) for key in "abcd"]))
    assert output.evicted == 2


def test_a_changed_table_starts_anew_and_says_so():
    """State of another definition is not misread: it is dropped, and a notice names the table."""
    config = app()
    values = stream([{"id": "1", "account": "ann", "merchant": "m", "country": "DE", "step": 1, "cents": 5}] * 5)
    first = fresh(config)
    feed(first, values, [])
    stored = {key: slab for key, slab in first.dirty().items() if slab is not None}
    tables = dict(config.tables)
    del tables["windows"]
    changed = app(tables=tables, rules={"busy": config.rules["busy"]}, detectors={})
    second = fresh(changed)
    second.restore(stored)
    assert second.position == 5
    assert any("recent" in notice for notice in second.notices)  # it lost the hidden measure of first_seen
    gone = {key for key, slab in second.dirty().items() if slab is None}
    assert any(b"windows@" in key for key in gone)
    assert any(b"recent@" in key for key in gone)


def test_the_plan_names_every_topic():
    """Sources, state, dead letters, late records, closed windows and alerts are all declared."""
    names = {spec.name for spec in topic_specs(app())}
    assert source_topics(app()) == {"payments": 2, REPARTITION: 2}
    assert {"payments.dead-letter", "payments.late", "app-payments-state", "app-shops", "alerts"} <= names
    assert plans(app())["payments"].repartitions[0].by == "merchant"


def test_a_table_without_rows_of_closed_windows_sends_none():
    """It has no topic for them, and its alerts and detectors stay what they are."""
    tables = {name: replace(table, closed=name != "windows") for name, table in app().tables.items()}
    steps = [(number % 3, number * 40, number) for number in range(60)]
    values = [
        orjson.dumps(
            {"id": f"r{n}", "account": f"a{who}", "merchant": "m", "country": "DE", "ts": 100_000 + ts, "cents": 5}
        )
        for who, ts, n in steps
    ]
    every, fewer = (
        feed(build_shard(config, TopicPartition("payments", 0)), values, [7]) for config in (app(), app(tables=tables))
    )
    assert records_of(every, "app-windows")
    assert not records_of(fewer, "app-windows")
    assert [alert.id for output in fewer for alert in output.alerts] == [
        alert.id for output in every for alert in output.alerts
    ]
    assert "app-windows" not in {spec.name for spec in topic_specs(app(tables=tables))}
    assert "app-windows" not in own_topics(app(tables=tables))


@given(steps=st.lists(record, min_size=1, max_size=60), sizes=sizes)
def test_ends_of_episodes_are_told_whatever_the_cut(steps, sizes):
    """Each once and after its beginning, in an order that follows from the stream; without incidents to nobody."""
    series = DetectorSpec(
        name="low", kind="threshold", stream="payments", by="account", value="cents", threshold=1.0, severity="low",
        params={"above": 40.0},
    )  # fmt: skip
    config = app(detectors={**app().detectors, "low": series}, incidents=IncidentSettings())
    values = stream(steps)
    build = lambda: build_shard(config, TopicPartition("payments", 0))  # noqa: E731
    whole, pieces = feed(build(), values, []), feed(build(), values, sizes)
    told = [decode_event(value) for value in records_of(whole, "app-alert-commands")]
    assert told == [decode_event(value) for value in records_of(pieces, "app-alert-commands")]
    for rule, key in {(each.rule, each.key) for each in told}:
        begun = [alert.event_time_ms for alert in alerts_of(whole) if (alert.rule, alert.key) == (rule, key)]
        over = [each.time_ms for each in told if (each.rule, each.key) == (rule, key)]
        assert 0 <= len(begun) - len(over) <= 1
    assert "app-alert-commands" not in topics_of(feed(fresh(), values, sizes))
