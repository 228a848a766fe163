"""The backtest command: files in, files and a report out."""

import signal

import orjson
import pytest

from tests.pipeline.backtest.recordings import lines_of, recording, write_config
from tests.pipeline.cli.conftest import Shell

BAD = [b"junk\n", b'{"type": "rent"}\n', b'{"type": "card", "account": "ann", "ts": "noon"}\n', b"\n"]


@pytest.fixture
def made(tmp_path):
    """A shell, a recording with bad lines at 1, 2 and 3, and the truth about it: what was bought abroad is fraud."""
    records = recording()
    labels = [{"id": each["id"], "fraud": each.get("country") == "FR"} for each in records]
    (tmp_path / "records.ndjson").write_bytes(b"".join([*BAD, *lines_of(records)]))
    (tmp_path / "truth.ndjson").write_bytes(b"".join(lines_of(labels)))
    return Shell(tmp_path, write_config(tmp_path))


def objects(path):
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_run_without_truth_tells_what_came(made):
    """Records, alerts by rule, scores, and bad lines with their numbers; nothing of the log is needed or made."""
    (told,) = made.ok("backtest", "--input", made.folder / "records.ndjson")
    assert told["records"] == 1_500
    assert [each["line"] for each in told["bad"]["first"]] == [1, 2, 3]
    assert told["bad"]["by_reason"] == {"no-record": 1, "no-stream": 1, "wrong-type": 1}
    assert set(told["rules"]) == {"abroad", "large", "crowd", "odd", "spend"}
    assert sum(told["rules"].values()) == told["alerts"]
    assert "measures" not in told
    assert not (made.folder / "shop.db").exists()


def test_scores_and_alerts_are_written(made):
    """A line for each scored record in the order of the input, and for each alert, with the id of its record."""
    scores, alerts = made.folder / "scores.ndjson", made.folder / "alerts.ndjson"
    source = made.folder / "records.ndjson"
    (told,) = made.ok("backtest", "--input", source, "--scores", scores, "--alerts", alerts)
    names = [each["id"] for each in objects(scores)]
    assert len(names) == told["scores"] > 300
    assert names == sorted(names, key=lambda name: int(name[1:]))
    assert all(isinstance(each["score"], float) for each in objects(scores))
    written = objects(alerts)
    assert len(written) == told["alerts"]
    assert all(each["record_id"] == each["source"]["id"] for each in written)
    assert all(each["rule"] in each["explanation"] for each in written)


def test_measures_are_those_of_brute_force(made):
    """Precision, recall and F1 of each rule as counted from the written alerts and the truth."""
    alerts, truth = made.folder / "alerts.ndjson", made.folder / "truth.ndjson"
    arguments = ("--input", made.folder / "records.ndjson", "--truth", truth, "--alerts", alerts)
    (told,) = made.ok("backtest", *arguments, "--json")
    fraud = {each["id"] for each in objects(truth) if each["fraud"]}
    assert told["measures"]["truth"] == {"labels": 1_500, "fraud": len(fraud), "seen": len(fraud)}
    for rule, row in [*told["measures"]["rules"].items(), ("all", told["measures"]["all"])]:
        mine = [each for each in objects(alerts) if rule in ("all", each["rule"])]
        flagged = {each["record_id"] for each in mine if each["record_id"] is not None}
        right = len(flagged & fraud)
        assert (row["alerts"], row["flagged"], row["right"]) == (len(mine), len(flagged), right)
        assert row["precision"] == (right / len(flagged) if flagged else None)
        assert row["recall"] == right / len(fraud)
        assert row["alerts_per_day"] == len(mine)  # the recording is shorter than a day
    assert told["measures"]["rules"]["large"]["right"] > 0


def test_people_get_tables(made):
    """The same for people: measures by rule and bad lines."""
    arguments = ("--input", made.folder / "records.ndjson", "--truth", made.folder / "truth.ndjson")
    shown = made.run("backtest", *arguments, "--format", "table").stdout
    assert "line 3" in shown
    assert "precision@100" in shown
    assert any(line.split()[:1] == ["crowd"] for line in shown.splitlines())


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_plot_is_drawn(made, ending):
    """Two configurations and their scores in one picture, in the format of the file's ending."""
    path = made.folder / f"plot.{ending}"
    arguments = ("--input", made.folder / "records.ndjson", "--truth", made.folder / "truth.ndjson", "--plot", path)
    made.ok("backtest", *arguments, "--against", write_config(made.folder, "b.toml", outlier=4))
    assert path.read_bytes().startswith(b"\x89PNG" if ending == "png" else b"<?xml")


