import csv
import re
from datetime import UTC, datetime

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load import Replay, ReplayConfig, ReplayError, Together, sample_paths
from load.readers import BLOCK_ROWS

MAPPING = {"ts": "timestamp", "value": "value"}


def config(path, **changes):
    return ReplayConfig(**({"path": path, "topic": "m", "mapping": MAPPING} | changes))


def records(batches):
    return [orjson.loads(value) for batch in batches for outgoing in batch for value in outgoing.records.values]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def numbers(tmp_path):
    """More rows than a block, one a second from 1,000 s on."""
    rows = "".join(f"{1_000 + row},{row / 4}\n" for row in range(BLOCK_ROWS + 500))
    return write(tmp_path / "numbers.csv", "timestamp,value\n" + rows)


def test_samples_replay_as_they_are_in_the_files():
    """Every sample gives one record a row, with the file's time in UTC and its value; together below 600 kB."""
    paths = sample_paths()
    assert len(paths) == 5
    assert sum(path.stat().st_size for path in paths.values()) < 600_000
    for path in paths.values():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        given = records(Replay(config(path)))
        assert [record["value"] for record in given] == [float(row["value"]) for row in rows]
        times = [datetime.fromtimestamp(record["ts"] / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S") for record in given]
        assert times == [row["timestamp"] for row in rows]


def test_labelled_windows_of_the_samples_hold_data():
    """Each window that the samples' README names lies within the recorded time of its series."""
    readme = (sample_paths()["nyc_taxi"].parent / "README.md").read_text()
    windows = re.findall(r"(\d{4}-\d\d-\d\d [\d:]+) … (\d{4}-\d\d-\d\d [\d:]+)", readme)
    assert len(windows) == 18
    times = {line.split(",")[0][:16] for path in sample_paths().values() for line in path.read_text().splitlines()}
    assert all(start[:16] in times and end[:16] in times for start, end in windows)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, BLOCK_ROWS * 1_000 + 600_000), max_size=20))
def test_cutting_time_changes_nothing(cuts_ms):
    """Asked piecemeal a replay gives the same records in the same order as unpaced, each once and none too early."""
    path = sample_paths()["speed_7578"]
    replay, given = Replay(config(path)), []
    for cut_ms in sorted(cut_ms * 150 for cut_ms in cuts_ms):
        batch = records([replay.until(replay.start_ms + cut_ms)])
        assert all(record["ts"] < replay.start_ms + cut_ms for record in batch)
        given += batch
    assert given + records(replay) == records(Replay(config(path)))
    assert replay.finished


def test_blocks_are_read_only_when_due(numbers):
    """A broken row in the second block is no hindrance until that block is due: the file is streamed."""
    numbers.write_text(numbers.read_text() + "oops,1\n")
    replay = Replay(config(numbers, unit="s"))
    assert len(records([replay.until(1_000_000 + 4_000_000)])) == 4_000
    with pytest.raises(ReplayError, match=rf"numbers\.csv:{BLOCK_ROWS + 502}: column 'timestamp' holds 'oops'"):
        list(replay)


def test_rows_that_go_back_in_time_keep_their_place(tmp_path):
    """A row with an earlier time is sent with the row before it, and keeps the time that it has."""
    path = write(tmp_path / "back.csv", "timestamp,value\n10,1\n20,2\n15,3\n30,4\n")
    replay = Replay(config(path, unit="s"))
    assert [record["value"] for record in records([replay.until(20_000)])] == [1]
    assert [record["ts"] for record in records([replay.until(20_001)])] == [20_000, 15_000]


def test_rebasing_shifts_and_compresses_the_claimed_times(tmp_path):
    """The first record claims the given time, the others follow by the speed; pacing stays in recorded time."""
    path = write(tmp_path / "t.csv", "timestamp,value\n100,1\n160,2\n220,3\n")
    replay = Replay(config(path, unit="s", rebase_ms=5_000_000, speed=60))
    assert replay.start_ms == 100_000
    assert [record["ts"] for record in records([replay.until(160_001)])] == [5_000_000, 5_001_000]


def test_constants_keys_and_types(tmp_path):
    """Constants are added, the key is the field's text, and a declared type wins over the look of a cell."""
    path = write(tmp_path / "t.csv", "timestamp,value,code,ok\n2014-04-01T02:00:00+02:00,1e2,0815,true\n")
    mapping = {"ts": "timestamp", "series": "=ec2_cpu", "unit": "=7", "value": "value", "code": "code", "ok": "ok"}
    mapping["raw"] = "value"
    replay = Replay(config(path, mapping=mapping, key="series", types={"ok": "bool", "raw": "str", "unit": "str"}))
    [[outgoing]] = list(replay)
    assert outgoing.records.keys == [b"ec2_cpu"]
    expected = {"ts": 1_396_310_400_000, "series": "ec2_cpu", "unit": "7", "value": 100.0, "code": "0815", "ok": True}
    assert orjson.loads(outgoing.records.values[0]) == expected | {"raw": "1e2"}


