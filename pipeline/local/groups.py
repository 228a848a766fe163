"""Consumer groups of a local log: positions, members, leases with epochs. All inside the caller's transaction.

A lease is a row that says who owns a partition and with which epoch. It is void only once another member took it over,
which raises the epoch: a late owner that nobody replaced still owns. A row is never deleted, so no epoch comes twice.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from agents.events import TopicPartition
from pipeline.errors import FencedError, LogError, UsageError
from pipeline.local.catalog import Catalog
from pipeline.local.sharing import shares
from pipeline.log.api import Committed, Fence, Lease

_NOBODY = ""


class Heartbeat(NamedTuple):
    """A member says that it lives: ``now_ms`` is Unix ms, and it is believed for ``ttl_ms``."""

    group: str
    member: str
    topics: tuple[str, ...]
    now_ms: int
    ttl_ms: int


class _Held(NamedTuple):
    """Who owns a partition; ``_NOBODY`` when it was given up."""

    member: str
    epoch: int


def move(connection: sqlite3.Connection, group: str, offsets: Mapping[int, int], now_ms: int) -> None:
    """Set the positions of ``group`` by partition row."""
    connection.executemany(
        "INSERT INTO positions (group_name, partition, offset, committed_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET offset = excluded.offset, committed_ms = excluded.committed_ms",
        [(group, row, offset, now_ms) for row, offset in offsets.items()],
    )


def check(connection: sqlite3.Connection, fence: Fence, row: int) -> None:
    """Let only the newest owner pass.

    Raises:
        FencedError: If ``fence`` is not the newest lease of its partition.
    """
    found = connection.execute(
        "SELECT member, epoch FROM leases WHERE group_name = ? AND partition = ?", (fence.group, row)
    ).fetchone()
    if found != (fence.member, fence.epoch):
        owner = f"{found[0] or 'nobody'} with epoch {found[1]}" if found else "nobody"
        raise FencedError(
            f"{fence.member} with epoch {fence.epoch} no longer owns {fence.source} for group {fence.group}: "
            f"its owner is {owner} now; drop what was not committed and renew"
        )


def renew(connection: sqlite3.Connection, catalog: Catalog, beat: Heartbeat) -> dict[int, int]:
    """See ``Log.renew``.

    Returns:
        Epochs of the member's partitions, by partition row.
    """
    if beat.member == _NOBODY or beat.ttl_ms <= 0:
        raise UsageError(f"a member needs a name and a positive ttl_ms, got {beat.member!r} and {beat.ttl_ms}")
    subscriptions = _heard(connection, beat)
    partitions = {topic: catalog.topic(topic).rows for topic in sorted(set().union(*subscriptions.values()))}
    topic_of = {row: topic for topic, rows in partitions.items() for row in rows}
    leases = _leases(connection, beat.group)
    live = {row: held for row, held in leases.items() if row in topic_of and held.member in subscriptions}
    held = Counter((topic_of[row], lease.member) for row, lease in live.items())
    allowed = shares({topic: len(rows) for topic, rows in partitions.items()}, subscriptions, held)
    mine: dict[int, int] = {}
    for topic in sorted(set(beat.topics)):
        share = allowed[topic, beat.member]
        kept = [row for row in partitions[topic] if row in live and live[row].member == beat.member][:share]
        free = [row for row in partitions[topic] if row not in live]
        mine |= {row: leases[row].epoch for row in kept}
        mine |= {row: leases[row].epoch + 1 if row in leases else 1 for row in free[: share - len(kept)]}
    _give_up(
        connection, beat, [row for row, lease in leases.items() if lease.member == beat.member and row not in mine]
    )
    _hold(connection, beat, mine)
    return mine


def leave(connection: sqlite3.Connection, group: str, member: str) -> None:
    """Forget a member and free what it holds."""
    connection.execute("DELETE FROM members WHERE group_name = ? AND member = ?", (group, member))
    connection.execute(
        "UPDATE leases SET member = ?, expires_ms = 0 WHERE group_name = ? AND member = ?", (_NOBODY, group, member)
    )


def committed(connection: sqlite3.Connection, group: str) -> dict[TopicPartition, Committed]:
    """See ``Log.committed``."""
    rows = connection.execute(
        "SELECT name, partitions.partition, offset, committed_ms FROM positions"
        " JOIN partitions ON partitions.id = positions.partition JOIN topics ON topics.id = topic"
        " WHERE group_name = ? ORDER BY 1, 2",
        (group,),
    )
    return {
        TopicPartition(name, partition): Committed(offset, committed_ms)
        for name, partition, offset, committed_ms in rows
    }


def leases(connection: sqlite3.Connection, group: str) -> list[Lease]:
    """See ``Log.leases``; a lease that expired but was not taken over yet is still its member's."""
    rows = connection.execute(
        "SELECT name, partitions.partition, member, epoch, expires_ms FROM leases"
        " JOIN partitions ON partitions.id = leases.partition JOIN topics ON topics.id = topic"
        " WHERE group_name = ? AND member != ? ORDER BY 1, 2",
        (group, _NOBODY),
    )
    return [
        Lease(TopicPartition(name, partition), member, epoch, expires_ms)
        for name, partition, member, epoch, expires_ms in rows
    ]


