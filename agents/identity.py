"""Ids that depend on nothing but what fired and where, so that a replay gives the same ones."""

from functools import lru_cache
from hashlib import blake2b

from agents.events import RecordRef


def alert_id(rule: str, version: str, key: str, source: RecordRef, *, window_start_ms: int | None = None) -> str:
    """The id of the alert that ``rule`` raises for ``key`` at the record ``source``.

    Equal parts give equal ids in every process and on every machine. The record's own id is no part of it: a producer
    that sends an id twice has still sent two records.

    Args:
        rule: Name of the rule or series detector.
        version: Hash of its definition.
        key: Key of the table, or name of the series.
        source: The record that fired.
        window_start_ms: Start of the closed window that fired: one record can close several windows of a key.

    Returns:
        32 hexadecimal digits.

    Cost: About 2 µs.

    >>> alert_id("rapid", "0a1b2c3d", "acc-1", RecordRef("payments", 3, 42, None))
    '9e58515a03aecdbe3e9e4dac0aab5d7d'
    """
    digest = _begun(rule, version).copy()
    digest.update(_part(key) + _place(source.topic, source.partition) + _part(str(source.offset)))
    if window_start_ms is not None:
        digest.update(_part(str(window_start_ms)))
    return digest.hexdigest()


@lru_cache(maxsize=1_024)
def _place(topic: str, partition: int) -> bytes:
    """The parts that records of a partition share."""
    return _part(topic) + _part(str(partition))


@lru_cache(maxsize=1_024)
def _begun(rule: str, version: str) -> blake2b:
    """The digest of what all alerts of a rule share; to be copied."""
    return blake2b(_part(rule) + _part(version), digest_size=16)


def _part(text: str) -> bytes:
    """A part, prefixed by its length, else ("ab", "c") and ("a", "bc") were one."""
    data = text.encode("utf-8", "surrogatepass")  # a lone surrogate is legal in JSON
    return len(data).to_bytes(4, "big") + data
