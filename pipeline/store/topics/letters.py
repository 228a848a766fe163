"""Refused records: the newest ones, with the reason."""

from collections.abc import Sequence
from typing import Final

from agents.events import Chunk, Headers
from pipeline.config.model import AppConfig
from pipeline.deadletter import PREFIX, dead_letter_topic, parse_dead_letter
from pipeline.errors import StateError
from pipeline.plan import delivery_dead_letters, source_topics, topic_specs
from pipeline.readmodel.questions import LettersAsked, Slice, StoredLetter
from pipeline.store.conditions import Conditions, folded
from pipeline.store.cursors import checked_limit, decode_cursor, encode_cursor
from pipeline.store.database import Database, Writer, clean
from pipeline.store.schema import take_number

LETTERS_KEPT: Final = 50_000
UNDELIVERED: Final = "undelivered"
"""Reason of a message that a destination did not take."""

_PAYLOAD_BYTES: Final = 4_096
_COLUMNS: Final = ("topic", "part", "place", "time_ms", "reason", "error", "message", "origin", "key", "payload")
_ORDER: Final = "time_ms DESC, topic DESC, part DESC, place DESC"


def letter_topics(config: AppConfig) -> tuple[str, ...]:
    """Every topic of refused records that the application may have; internal ones get theirs when it is needed."""
    named = {spec.name for spec in topic_specs(config) if spec.name.endswith(dead_letter_topic(""))}
    made_later = {dead_letter_topic(topic) for topic in source_topics(config)}
    return tuple(sorted(named | made_later | {delivery_dead_letters(config.name)}))


class LetterFeed:
    """Keeps refused records.

    Args:
        topics: Their topics.
        kept: Most of them kept; those that came first go first.
    """

    def __init__(self, topics: Sequence[str], *, kept: int = LETTERS_KEPT) -> None:
        self.topics = topics
        self.first: int | None = kept
        self._kept = kept

    def clear(self, writer: Writer) -> None:
        """Forget all of them."""
        writer.run("DELETE FROM letters")

    def take(self, writer: Writer, chunks: Sequence[Chunk]) -> int:
        """Keep what is new."""
        found: list[StoredLetter] = []
        unreadable = 0
        for chunk in chunks:
            for at in range(len(chunk)):
                try:
                    found.append(_letter(chunk, at))
                except StateError:
                    unreadable += 1
        if found:
            found.sort(key=lambda letter: letter.time_ms)
            last = self._insert(writer, found)
            writer.run("DELETE FROM letters WHERE number <= $1", [last - self._kept])
        return unreadable

    def _insert(self, writer: Writer, letters: list[StoredLetter]) -> int:
        first = take_number(writer, "letter", len(letters))
        names = {"part": "partition", "place": "offset"}
        columns = {name: [getattr(letter, names.get(name, name)) for letter in letters] for name in _COLUMNS}
        own = {
            "number": [*range(first, first + len(letters))],
            "folded": [folded(letter.message, letter.key, letter.payload) for letter in letters],
        }
        writer.insert("letters", columns | own)
        return first + len(letters) - 1


def _letter(chunk: Chunk, at: int) -> StoredLetter:
    headers: Headers = () if chunk.headers is None else chunk.headers[at]
    key = chunk.keys[at]
    reason, error, message, origin = _why(headers)
    return StoredLetter(
        topic=chunk.topic,
        partition=chunk.partition,
        offset=int(chunk.offsets[at]),
        time_ms=int(chunk.timestamps_ms[at]),
        reason=clean(reason),
        error=clean(error),
        message=clean(message),
        origin=clean(origin),
        key=None if key is None else clean(key.decode(errors="replace")),
        payload=clean((chunk.values[at] or b"")[:_PAYLOAD_BYTES].decode(errors="replace")),
    )


def _why(headers: Headers) -> tuple[str, str, str, str]:
    """Reason, error, message and origin."""
    ours = {name.removeprefix(PREFIX): value.decode(errors="replace") for name, value in headers if PREFIX in name}
    if "destination" in ours:
        return UNDELIVERED, ours["destination"], ours.get("reason", ""), ""
    letter = parse_dead_letter(headers)
    origin = letter.origin
    return letter.reason, letter.error, letter.message, f"{origin.topic}/{origin.partition}@{origin.offset}"


def find_letters(database: Database, asked: LettersAsked) -> Slice[StoredLetter]:
    """Refused records, newest first."""
    limit = checked_limit(asked.limit)
    chosen = Conditions()
    chosen.any_of("topic", asked.topics)
    chosen.any_of("reason", asked.reasons)
    chosen.holds("folded", asked.text)
    if asked.cursor is not None:
        place = decode_cursor("letters", asked.cursor, [int, str, int, int])
        chosen.add("(time_ms, topic, part, place) < (?, ?, ?, ?)", *place)
    sql = (
        f"SELECT {', '.join(_COLUMNS)} FROM letters WHERE number IN "  # noqa: S608 - names and parameters of ours
        f"(SELECT number FROM letters {chosen.where()} ORDER BY {_ORDER} LIMIT {limit + 1}) ORDER BY {_ORDER}"
    )
    rows = [
        StoredLetter(
            topic=topic,
            partition=part,
            offset=place,
            time_ms=time_ms,
            reason=reason,
            error=error,
            message=message,
            origin=origin,
            key=key,
            payload=payload,
        )
        for topic, part, place, time_ms, reason, error, message, origin, key, payload in database.read(
            sql, chosen.values
        )
    ]
    last = rows[limit - 1] if len(rows) > limit else None
    cursor = None if last is None else encode_cursor("letters", [last.time_ms, last.topic, last.partition, last.offset])
    return Slice(rows=rows[:limit], next_cursor=cursor)


def letter_counts(database: Database) -> dict[tuple[str, str], int]:
    """How many refused records are kept, by topic and reason."""
    sql = "SELECT topic, reason, count(*) FROM letters GROUP BY topic, reason ORDER BY topic, reason"
    return {(str(topic), str(reason)): int(count) for topic, reason, count in database.read(sql)}