def members(connection: sqlite3.Connection, group: str, now_ms: int) -> list[str]:
    """See ``Log.members``."""
    query = "SELECT member FROM members WHERE group_name = ? AND expires_ms > ? ORDER BY member"
    return [member for (member,) in connection.execute(query, (group, now_ms))]


def delete(connection: sqlite3.Connection, group: str, now_ms: int) -> None:
    """See ``Log.delete_group``; who owned a partition can't commit any more.

    Raises:
        LogError: If the group has living members.
    """
    living = members(connection, group, now_ms)
    if living:
        raise LogError(f"group {group!r} has members: end {', '.join(living)} before it is deleted")
    connection.execute("DELETE FROM positions WHERE group_name = ?", (group,))
    connection.execute("DELETE FROM members WHERE group_name = ?", (group,))
    connection.execute(
        "UPDATE leases SET member = ?, epoch = epoch + 1, expires_ms = 0 WHERE group_name = ?", (_NOBODY, group)
    )


def names(connection: sqlite3.Connection) -> list[str]:
    """See ``Log.groups``."""
    query = (
        "SELECT group_name FROM positions UNION SELECT group_name FROM members"
        " UNION SELECT group_name FROM leases WHERE member != ? ORDER BY 1"
    )
    return [name for (name,) in connection.execute(query, (_NOBODY,))]


def _heard(connection: sqlite3.Connection, beat: Heartbeat) -> dict[str, Collection[str]]:
    """Note the heartbeat, forget members that were silent for too long; topics of each live member."""
    connection.execute("DELETE FROM members WHERE group_name = ? AND expires_ms <= ?", (beat.group, beat.now_ms))
    connection.execute(
        "INSERT OR REPLACE INTO members (group_name, member, topics, expires_ms) VALUES (?, ?, ?, ?)",
        (beat.group, beat.member, json.dumps(sorted(set(beat.topics))), beat.now_ms + beat.ttl_ms),
    )
    rows = connection.execute("SELECT member, topics FROM members WHERE group_name = ?", (beat.group,))
    return {member: frozenset(json.loads(topics)) for member, topics in rows}


def _leases(connection: sqlite3.Connection, group: str) -> dict[int, _Held]:
    rows = connection.execute("SELECT partition, member, epoch FROM leases WHERE group_name = ?", (group,))
    return {row: _Held(member, epoch) for row, member, epoch in rows}


def _give_up(connection: sqlite3.Connection, beat: Heartbeat, rows: list[int]) -> None:
    connection.executemany(
        "UPDATE leases SET member = ?, expires_ms = 0 WHERE group_name = ? AND partition = ?",
        [(_NOBODY, beat.group, row) for row in rows],
    )


def _hold(connection: sqlite3.Connection, beat: Heartbeat, epochs: Mapping[int, int]) -> None:
    connection.executemany(
        "INSERT INTO leases (group_name, partition, member, epoch, expires_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET member = excluded.member, epoch = excluded.epoch, expires_ms = excluded.expires_ms",
        [(beat.group, row, beat.member, epoch, beat.now_ms + beat.ttl_ms) for row, epoch in epochs.items()],
    )
