"""Notices as others read them: payload, headers, schema."""

import json
import re
from pathlib import Path

import pytest

from pipeline.errors import StateError
from pipeline.incidents.events import Command, decode_event
from pipeline.incidents.records import decode_notice, decode_record, encode_notice, notice_schema
from tests.pipeline.incidents.lives import START, Life, alert

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "docs" / "schemas" / "notice.schema.json"


def notice():
    life = Life()
    life.at(0, alert("a"))
    return life.notices[0]


def test_a_notice_comes_back_as_it_went():
    """Every notice of a life, storms included, survives its own bytes."""
    life = Life()
    for n in range(8):
        life.at(n, alert(f"a{n}"))
    life.at(10**9)
    assert {each.kind for each in life.notices} == {"opened", "storm-began", "storm-ended", "resolved"}
    assert [decode_notice(encode_notice(each, "app").value) for each in life.notices] == life.notices


def test_headers_are_cloudevents():
    """Id, type, subject and time stand in the headers, so that notices can be routed unread."""
    told = notice()
    key, _, headers = encode_notice(told, "my app")
    assert key == told.incident.id.encode()
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": told.id.encode(),
        "ce_source": b"/streamgauge/my%20app",
        "ce_type": b"streamgauge.incident.v1",
        "ce_subject": told.incident.id.encode(),
        "ce_time": b"2023-11-14T22:13:20.000Z",
        "content-type": b"application/json",
    }
    assert told.time_ms == START


def test_schema_file_is_current_and_names_the_fields():
    """The published schema is the one that the types give, and a notice has exactly its properties."""
    command = "python -c 'import sys, pipeline.incidents.records as r; sys.stdout.buffer.write(r.notice_schema())'"
    assert SCHEMA.read_bytes() == notice_schema(), f"write it anew: {command} > docs/schemas/notice.schema.json"
    described = json.loads(notice_schema())["$defs"]
    body = json.loads(encode_notice(notice(), "app").value)
    assert set(described["Notice"]["properties"]) == set(body)
    assert set(described["Incident"]["properties"]) == set(body["incident"])


@pytest.mark.parametrize("decode", [decode_notice, decode_record, decode_event])
@pytest.mark.parametrize("value", [b"", b"[]", b"\xff", b'{"kind": "what"}'])
def test_what_is_none_is_one_clear_error(decode, value):
    """Anything else on a topic is said as such."""
    with pytest.raises(StateError):
        decode(value)


def test_the_commands_of_the_docs_are_commands():
    """Each line shown is read, and each kind of command is shown."""
    (block,) = re.findall(r"^```json\n(.*?)^```", (ROOT / "docs" / "alerts.md").read_text(), re.DOTALL | re.MULTILINE)
    shown = {type(decode_event(line.encode())) for line in block.splitlines()}
    assert shown == set(Command.__args__)
