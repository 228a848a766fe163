"""What people say of alerts: fraud or not, as records of the topic ``<app>-labels``, and for scores to learn from.

A score learns from labels on its payments' own topic, in the form that its configuration names and under the key of
the payment, so that they reach the payment's partition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agents.events import Chunk, Outgoing, Records, TopicPartition
from agents.risk.spec import TYPE_FIELD, RiskSpec
from agents.spec import StreamSpec
from pipeline.config.model import AppConfig
from pipeline.errors import OffsetOutOfRangeError, UnknownTopicError
from pipeline.log import Log
from pipeline.log.api import TopicSpec
from pipeline.plan import labels_topic


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A person's word about the record that fired an alert.

    Args:
        alert: The alert, as in ``docs/schemas/alert.schema.json``.
        fraud: Whether it was fraud.
        by: Who says so.
        time_ms: When, Unix ms.
    """

    alert: Mapping[str, Any]
    fraud: bool
    by: str
    time_ms: int

    @property
    def record(self) -> str:
        """The record's own id; where its stream has none, ``topic/partition@offset``."""
        source = self.alert["source"]
        return source["id"] or f"{source['topic']}/{source['partition']}@{source['offset']}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """What became of a label.

    Args:
        topics: Where it was written.
        note: Why a score can't learn from it; empty if all that are there can, or none is.
    """

    topics: tuple[str, ...]
    note: str = ""


async def send_label(config: AppConfig, log: Log, label: Label) -> Labelled:
    """Write a label down, and tell the scores of the alert's stream. Makes the topic if it is missing.

    Raises:
        LogError: If the log can't be read or written.

    Cost: one append; where a score learns, one fetch of the labelled record.
    """
    topic = labels_topic(config.name)
    await log.create_topic(TopicSpec(name=topic, partitions=1, retention_ms=None))
    outgoing = [Outgoing(topic, 0, Records(values=[_document(label)], keys=[label.record.encode()]))]
    note = ""
    scores = [score for score in config.scores.values() if score.stream == label.alert["stream"]]
    if scores:
        stream = config.streams[scores[0].stream]
        payment = await _record(log, label)
        if payment is None:
            note = f"the record is gone from {label.alert['source']['topic']}, so no score can learn from the label"
        else:
            outgoing += _for_scores(scores, stream, payment, label)
    await log.append(outgoing)
    return Labelled(topics=tuple(dict.fromkeys(each.topic for each in outgoing)), note=note)


def _document(label: Label) -> bytes:
    return orjson.dumps(
        {
            "type": "label",
            "id": label.record,
            "ts": label.time_ms,
            "fraud": label.fraud,
            "alert": label.alert["id"],
            "by": label.by,
        }
    )


async def _record(log: Log, label: Label) -> Chunk | None:
    """The record that fired, first in a chunk; ``None`` if retention or compaction removed it."""
    source = label.alert["source"]
    place = TopicPartition(source["topic"], source["partition"])
    try:
        chunks = await log.fetch({place: source["offset"]}, max_bytes=1)
    except (OffsetOutOfRangeError, UnknownTopicError):
        return None
    found = next((chunk for chunk in chunks if len(chunk)), None)
    return found if found is not None and int(found.offsets[0]) == source["offset"] else None


def _for_scores(scores: list[RiskSpec], stream: StreamSpec, payment: Chunk, label: Label) -> list[Outgoing]:
    """One label for each way in which scores want theirs, beside the payment."""
    record_id: Any = label.record
    if stream.id is not None and stream.fields[stream.id].type != "str":
        record_id = int(label.record)
    values = []
    for wanted in dict.fromkeys((score.labels.type, score.labels.field) for score in scores):
        kind, field = wanted
        said = label.fraud if stream.fields[field].type == "bool" else int(label.fraud)
        values.append(
            orjson.dumps({TYPE_FIELD: kind, stream.id or "id": record_id, stream.time: label.time_ms, field: said})
        )
    records = Records(values=values, keys=[payment.keys[0]] * len(values))
    return [Outgoing(payment.topic, payment.partition, records)]
