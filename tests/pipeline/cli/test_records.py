"""What goes in by ``produce`` comes out by ``consume``, byte for byte."""

import base64
import os
import signal
import subprocess

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.cli.conftest import CONFIG, Shell

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"\r")), min_size=1, max_size=30)
TRICKY = [
    b"",
    b"\xff\xfe\x00",
    b"\xed\xa0\x80",
    b"a\rb\x0bc\x0c\x1c\x1d\x1e\x85",
    "\u2028\u2029 caf\u00e9".encode(),
    b'{"customer":"ann"}',
    b"\x1b[31mred\x1b]0;title\x07",
    b"null",
]


def content(record, name="value"):
    """The bytes of a field, however they were written."""
    if f"{name}_base64" in record:
        return base64.b64decode(record[f"{name}_base64"])
    return None if record[name] is None else record[name].encode()


@given(LINES)
@settings(max_examples=15)
def test_any_bytes_come_back(tmp_path_factory, lines):
    """Each line of standard input is one record, and consuming gives the same bytes, each once."""
    folder = tmp_path_factory.mktemp("round")
    config = folder / "shop.toml"
    config.write_text(CONFIG.format(log=folder / "shop.db"))
    shell = Shell(folder, config)
    shell.ok("produce", "orders", data=b"".join(line + b"\n" for line in lines))
    assert sorted(map(content, shell.ok("consume", "orders"))) == sorted(lines)


def test_tricky_lines_come_back_and_the_last_needs_no_line_feed(shell):
    """Empty lines, invalid UTF-8, separators of other alphabets and escapes are records like any other."""
    assert shell.ok("produce", "orders", data=b"\n".join(TRICKY)) == [{"topic": "orders", "records": 8, "keyed": 1}]
    assert sorted(map(content, shell.ok("consume", "orders"))) == sorted(TRICKY)


def test_keys_come_from_the_json_field_where_there_is_one(shell):
    """Text and whole numbers become keys; lines that do not parse, or lack the field, have none."""
    data = b'{"k":"ann"}\n{"k":7}\n{"k":true}\n{"k":1.5}\n{"k":null}\n["k"]\n{"k"\n{}\n\xff\n'
    assert shell.ok("produce", "orders", "--key-field", "k", data=data)[0]["keyed"] == 2
    keys = {content(record): content(record, "key") for record in shell.ok("consume", "orders")}
    assert {value: key for value, key in keys.items() if key is not None} == {b'{"k":"ann"}': b"ann", b'{"k":7}': b"7"}


def test_the_stream_decides_the_key_unless_told_otherwise(shell):
    """On a stream's topic its key field is the default, so records of a key share a partition; '' means none."""
    data = b'{"customer":"ann"}\n' * 5
    assert shell.ok("produce", "orders", data=data)[0]["keyed"] == 5
    assert len({record["partition"] for record in shell.ok("consume", "orders")}) == 1
    assert shell.ok("produce", "orders", "--key-field", "", data=data)[0]["keyed"] == 0


def test_produce_refuses_an_unknown_topic(shell):
    """A topic of neither configuration nor log is refused with the name that may have been meant."""
    shell.ok("produce", "orders", data=b"x\n")
    result = shell.run("produce", "ordres", data=b"x\n")
    assert result.exit_code == 3
    assert "did you mean 'orders'?" in result.stderr
    assert result.stderr.count("\n") == 1


def test_consume_refuses_what_is_not_there(shell):
    """Unknown topics, partitions, places and a missing log are each one line with their code."""
    missing = shell.run("consume", "orders")
    assert (missing.exit_code, "no event log" in missing.stderr) == (3, True)
    shell.ok("produce", "orders", data=b"x\n")
    cases = [
        (["ordres"], 3, "did you mean 'orders'?"),
        (["orders", "-p", "9"], 3, "no partition 9: it has 0 to 2"),
        (["orders", "--from", "yesterday"], 2, "'yesterday' is no moment"),
    ]
    for arguments, code, said in cases:
        result = shell.run("consume", *arguments)
        assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
        assert result.stderr.count("\n") == 1


def test_consume_starts_where_it_is_told(shell):
    """Start, end, offsets, times and a limit choose the records."""
    shell.ok("produce", "orders", data=b'{"customer":"ann"}\n' * 10)
    records = shell.ok("consume", "orders")
    stamp, partition = records[0]["timestamp_ms"], records[0]["partition"]
    assert [record["offset"] for record in records] == list(range(10))
    assert [record["offset"] for record in shell.ok("consume", "orders", "--from", "7")] == [7, 8, 9]
    assert shell.ok("consume", "orders", "--from", "end") == []
    assert shell.ok("consume", "orders", "--from", f"@{stamp}") == records
    assert shell.ok("consume", "orders", "--from", f"@{stamp + 100_000}") == []
    assert shell.ok("consume", "orders", "--from", "1h") == records
    assert shell.ok("consume", "orders", "-n", "4") == records[:4]
    assert shell.ok("consume", "orders", "-p", str(partition), "--from", "99") == []


def test_a_terminal_is_safe_from_what_records_hold(shell):
    """For people, control characters and bad bytes are escapes: one line a record, no escape sequence."""
    shell.ok("produce", "orders", "--key-field", "", data=b"\n".join(TRICKY))
    result = shell.run("consume", "orders", "--format", "table")
    assert result.exit_code == 0
    lines = result.stdout.split("\n")[:-1]
    assert len(lines) == len(TRICKY)
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[31mred" in result.stdout
    assert "\\xff\\xfe\\x00" in result.stdout
    assert "caf\u00e9" in result.stdout


def test_following_shows_records_as_they_come(shell):
    """A follower that came first sees what is produced later, and Ctrl-C ends it with code 0."""
    follower = shell.start("consume", "orders", "--follow", "--from", "start")
    assert shell.ok("produce", "orders", data=b"first\n")[0]["records"] == 1
    assert b'"first"' in follower.stdout.readline()
    assert shell.ok("produce", "orders", data=b"second\n")[0]["records"] == 1
    assert b'"second"' in follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    assert follower.communicate(timeout=20) == (b"", b"")
    assert follower.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_produce_with_all_whole_lines_appended(shell, number):
    """Whole lines are in the log when the signal comes, the begun one is left out, and the summary tells."""
    follower = shell.start("consume", "orders", "--follow", "--from", "start", "-n", "2")
    producer = shell.start("produce", "orders", stdin=subprocess.PIPE)
    os.write(producer.stdin.fileno(), b"one\ntwo\nbegun")
    assert {orjson.loads(follower.stdout.readline())["value"] for _ in range(2)} == {"one", "two"}
    producer.send_signal(number)
    out, err = producer.communicate(timeout=20)
    assert (producer.returncode, out, err) == (0, b'{"topic":"orders","records":2,"keyed":0}\n', b"")
    assert follower.wait(20) == 0
    follower.communicate()
    assert sorted(map(content, shell.ok("consume", "orders"))) == [b"one", b"two"]
