"""Pages of what is held in memory: cursors that say behind which element the next page begins."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson

from pipeline.errors import UsageError

T = TypeVar("T")
Order = Sequence[int | str]


def encode_cursor(of: str, place: Order) -> str:
    """A place in a list as opaque text.

    Args:
        of: Which list, so that a cursor of another one is refused.
        place: Where in its order.
    """
    return base64.urlsafe_b64encode(orjson.dumps([of, *place])).rstrip(b"=").decode()


def decode_cursor(of: str, cursor: str) -> list[Any]:
    """The place that a cursor names.

    Raises:
        UsageError: If it is no cursor of this list.

    >>> decode_cursor("topics", encode_cursor("topics", ["payments"]))
    ['payments']
    """
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise UsageError(_advice(cursor)) from error
    if not isinstance(found, list) or len(found) < 2 or found[0] != of:
        raise UsageError(_advice(cursor))
    return found[1:]


def page(
    items: Sequence[T], order: Callable[[T], Order], *, of: str, cursor: str | None, limit: int
) -> tuple[list[T], str | None]:
    """A page of a list, and the cursor of the next one.

    Args:
        items: All of them, sorted by ``order``.
        order: Place of an element, unlike that of every other.
        of: Which list.
        cursor: Where the page before ended; ``None`` for the first one.
        limit: Most elements.

    Raises:
        UsageError: If the cursor is none of this list.

    >>> first, cursor = page(["a", "b", "c"], lambda name: [name], of="names", cursor=None, limit=2)
    >>> first, page(["a", "bb", "c"], lambda name: [name], of="names", cursor=cursor, limit=2)
    (['a', 'b'], (['bb', 'c'], None))
    """
    rest = list(items)
    if cursor is not None:
        after = decode_cursor(of, cursor)
        try:
            rest = [item for item in items if list(order(item)) > after]
        except TypeError as error:
            raise UsageError(_advice(cursor)) from error
    shown = rest[:limit]
    return shown, encode_cursor(of, order(shown[-1])) if len(rest) > limit else None


def _advice(cursor: str) -> str:
    return f"cursor {cursor!r} was not given out for this list; begin again without a cursor"
