"""Loads: what is said to have been sent is in the log, with its truth; signals, faults, recordings."""

import signal

import orjson
import pytest

from load import KINDS, MALFORMED, sample_paths

FAST = ["--rate", "2k", "--seed", "7", "--accounts", "500", "--merchants", "50"]
SHORT = [
    *FAST,
    "--duration",
    "1s",
    "--campaign-warmup",
    "0s",
    "--campaign-period",
    "500ms",
    "--campaign-stretch",
    "0.05",
]
TAXI = sample_paths()["nyc_taxi"]
MAPPED = ["--map", "id=timestamp", "--map", "ts=timestamp", "--map", "value=value", "--map", "series=={name}"]


def summary(objects):
    """The last object, which tells the whole."""
    assert [each["type"] for each in objects[:-1]] == ["progress"] * (len(objects) - 1)
    assert objects[-1]["type"] == "summary"
    return objects[-1]


def test_payments_are_sent_as_told(example_shell):
    """The rate is kept, every record and label that the summary counts is in the log, each kind of fraud among them."""
    told = summary(example_shell.ok("load", "payments", *SHORT))
    assert told["complete"] is True
    assert 1_900 <= told["records"] <= 3_500
    assert set(told["send_delay_ms"]) == {"p50", "p99", "max"}
    assert 0 <= told["send_delay_ms"]["p50"] <= told["send_delay_ms"]["max"]
    records = example_shell.ok("consume", "payments")
    assert len(records) == told["records"]
    assert sum(len(record["value"]) + len(record["key"]) for record in records) == told["bytes"]
    labels = [orjson.loads(record["value"]) for record in example_shell.ok("consume", "payments.truth")]
    assert {label["kind"] for label in labels} == set(told["campaigns"]) == set(KINDS)
    for kind in KINDS:
        of_kind = [label for label in labels if label["kind"] == kind]
        assert len(of_kind) == told["campaign_records"][kind]
        assert len({label["campaign"] for label in of_kind}) == told["campaigns"][kind]
    ids = {orjson.loads(record["value"])["id"] for record in records}
    assert {label["id"] for label in labels} <= ids


def test_each_fault_is_sent_as_asked(example_shell):
    """Shares of late, disordered, doubled and malformed records come true, and the summary counts each kind."""
    shares = ["--late", "0.1", "--out-of-order", "0.2", "--duplicates", "0.1", "--malformed", "0.07"]
    told = summary(example_shell.ok("load", "payments", *FAST, "--duration", "1s", "--no-campaigns", *shares))
    n, faults = told["records"], told["faults"]
    assert told["campaigns"] == {}
    for name, share in (("late", 0.1), ("out_of_order", 0.18), ("duplicates", 0.09)):
        assert 0.5 * share * n < faults[name] < 2 * share * n
    assert set(faults["malformed"]) == set(MALFORMED)
    assert sum("value_base64" in record for record in example_shell.ok("consume", "payments")) > 0
    topics = {topic["topic"] for topic in example_shell.ok("topics", "--all") if topic["exists"]}
    assert "payments.truth" not in topics


def test_one_kind_of_malformed_record_can_be_asked_for(example_shell):
    """``KIND=SHARE`` gives that kind and no other."""
    told = summary(
        example_shell.ok("load", "payments", *FAST, "--duration", "500ms", "--no-campaigns", "--malformed", "null=1")
    )
    assert told["faults"]["malformed"] == {"null": told["records"]}
    assert {record["value"] for record in example_shell.ok("consume", "payments")} == {None}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", "fast"], "'fast' is no rate"),
        (["--rate", "0"], "rate must be above 0"),
        (["--duration", "0s"], "--duration must be longer than 0"),
        (["--duration", "1"], "--duration: '1' is no duration"),
        (["--accounts", "3"], "there must be 50 to 10,000,000 accounts"),
        (["--late", "2"], "--late"),
        (["--malformed", "nul=0.1"], "unknown kind of malformed record 'nul'"),
        (["--malformed", "x"], "'x' is no share"),
        (["--topic", "payment"], "did you mean 'payments'?"),
    ],
)
def test_payments_refuse_what_can_not_be(example_shell, options, said):
    """A wrong option is one line that names it, and nothing is sent."""
    result = example_shell.run("load", "payments", "--duration", "1s", *options)
    assert result.exit_code in (2, 3)
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("options", "code"), [(["--duration", "1h"], 130), ([], 0)])
def test_a_signal_ends_a_load_with_its_summary(example_shell, options, code):
    """A load stopped before its end says so and what it sent, all of it in the log; one without end ends with 0."""
    process = example_shell.start("load", "payments", *FAST, *options)
    assert orjson.loads(process.stdout.readline())["type"] == "progress"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    told = summary([orjson.loads(line) for line in out.splitlines()])
    assert (process.returncode, err) == (code, b"")
    assert told["complete"] is (code == 0)
    assert told["records"] == len(example_shell.ok("consume", "payments")) > 0


