"""Incidents as records: the compacted state, and notices for whoever is to be told.

Notices carry CloudEvents 1.0 headers as alerts do; ``docs/schemas/notice.schema.json`` is made from the types.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

import msgspec
import orjson

from pipeline.alerts import CONTENT_TYPE, EncodedAlert
from pipeline.errors import StateError
from pipeline.incidents.draft import Draft
from pipeline.incidents.model import Notice, Record, State
from pipeline.incidents.settings import IncidentSettings

EVENT_TYPE: Final = "streamgauge.incident.v1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_decode_notice = msgspec.json.Decoder(Notice).decode


def encode_record(record: Record | None) -> bytes | None:
    """A record of the state topic; ``None`` is a tombstone."""
    return None if record is None else _encode(record)


def decode_record(value: bytes) -> Record:
    """A record of the state topic.

    Raises:
        StateError: If this version can't read it.
    """
    try:
        return _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(
            f"state of incidents can't be read: {error}; was it written by a newer version? `streamgauge reset "
            "--alerts` starts anew"
        ) from error


def restore(records: Iterable[tuple[str, Record]], settings: IncidentSettings) -> State:
    """The state that records of the compacted topic add up to, the newest of each key, in any order."""
    draft = Draft(State(), settings)
    for key, record in records:
        draft.load(key, record)
    draft.look_ahead()
    return draft.state()


def encode_notice(notice: Notice, app: str) -> EncodedAlert:
    """A notice as a record, keyed by its incident or storm so that what is told of one stays in order."""
    subject = notice.incident.id if notice.incident else notice.storm.id if notice.storm else ""
    time = (_EPOCH + timedelta(milliseconds=notice.time_ms)).isoformat(timespec="milliseconds")
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": notice.id,
        "ce_source": f"/streamgauge/{quote(app, safe='')}",
        "ce_type": EVENT_TYPE,
        "ce_subject": subject,
        "ce_time": time.replace("+00:00", "Z"),
    }
    headers = [(name, text.encode()) for name, text in attributes.items()]
    return EncodedAlert(subject.encode(), _encode(notice), [*headers, ("content-type", CONTENT_TYPE)])


def decode_notice(value: bytes | None) -> Notice:
    """A notice of the topic.

    Raises:
        StateError: If it is none.
    """
    try:
        return _decode_notice(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(f"notice can't be read: {error}; expected docs/schemas/notice.schema.json") from error


def notice_schema() -> bytes:
    """The JSON Schema of a notice, as it stands in ``docs/schemas``."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": EVENT_TYPE}
    return orjson.dumps(head | msgspec.json.schema(Notice), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