def test_a_plot_of_an_unknown_format_is_refused(made):
    """The message says which there are."""
    arguments = ("--input", made.folder / "records.ndjson", "--plot", made.folder / "plot.abc")
    result = made.run("backtest", *arguments)
    assert (result.exit_code, "svg" in result.stderr) == (2, True)


def test_two_configurations_are_compared(made):
    """A higher limit loses alerts of its rule and no others, with examples; -c twice is the same as --against."""
    other = write_config(made.folder, "b.toml", outlier=6)
    arguments = ("--input", made.folder / "records.ndjson", "--truth", made.folder / "truth.ndjson", "--examples", 2)
    first, second, told = made.ok("backtest", *arguments, "--against", other)
    found = told["comparison"]
    assert (found["gained"]["alerts"], found["lost"]["alerts"] > 0) == (0, True)
    assert found["same"] + found["lost"]["alerts"] == first["alerts"]
    assert second["alerts"] == found["same"]
    assert {rule for rule, counts in found["rules"].items() if counts["lost"]} == {"large"}
    assert len(found["lost"]["examples"]) == 2
    assert found["lost"]["examples"][0]["why"].startswith("large fired for ")
    assert made.ok("backtest", *arguments, "-c", other)[2]["comparison"]["gained"]["alerts"] == found["lost"]["alerts"]


def test_a_topic_gives_what_a_file_gives(made):
    """Records that were produced to the log, as a whole and up to a moment before the first."""
    records = recording()
    for topic, is_sample in (("payments", False), ("samples", True)):
        mine = [record for record in records if (record["type"] == "sample") == is_sample]
        made.ok("produce", topic, data=b"".join(lines_of(mine)))
    (by_file,) = made.ok("backtest", "--input", made.folder / "records.ndjson")
    (by_topic,) = made.ok("backtest", "--topic", "payments", "--topic", "samples", "--since", "1h")
    own = ("abroad", "large", "odd", "spend")  # in which order rows meet at another key depends on the append times
    assert [by_topic[key] for key in ("records", "scores")] == [by_file[key] for key in ("records", "scores")]
    assert [by_topic["rules"][rule] for rule in own] == [by_file["rules"][rule] for rule in own]
    (nothing,) = made.ok("backtest", "--topic", "payments", "--until", "1h")
    assert (nothing["records"], nothing["alerts"], nothing["first_ms"]) == (0, 0, None)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "where the records are"),
        (["--input", "no-such-file"], 2, "can't be read"),
        (["--input", "-", "--against", "shop.toml"], 2, "can't be read twice"),
        (["--input", "records.ndjson", "--since", "1h"], 2, "go with --topic"),
        (["--topic", "nothing"], 3, "topic of no stream"),
        (["--topic", "payments"], 3, ""),
        (["--input", "records.ndjson", "--alerts", "no/such/folder"], 2, "can't be written"),
        (["--input", "records.ndjson", "-c", "shop.toml", "-c", "shop.toml"], 2, "too many"),
    ],
)
def test_what_can_not_be_is_refused(made, monkeypatch, arguments, code, said):
    """One line that says what is wrong."""
    monkeypatch.chdir(made.folder)
    result = made.run("backtest", *arguments)
    assert (result.exit_code, said in result.stderr, result.stderr.count("\n")) == (code, True, 1)


def test_labels_that_are_none_are_told(made):
    """A bad line of the truth is named on standard error, and the others count."""
    truth = made.folder / "truth.ndjson"
    bad = ["junk", "[]", '{"id": "p1", "fraud": "x"}']
    truth.write_text("\n".join([*bad, '{"id": "p1", "fraud": 1}', '{"id": "p2", "campaign": "c"}']))
    result = made.run("backtest", "--input", made.folder / "records.ndjson", "--truth", truth)
    assert result.exit_code == 0
    assert [line.split(":")[2] for line in result.stderr.splitlines()] == ["1", "2", "3"]
    assert orjson.loads(result.stdout)["measures"]["truth"] == {"labels": 2, "fraud": 2, "seen": 2}


def test_nothing_in_is_nothing_out(made):
    """An empty file is no mistake."""
    (made.folder / "empty").write_bytes(b"")
    (told,) = made.ok("backtest", "--input", made.folder / "empty", "--truth", made.folder / "truth.ndjson")
    assert (told["records"], told["alerts"], told["alerts_per_day"]) == (0, 0, None)


def test_ctrl_c_ends_a_run(made):
    """An interrupted run says so by its exit code, and leaves no traceback."""
    source = made.folder / "records.ndjson"
    source.write_bytes(b"".join(lines_of(recording(60_000))))
    process = made.start("backtest", "--input", source, "--alerts", made.folder / "alerts.ndjson")
    while not (made.folder / "alerts.ndjson").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")
    made.close()
