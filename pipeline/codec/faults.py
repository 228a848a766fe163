"""Why a record is refused: what must not reach the parser, and what the parser found."""

import re
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np

MAX_DEPTH = 500  # fixed, because the interpreter's own limit depends on how deep the caller's stack is

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive and never failing: linear on any input
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_RANGE = re.compile(r"Expected `(?:int|float)` [<>]|Number out of range|Integer value out of range")


class Reason(StrEnum):
    """Why a record was refused; the header of its dead letter, and what rejects are counted by."""

    ABSURD_TIME = "absurd-time"
    BAD_JSON = "bad-json"
    INVALID_UTF8 = "invalid-utf8"
    MISSING_FIELD = "missing-field"
    NULL = "null"
    OUT_OF_RANGE = "out-of-range"
    POISON = "poison"  # decoded, but raised an error whenever it was processed
    TOO_LONG = "too-long"
    WRONG_TYPE = "wrong-type"


@dataclass(frozen=True, slots=True)
class Reject:
    """A refused record: its index in the chunk, its offset, why, the class of the error, and a sentence for people."""

    index: int
    offset: int
    reason: Reason
    error: str
    message: str


Fault = tuple[Reason, str, str]
"""The last three of a ``Reject``."""


def screen(value: bytes | None, max_bytes: int) -> Fault | None:
    """What must not reach the parser, or what it would let pass."""
    if value is None:
        return (Reason.NULL, "TypeError", "record has no payload, expected a JSON object")
    if len(value) > max_bytes:
        message = f"payload of {len(value)} bytes, at most {max_bytes} are allowed"
        return (Reason.TOO_LONG, "ValueError", message)
    try:
        value.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start} of the payload is no valid UTF-8: {error.reason}"
        return (Reason.INVALID_UTF8, "UnicodeDecodeError", message)
    if _too_deep(value):
        return (Reason.BAD_JSON, "RecursionError", f"payload is nested more than {MAX_DEPTH} levels deep")
    return None


def fault_of(error: Exception, time: str) -> Fault:
    """Name what the parser found, where ``time`` is the field of the event time. The wording is pinned by tests."""
    message, name = str(error), type(error).__name__
    if not isinstance(error, msgspec.ValidationError):
        return (Reason.BAD_JSON, name, f"payload is no JSON object: {message}")
    if message == "Expected `object`, got `null`":
        return (Reason.NULL, name, "payload is null, expected a JSON object")
    if message.startswith("Object missing required field"):
        return (Reason.MISSING_FIELD, name, message)
    if not _RANGE.match(message):
        return (Reason.WRONG_TYPE, name, message)
    is_time = message.endswith(f" - at `$.{time}`")
    return (Reason.ABSURD_TIME if is_time else Reason.OUT_OF_RANGE, name, message)


def _too_deep(value: bytes) -> bool:
    """Whether the brackets outside of strings nest deeper than ``MAX_DEPTH``; exact for valid JSON."""
    if len(value) <= 2 * MAX_DEPTH or value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    brackets = np.frombuffer(_STRING.sub(b"", value).translate(None, _NOT_BRACKETS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    return bool(np.cumsum(steps).max(initial=0) > MAX_DEPTH)