def test_ndjson(tmp_path):
    """Objects a line, blank lines skipped, values as they are, other fields left out."""
    lines = '{"t": 1500, "v": 1.5, "x": [1]}\n\n{"t": 1600, "v": "high"}\n'
    path = write(tmp_path / "t.ndjson", lines)
    replay = Replay(config(path, mapping={"ts": "t", "value": "v"}, unit="ms"))
    assert records(replay) == [{"ts": 1_500, "value": 1.5}, {"ts": 1_600, "value": "high"}]


def test_npz_by_name(tmp_path):
    """Arrays of equal length become records; fractions of a second count."""
    np.savez(tmp_path / "t.npz", at=np.array([1.5, 2.25]), cents=np.array([5, 6]), other=np.zeros(9))
    replay = Replay(config(tmp_path / "t.npz", mapping={"ts": "at", "amount": "cents"}, unit="s"))
    assert records(replay) == [{"ts": 1_500, "amount": 5}, {"ts": 2_250, "amount": 6}]


def test_npz_of_many_series_is_merged_by_time(tmp_path):
    """Series stored as NAME|t and NAME|v come as one stream in order of time, or only the chosen ones."""
    arrays = {"b|t": np.array([10, 30]), "b|v": np.array([1.0, 2.0]), "b|w": np.zeros((0, 2))}
    arrays |= {"a|t": np.array([20, 30]), "a|v": np.array([3.0, 4.0])}
    np.savez(tmp_path / "t.npz", **arrays)
    mapping = {"ts": "t", "value": "v", "series": "series"}
    every = Replay(config(tmp_path / "t.npz", mapping=mapping, unit="s"))
    found = [(record["ts"], record["series"], record["value"]) for record in records(every)]
    assert found == [(10_000, "b", 1.0), (20_000, "a", 3.0), (30_000, "a", 4.0), (30_000, "b", 2.0)]
    some = Replay(config(tmp_path / "t.npz", mapping=mapping, unit="s", series=("a",)))
    assert {record["series"] for record in records(some)} == {"a"}


def test_together_starts_all_at_once(tmp_path):
    """Recordings of different years run side by side from their beginnings, until the longest ends."""
    old = write(tmp_path / "old.csv", "timestamp,value\n1990-01-01,1\n1990-01-03,2\n")
    new = write(tmp_path / "new.csv", "timestamp,value\n2020-01-01,3\n2020-01-02,4\n")
    both, day_ms = Together([Replay(config(old)), Replay(config(new))]), 86_400_000
    assert [record["value"] for record in records([both.until(1)])] == [1, 3]
    assert [record["value"] for record in records([both.until(day_ms + 1)])] == [4]
    assert not both.finished
    assert [record["value"] for record in records([both.until(3 * day_ms)])] == [2]
    assert both.finished


BROKEN = {
    "no time": ("t.csv", "timestamp,value\n2014-01-01,1\nyesterday,2\n", r"t\.csv:3: .*'yesterday', expected an ISO"),
    "no column": ("t.csv", "timestamp,valeu\n2014-01-01,1\n", r"t\.csv:1: no column 'value'.*mean 'valeu'"),
    "short row": ("t.csv", "timestamp,value\n2014-01-01,1\n2014-01-02\n", r"t\.csv:3: row has 1 cells, expected 2"),
    "quoted lines": ("t.csv", 'timestamp,value\n2014-01-01,"a\nb"\nx,1\n', r"t\.csv:4: .*'x'"),
    "open quote": ("t.csv", 'timestamp,value\n2014-01-01,"a', r"t\.csv:2: broken CSV"),
    "empty": ("t.csv", "", r"t\.csv:1: file is empty, expected a header"),
    "only a header": ("t.csv", "timestamp,value\n", r"t\.csv: has no rows"),
    "before 1970": ("t.csv", "timestamp,value\n1914-01-01,1\n", r"t\.csv:2: .*from 1970 on"),
    "broken JSON": ("t.ndjson", '{"timestamp": "2014-01-01", "value": 1}\n{"time', r"t\.ndjson:2: broken JSON"),
    "no object": ("t.ndjson", "[1]\n", r"t\.ndjson:1: expected a JSON object, found list"),
    "no field": ("t.jsonl", '{"timestamp": "2014-01-01", "val": 1}', r"t\.jsonl:1: no column 'value'.*'val'"),
    "null time": ("t.ndjson", '{"timestamp": null, "value": 1}\n', r"t\.ndjson:1: .*holds None, expected an ISO"),
    "format": ("t.txt", "x", r"t\.txt: can't tell the format"),
    "no archive": ("t.npz", "x", r"t\.npz: no NPZ archive"),
}


