"""An alert once more: why it fired, and that it comes out of the log as it was raised."""

import orjson
import pytest

from pipeline.alerts import decode_alert
from tests.pipeline.backtest.recordings import lines_of, recording, write_config
from tests.pipeline.cli.conftest import Shell

PRODUCED = ("payments", "samples")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A shell whose recording a worker process has processed."""
    folder = tmp_path_factory.mktemp("why")
    shell = Shell(folder, write_config(folder))
    records = recording()
    for topic, is_sample in zip(PRODUCED, (False, True), strict=True):
        mine = [record for record in records if (record["type"] == "sample") == is_sample]
        shell.ok("produce", topic, data=b"".join(lines_of(mine)))
    worker = shell.start("worker", "--until-idle")
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def raised(done):
    """The last alert of each rule and detector, by name."""
    return {alert["rule"]: alert for alert in done.ok("alerts")}


@pytest.mark.parametrize("rule", ["abroad", "large", "crowd", "odd", "spend"])
def test_every_kind_of_alert_comes_out_as_it_was(done, raised, rule):
    """Of a rule by the stream's key and by another one, of a detector on samples and on closed windows."""
    (told,) = done.ok("why", raised[rule]["id"])
    assert (told["match"], told["differences"], told["note"]) == (True, [], "")


def test_the_sentence_has_all_that_made_it_fire(done, raised):
    """Values, baseline, limits, version, bounds of the window and the records that contributed."""
    alert = raised["odd"]
    (told,) = done.ok("why", alert["id"][:8])
    expected = [
        f"odd (version {alert['version']})",
        "value = ",
        "baseline = ",
        "score = ",
        "(limit ",
        alert["source"]["id"],
    ]
    assert [part for part in expected if part not in told["explanation"]] == []
    alert = raised["abroad"]
    (told,) = done.ok("why", alert["id"])
    expected = ["first_seen(country) and n >= 3", "n = ", "(limit 3)", "in the window from 20", "up to 20", "of recent"]
    expected += [record["id"] for record in alert["records"]]
    assert [part for part in expected if part not in told["explanation"]] == []


def test_people_get_a_sentence_and_a_verdict(done, raised):
    """Two lines."""
    lines = done.run("why", raised["large"]["id"], "--format", "table").stdout.splitlines()
    assert lines[0].startswith("large (version ")
    assert lines[1].startswith("match: raised again just so after ")
    assert len(lines) == 2


def test_an_alert_that_was_tampered_with_is_a_mismatch(done, raised):
    """What the alert says and the records don't is shown field by field, and the exit code is 6."""
    alert = {**raised["large"], "event_time_ms": 1, "id": raised["large"]["id"]}
    forged = {**alert, "id": "f" * 32}
    done.ok("produce", "alerts", data=orjson.dumps(forged) + b"\n")
    result = done.run("why", "f" * 32)
    assert result.exit_code == 6
    assert orjson.loads(result.stdout)["raised_again"] is False
    copied = {**alert, "values": {**alert["values"], "n": 10**9}}
    other = Shell(done.folder, write_config(done.folder, "copy.toml"))
    other.config.write_text(other.config.read_text().replace('name = "shop"', 'name = "shop"\nalerts = "forged"'))
    other.ok("produce", "forged", data=orjson.dumps(copied) + b"\n")
    result = other.run("why", alert["id"])
    assert result.exit_code == 6
    told = orjson.loads(result.stdout)
    assert told["raised_again"] is True
    assert {each["field"] for each in told["differences"]} == {"event_time_ms", "values"}
    decode_alert(orjson.dumps(copied))


def test_a_rule_that_was_changed_is_said(done, raised):
    """With another definition an alert can't be the same: no record is read, and both versions are named."""
    other = Shell(done.folder, write_config(done.folder, "other.toml", outlier=5))
    result = other.run("why", raised["large"]["id"])
    told = orjson.loads(result.stdout)
    assert (result.exit_code, told["records"], told["match"]) == (6, 0, False)
    assert f"was changed since: its version was {raised['large']['version']}" in told["note"]


@pytest.mark.parametrize(("name", "said"), [("0" * 32, "no alert 000"), ("abc", "too short")])
def test_an_id_of_no_alert_is_refused(done, name, said):
    """The command line is wrong, which is another code than a mismatch."""
    result = done.run("why", name)
    assert (result.exit_code, said in result.stderr) == (2, True)
