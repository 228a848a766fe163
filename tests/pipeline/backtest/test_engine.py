"""Records through the shards in order: what is known at a record is what stands before it."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.backtest.engine import Engine
from pipeline.backtest.lines import Lines
from pipeline.config import load_config
from tests.pipeline.backtest.recordings import T0, backtest, config_of, lines_of, recording

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.toml"))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The configuration of the recordings."""
    return config_of(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def whole(config):
    """Scores and alerts of the whole recording."""
    scores, alerts, bad = backtest(config, lines_of(recording()))
    assert bad == []
    return scores, alerts


def test_every_rule_and_detector_is_heard(whole):
    """The recording makes each of them fire, by the key of the stream, by another one, and on closed windows."""
    scores, alerts = whole
    assert {alert.rule for alert in alerts} == {"abroad", "large", "crowd", "odd", "spend"}
    assert {by for by, _ in scores} == {"odd"}


@pytest.mark.parametrize("step", [1, 7, 100])
def test_steps_do_not_matter(config, whole, step):
    """However many lines are processed at once, scores and alerts are the same, bit for bit, in the same order."""
    scores, alerts, _ = backtest(config, lines_of(recording()), step)
    assert (scores, alerts) == whole


@pytest.mark.parametrize("kept", [1, 400, 1_100])
def test_nothing_leaks_from_the_future(config, kept):
    """With another future, and with none, every score and alert up to there is the same, bit for bit."""
    past = recording()[:kept]
    other = [{**record, "ts": record["ts"] + 3_600_000} for record in recording(n=700, seed=9)]
    for record in other:
        record["id"] = "new-" + record["id"]
        record.update({"value": 1e6} if "value" in record else {"cents": 10**6, "country": "US"})
    ids = {record["id"] for record in past}

    def until(future):
        scores, alerts, _ = backtest(config, lines_of(past + future))
        return (
            {name: score for name, score in scores.items() if name[1] in ids},
            [alert for alert in alerts if alert.source.id in ids],
        )

    alone = until([])
    assert alone == until(recording()[kept:]) == until(other)


def test_a_changed_past_is_seen(config, whole):
    """The test above could fail: another value at one sample changes scores after it, and none before."""
    records = recording()
    at = next(
        i
        for i, record in enumerate(records)
        if ("odd", f"s{i}") in whole[0] and record["type"] == "sample" and record["value"]
    )
    records[at] = {**records[at], "value": records[at]["value"] + 3.0}
    scores, _, _ = backtest(config, lines_of(records))
    changed = {int(name[1:]) for (_, name), score in scores.items() if whole[0].get(("odd", name)) != score}
    assert min(changed) == at
    assert len(changed) > 1


def test_a_quiet_partition_follows_the_clock(config):
    """Where a stream lets idle time pass, windows of a silent account close, as they do live."""
    streams = {**config.streams, "payments": replace(config.streams["payments"], idle_advance_ms=30_000)}
    record = {"type": "card", "merchant": "m", "country": "DE", "cents": 1}
    records = [{**record, "id": f"p{i}", "account": "ann", "ts": T0 + 60_000 * i} for i in range(6)]
    records.append({**record, "id": "big", "account": "ann", "ts": T0 + 360_000, "cents": 10**6})
    sample = {"type": "sample", "id": "s", "series": "x", "ts": T0 + 3_600_000, "value": 1.0, "calibration": 0}
    _, quiet, _ = backtest(config, lines_of([*records, sample]))
    _, followed, _ = backtest(replace(config, streams=streams), lines_of([*records, sample]))
    assert "spend" not in {alert.rule for alert in quiet}
    assert [alert.values["value"] for alert in followed if alert.rule == "spend"] == [10**6]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_each_example_runs(path):
    """Every shard of every shipped configuration can be made, and refuses what is no record of its stream."""
    config = load_config(path, {})
    lines = lines_of({"type": name} for name in config.streams)
    bad = []
    (feeds,) = Lines(dict(config.streams), bad.append).steps(lines)
    refused = Engine(config).step(feeds).refused
    assert (bad, [each.order for each in refused]) == ([], list(range(1, len(lines) + 1)))