@pytest.mark.parametrize(("name", "text", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_named_with_their_line(tmp_path, name, text, message):
    """An error says file and line, what was found and what was expected."""
    with pytest.raises(ReplayError, match=message):
        list(Replay(config(write(tmp_path / name, text))))


def test_broken_text_is_refused(tmp_path):
    """A file that is no UTF-8 is refused as such."""
    (tmp_path / "t.csv").write_bytes(b"timestamp,value\n2014-01-01,\xff\n")
    with pytest.raises(ReplayError, match="expected UTF-8"):
        Replay(config(tmp_path / "t.csv"))


def test_missing_files_are_refused(tmp_path):
    """The message holds the path and the system's reason."""
    with pytest.raises(ReplayError, match=r"gone\.csv: can't be read: No such file"):
        Replay(config(tmp_path / "gone.csv"))
    with pytest.raises(ReplayError, match=r"gone\.npz: can't be read: No such file"):
        Replay(config(tmp_path / "gone.npz"))


def test_declared_types_are_enforced(tmp_path):
    """A cell that is not of the declared type is an error with its line, not a guess."""
    path = write(tmp_path / "t.csv", "timestamp,value\n2014-01-01,1\n2014-01-02,nan\n")
    for kind, expected in {"float": "a finite number", "int": "a whole number", "bool": "true, false"}.items():
        with pytest.raises(ReplayError, match=rf":3: column 'value' holds 'nan', expected {expected}"):
            Replay(config(path, types={"value": kind}))


def test_arrays_of_unequal_length_are_refused(tmp_path):
    """Arrays that can't be columns of one table are named with their shapes; so are missing ones."""
    np.savez(tmp_path / "t.npz", timestamp=np.arange(3), value=np.arange(4))
    with pytest.raises(ReplayError, match=r"equal length, found .*\(3,\).*\(4,\)"):
        Replay(config(tmp_path / "t.npz", unit="s"))
    with pytest.raises(ReplayError, match=r"no column 'values'.*mean 'value'"):
        Replay(config(tmp_path / "t.npz", unit="s", mapping={"ts": "timestamp", "v": "values"}))


def test_damaged_archives_and_odd_arrays_are_refused(tmp_path):
    """An archive cut short, an array of objects and one that JSON can't hold are one clear error each."""
    path = tmp_path / "t.npz"
    np.savez(path, timestamp=np.arange(3.0), value=np.array([1j, 2, 3]))
    whole = path.read_bytes()
    with pytest.raises(ReplayError, match=r"array 'value' holds complex128, expected numbers or text"):
        Replay(config(path, unit="s"))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReplayError, match=r"t\.npz: no NPZ archive"):
        Replay(config(path, unit="s"))
    path.write_bytes(whole[:200].replace(b"<f8", b"<f9") + whole[200:])
    with pytest.raises(ReplayError, match=r"t\.npz: no NPZ archive"):
        Replay(config(path, unit="s"))
    np.savez(path, timestamp=np.arange(1), value=np.array([{}], object))
    with pytest.raises(ReplayError, match=r"t\.npz: no NPZ archive"):
        Replay(config(path, unit="s"))


def test_a_null_key_is_no_key(tmp_path):
    """A record whose key field is null has no key, rather than the text of a null."""
    path = write(tmp_path / "t.ndjson", '{"t": 1, "k": null}\n{"t": 2, "k": "x"}\n')
    [[outgoing]] = list(Replay(config(path, mapping={"ts": "t", "k": "k"}, unit="ms", key="k")))
    assert outgoing.records.keys == [None, b"x"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"mapping": {"value": "value"}}, "'ts' must be mapped"),
        ({"mapping": {"ts": "=5"}}, "'ts' must be mapped"),
        ({"key": "series"}, "'series' is not mapped"),
        ({"types": {"value": "double"}}, "'double', expected one of str, int, float, bool"),
        ({"unit": "min"}, "'min', expected one of s, ms, iso"),
        ({"speed": 0}, "speed must be positive, got 0"),
    ],
)
def test_wrong_configs_are_refused(tmp_path, change, found):
    """A replay that can't work is refused before a file is opened."""
    with pytest.raises(ValueError, match=found):
        config(tmp_path / "gone.csv", **change)
