"""Cursors: where a page ended, as an opaque text."""

import base64
import binascii
from collections.abc import Sequence

import msgspec

from pipeline.errors import UsageError
from pipeline.readmodel.questions import MAX_LIMIT

Place = int | str


def encode_cursor(question: str, place: Sequence[Place]) -> str:
    """The place in an order as a text that fits a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode([question, *place])).decode().rstrip("=")


def decode_cursor(question: str, cursor: str, kinds: Sequence[type]) -> list[Place]:
    """The place that a cursor names.

    Args:
        question: What it was made for.
        cursor: As given out.
        kinds: Types of the parts of a place.

    Raises:
        UsageError: If it is no cursor of this question.

    >>> decode_cursor("alerts", encode_cursor("alerts", [5, "a"]), [int, str])
    [5, 'a']
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        of, *place = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=list[Place])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise UsageError(_advice(cursor)) from error
    if of != question or [type(part) for part in place] != list(kinds):
        raise UsageError(_advice(cursor))
    return place


def checked_limit(limit: int) -> int:
    """The limit, if it may be asked for.

    Raises:
        UsageError: If not.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"limit must be between 1 and {MAX_LIMIT:,}, got {limit}")
    return limit


def _advice(cursor: str) -> str:
    return f"cursor '{cursor}' was not given out for this list; begin again without a cursor"