def test_a_recording_is_replayed(example_shell):
    """Every row becomes a record with the mapped fields, keyed as the stream is; constants may hold the file's name."""
    told = summary(example_shell.ok("load", "replay", TAXI, "--topic", "samples", *MAPPED, "--unpaced"))
    rows = TAXI.read_text().splitlines()[1:]
    assert (told["records"], told["complete"], "send_delay_ms" in told) == (len(rows), True, False)
    records = example_shell.ok("consume", "samples")
    assert {record["key"] for record in records} == {"nyc_taxi"}
    first = orjson.loads(records[0]["value"])
    assert first == {"id": "2014-07-01 00:00:00", "ts": 1_404_172_800_000, "value": 10_844.0, "series": "nyc_taxi"}


def test_a_recording_goes_by_faster_and_starts_now(example_shell):
    """At a given speed the rows take their time, and rebased ones claim times from now on."""
    cut = example_shell.folder / "cut.csv"
    cut.write_text("\n".join(TAXI.read_text().splitlines()[:11]))  # ten rows over 4.5 hours
    speed = 4.5 * 3_600 / 0.5
    told = summary(
        example_shell.ok("load", "replay", cut, "--topic", "samples", *MAPPED, "--speed", f"{speed:.0f}", "--rebase")
    )
    records = example_shell.ok("consume", "samples")
    stamps = [record["timestamp_ms"] for record in records]
    times = [orjson.loads(record["value"])["ts"] for record in records]
    assert told["records"] == 10
    assert told["elapsed_ms"] >= 400
    assert stamps[-1] - stamps[0] >= 400
    assert all(abs(stamp - time) < 2_000 for stamp, time in zip(stamps, times, strict=True))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--topic", "samples", *MAPPED[2:]], "needs the fields id:"),
        (["--topic", "samples", *MAPPED, "--map", "id=value"], "maps the same field again"),
        (["--topic", "samples", *MAPPED, "--map", "x"], "'x' is no mapping"),
        (["--topic", "samples", *MAPPED[2:], "--map", "id=timestmp"], "did you mean 'timestamp'?"),
        (["--topic", "sample", *MAPPED], "did you mean 'samples'?"),
    ],
)
def test_replay_refuses_what_can_not_be(example_shell, options, said):
    """Missing fields, columns and topics are one line with what may have been meant, and nothing is sent."""
    result = example_shell.run("load", "replay", TAXI, *options)
    assert result.exit_code in (2, 3)
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_broken_row_is_named(example_shell):
    """A row that can't be read ends the replay with its line, and with how many were sent before."""
    broken = example_shell.folder / "broken.csv"
    lines = TAXI.read_text().splitlines()
    lines[5_000] = "2014-10-13 03:30:00,many"
    broken.write_text("\n".join(lines))
    result = example_shell.run("load", "replay", broken, "--topic", "samples", *MAPPED, "--unpaced")
    assert result.exit_code == 2
    assert "broken.csv:5001" in result.stderr
    assert "4,096 records were sent before" in result.stderr


def test_people_get_a_table(example_shell):
    """Asked for a table, a load tells what it sent in words, without progress lines."""
    shown = example_shell.run("load", "payments", *SHORT, "--format", "table")
    assert shown.exit_code == 0
    assert "sent late by" in shown.stdout
    assert "mule-fan-in" in shown.stdout
    assert "{" not in shown.stdout
