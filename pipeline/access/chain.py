"""The chain of the audit log: each record carries the hash of the one before. No files, no clock.

A record is a JSON text, its SHA-256 is its hash, and in the text stand its number, from 1, and the hash of the record
before. With a key each record also has a seal, an HMAC-SHA256 of its hash: without the key nobody can make a chain that
verifies. What a chain can't tell by itself is that its end is missing: for that compare with a head kept elsewhere.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pipeline.errors import UsageError

GENESIS: Final = "0" * 64


class Head(NamedTuple):
    """How far a chain goes: number and hash of its last record."""

    number: int = 0
    hash: str = GENESIS


class Entry(NamedTuple):
    """A record as it is stored."""

    number: int
    body: str
    hash: str
    seal: str | None = None


class Verdict(NamedTuple):
    """What a check found.

    Args:
        head: The last record that is as it was written.
        broken: Number of the first record that is not; ``None`` if all are.
        reason: What is wrong with it.
        sealed: Records whose seal was checked.
    """

    head: Head
    broken: int | None = None
    reason: str = ""
    sealed: int = 0


def canonical(value: Mapping[str, Any]) -> str:
    r"""JSON with sorted keys and nothing but ASCII, the same for equal values.

    Raises:
        ValueError: If a number is not finite.
        TypeError: If JSON has no such value.

    >>> canonical({"b": 1, "a": "\u00e9"})
    '{"a":"\\u00e9","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def link(head: Head, event: Mapping[str, Any], key: bytes | None = None) -> Entry:
    """The record of ``event`` behind ``head``.

    Args:
        head: The chain's end.
        event: What happened, JSON values; ``number`` and ``previous`` are set here.
        key: Seals the record.
    """
    number = head.number + 1
    body = canonical({**event, "number": number, "previous": head.hash})
    digest = _digest(body)
    return Entry(number, body, digest, None if key is None else _seal(digest, key))


def verify(
    entries: Iterable[Entry], *, end: Head | None = None, key: bytes | None = None, known: Iterable[Head] = ()
) -> Verdict:
    """Check a chain from its first record on.

    Args:
        entries: All records, in order.
        end: Where the chain is said to end; ``None`` if nothing says so.
        key: The seals' key; without it seals are not checked.
        known: Heads that were seen before: those records must still be there and the same.

    Cost: O(records) time, O(1) memory; about 10 µs a record.
    """
    wanted = {each.number: each.hash for each in known}
    head, sealed, was_sealed = Head(), 0, False
    for entry in entries:
        reason = _fault(head, entry) or _known(wanted, entry) or _unsealed(entry, was_sealed, key)
        if reason:
            return Verdict(head, head.number + 1, reason, sealed)
        was_sealed = entry.seal is not None
        sealed += was_sealed and key is not None
        head = Head(entry.number, entry.hash)
    return _ending(Verdict(head, sealed=sealed), end, wanted, unsealed=key is not None and not was_sealed)


def parse_head(text: str) -> Head:
    """A head as it was printed.

    Raises:
        UsageError: If it is none.
    """
    number, _, digest = text.partition(":")
    if not number.isdecimal() or len(digest) != 64:
        raise UsageError(f"{text!r} is no head of the audit log; write NUMBER:HASH as `audit verify` prints it")
    return Head(int(number), digest)


def _fault(head: Head, entry: Entry) -> str:
    """What is wrong with a record that should stand behind ``head``."""
    if entry.number != head.number + 1:
        return f"record {head.number + 1} is missing; record {entry.number} stands in its place"
    if not hmac.compare_digest(_digest(entry.body).encode(), entry.hash.encode()):
        return "its content is not what its hash was made of"
    try:
        content = json.loads(entry.body)
        claimed = (content["number"], content["previous"])
    except (ValueError, KeyError, TypeError):
        return "it is no audit record"
    if claimed != (entry.number, head.hash):
        return "it was not written behind the record that stands before it"
    return ""


def _known(wanted: Mapping[int, str], entry: Entry) -> str:
    hashed = wanted.get(entry.number)
    return "its hash is not the one that was seen before" if hashed not in {None, entry.hash} else ""


def _unsealed(entry: Entry, was_sealed: bool, key: bytes | None) -> str:
    if entry.seal is None:
        return "it has no seal, though the record before has one" if was_sealed else ""
    if key is not None and not hmac.compare_digest(_seal(entry.hash, key).encode(), entry.seal.encode()):
        return "its seal was not made with the key"
    return ""


def _ending(found: Verdict, end: Head | None, wanted: Mapping[int, str], *, unsealed: bool) -> Verdict:
    """Whether the chain ends where it should."""
    head = found.head
    expected = max([end.number if end else 0, *wanted])
    if expected > head.number:
        reason = f"the log ends after record {head.number}, and once went on to record {expected}"
        return found._replace(broken=head.number + 1, reason=reason)
    if end is not None and end != head:
        reason = f"the log says that it ends with record {end.number}, and goes on to record {head.number}"
        return found._replace(broken=min(end.number + 1, head.number), reason=reason)
    if unsealed and head.number:
        return found._replace(broken=head.number, reason="it has no seal, though there is a key")
    return found


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _seal(digest: str, key: bytes) -> str:
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()
