"""What streams, rules and series detectors are. Values only."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

FieldType = Literal["str", "int", "float", "bool", "ints"]
Severity = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A typed field of a stream's records.

    Args:
        name: As in the JSON object.
        type: ``ints`` is a list of whole numbers of fixed length ``width``.
        optional: A missing or null value is then allowed: text becomes ``""``, a number becomes NaN in a float column.
        unit: Resolution with which a ``float`` is summed.
        width: Length of an ``ints`` list.
    """

    name: str
    type: FieldType
    optional: bool = False
    unit: float = 0.001
    width: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamSpec:
    """A stream of JSON records on one topic.

    Args:
        name: Unique in the app.
        topic: Topic of the log.
        partitions: How many the topic has.
        key: Field that is the record's key, or ``None`` if records have no key.
        time: Field with the event time, Unix ms.
        id: Field with the record's own id, for evidence; ``None`` if there is none.
        fields: Its typed fields by name; unknown fields of a record are ignored.
        earliest_ms: An event time below it is absurd, and the record rejected. Set to a time after 1970, it finds
            seconds that were sent as milliseconds.
        max_ahead_ms: An event time further than this after the append time is absurd, and the record rejected.
        max_bytes: A longer payload is rejected.
        idle_advance_ms: If set, after so long without records the worker lets event time follow the wall clock.
        retention_ms: Age beyond which the log may drop records of the topic, its dead letters and late records.
        retention_bytes: Size of a partition of the topic beyond which the log may drop its oldest records.
        types: Values of the field ``type`` by which its records are told apart in a file that mixes streams.
    """

    name: str
    topic: str
    partitions: int
    key: str | None
    time: str
    id: str | None
    fields: Mapping[str, Field]
    earliest_ms: int = 1
    max_ahead_ms: int = 600_000
    max_bytes: int = 65_536
    idle_advance_ms: int | None = None
    retention_ms: int = 604_800_000
    retention_bytes: int | None = None
    types: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleSpec:
    """A condition over a table's columns and the record's fields, for each record.

    Fires at the first record of a key for which it is true; again only ``cooldown_ms`` of event time later, and in a
    tumbling table once a window.

    Args:
        name: Unique in the app.
        table: The table whose measures it reads.
        when: The condition, in the language of ``agents.language.expression``.
        severity: One of ``SEVERITIES``.
        cooldown_ms: ``None`` means the length of the table's window.
        description: What it means, for people.
    """

    name: str
    table: str
    when: str
    severity: Severity
    cooldown_ms: int | None = None
    description: str = ""

    @property
    def version(self) -> str:
        """Hash of the definition, 8 hexadecimal digits."""
        return _digest(repr((self.table, self.when, self.severity, self.cooldown_ms)))


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorSpec:
    """A series detector on a measured series, or on a measure of a tumbling table's closed windows.

    Args:
        name: Unique in the app.
        kind: Name of a class in the registry of ``detectors``.
        stream: Stream with raw samples; exclusive with ``table``.
        table: Tumbling table whose closed windows are the samples; each key is a series.
        by: Field that names the series (``stream`` only).
        value: Field of the stream, or measure of the table, that is scored.
        threshold: A score at or above it is an alert.
        clear: The alert may fire again only once the score fell below this (hysteresis); ``None`` means ``threshold``.
        direction: Which deviations count.
        severity: One of ``SEVERITIES``.
        rest: Share of a series' samples so far for which it must stay below the threshold before it fires again.
        calibration: Field of the stream with how many first samples of the series only teach; ``None`` if none do.
        params: Keyword arguments of the detector's class.
        description: What it means, for people.
    """

    name: str
    kind: str
    value: str
    threshold: float
    severity: Severity
    stream: str | None = None
    table: str | None = None
    by: str | None = None
    clear: float | None = None
    direction: Literal["both", "up", "down"] = "both"
    rest: float = 0.0
    calibration: str | None = None
    params: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    description: str = ""

    @property
    def version(self) -> str:
        """Hash of the definition, 8 hexadecimal digits."""
        parts = (self.kind, self.stream, self.table, self.by, self.value, self.threshold, self.clear, self.direction)
        more = (self.rest, self.calibration) if self.rest or self.calibration else ()
        return _digest(repr((parts + more, sorted(self.params.items()))))


@lru_cache
def _digest(definition: str) -> str:
    return hashlib.blake2b(definition.encode(), digest_size=4).hexdigest()
