"""Follows topics into the store: what was read and how far it was read are written together."""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from agents.events import Chunk, TopicPartition
from pipeline.errors import OffsetOutOfRangeError, UnknownTopicError
from pipeline.log.api import Log, PartitionInfo
from pipeline.readmodel.tail import TopicTail, last_records
from pipeline.store.database import Database, Writer
from pipeline.store.topics.feed import Feed

T = TypeVar("T")
_NO_MARK: Final = -1


class Follower:
    """Brings feeds up to date with their topics.

    After a restart it goes on where the last transaction ended. A topic that was made anew, which is known by an end
    before what was read or by another record where that stood, makes its feed begin anew.

    Args:
        log: The event log; only read.
        database: The store.
        feeds: What to keep.
        thread: Writes one after the other; shared with whoever else writes.
    """

    def __init__(self, log: Log, database: Database, feeds: Sequence[Feed], thread: ThreadPoolExecutor) -> None:
        self._log = log
        self._database = database
        self._feeds = feeds
        self._thread = thread
        self._tails: dict[str, TopicTail] = {}
        self.unreadable = 0

    async def refresh(self) -> bool:
        """Read what is new of all feeds; whether anything was.

        Raises:
            LogError: If the log can't be read or the store can't be written; what stands in the store stays.
        """
        changed = False
        for feed in self._feeds:
            changed |= await self._refresh(feed)
        return changed

    @property
    def caught_up(self) -> bool:
        """Whether the last refresh read all there was."""
        return all(tail.caught_up for tail in self._tails.values())

    def forget(self) -> None:
        """Take positions from the store again before the next refresh: another process has written there."""
        self._tails.clear()

    async def _refresh(self, feed: Feed) -> bool:
        if any(topic not in self._tails for topic in feed.topics):
            await self._begin(feed)
        chunks: list[Chunk] = []
        try:
            for topic in feed.topics:
                chunks += await self._tails[topic].read()
            if any(self._tails[topic].anew for topic in feed.topics):
                await self._clear(feed)
                return True
            if chunks:
                self.unreadable += await self._in_thread(self._write, feed, chunks)
        except BaseException:
            self._drop(feed)  # what was read is not in the store: it is to be read again
            raise
        return bool(chunks)

    async def _begin(self, feed: Feed) -> None:
        """Take up the positions of the last transaction, if its topics are still those."""
        positions = await self._in_thread(self._positions, feed.topics)
        if not await self._are_same(positions):
            await self._clear(feed)
            positions = {}
        start = _from_start if feed.first is None else last_records(feed.first)
        for topic in feed.topics:
            own = {source: at for source, (at, _) in positions.items() if source.topic == topic}
            self._tails[topic] = TopicTail(log=self._log, topic=topic, start=start, positions=own)

    async def _are_same(self, positions: Mapping[TopicPartition, tuple[int, int]]) -> bool:
        """Whether the last record read of each partition still stands there, as far as that can be told."""
        for source, (next_offset, mark) in positions.items():
            if mark == _NO_MARK:
                continue
            try:
                chunks = await self._log.fetch({source: next_offset - 1}, max_bytes=1)
            except (OffsetOutOfRangeError, UnknownTopicError):
                continue  # the tail knows what to do
            for chunk in chunks:
                if len(chunk) and int(chunk.offsets[0]) == next_offset - 1 and _mark(chunk, 0) != mark:
                    return False
        return True

    async def _clear(self, feed: Feed) -> None:
        def clear() -> None:
            with self._database.write() as writer:
                feed.clear(writer)
                writer.run("DELETE FROM positions WHERE topic = ANY($1::text[])", [list(feed.topics)])

        self._drop(feed)
        await self._in_thread(clear)

    def _drop(self, feed: Feed) -> None:
        for topic in feed.topics:
            self._tails.pop(topic, None)

    def _write(self, feed: Feed, chunks: Sequence[Chunk]) -> int:
        with self._database.write() as writer:
            unreadable = feed.take(writer, chunks)
            save_positions(writer, chunks)
        return unreadable

    def _positions(self, topics: Iterable[str]) -> dict[TopicPartition, tuple[int, int]]:
        sql = "SELECT topic, part, next_offset, mark FROM positions WHERE topic = ANY($1::text[])"
        rows = self._database.read(sql, [list(topics)])
        return {TopicPartition(topic, part): (at, mark) for topic, part, at, mark in rows}

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def save_positions(writer: Writer, chunks: Iterable[Chunk]) -> None:
    """Remember how far the partitions of these chunks were read."""
    newest = {(chunk.topic, chunk.partition): chunk for chunk in chunks}
    for topic, part in newest:
        writer.run("DELETE FROM positions WHERE topic = $1 AND part = $2", [topic, part])
    columns: dict[str, list[Any]] = {
        "topic": [topic for topic, _ in newest],
        "part": [part for _, part in newest],
        "next_offset": [chunk.next_offset for chunk in newest.values()],
        "mark": [_last_mark(chunk) for chunk in newest.values()],
    }
    writer.insert("positions", columns)


def _last_mark(chunk: Chunk) -> int:
    """The mark of the last record, unless what follows it in the log is nothing to be seen."""
    return _mark(chunk, -1) if len(chunk) and int(chunk.offsets[-1]) == chunk.next_offset - 1 else _NO_MARK


def _mark(chunk: Chunk, at: int) -> int:
    """By what a record can be told from another one at the same place."""
    told = b"\x00".join((chunk.keys[at] or b"", chunk.values[at] or b"", str(int(chunk.timestamps_ms[at])).encode()))
    return zlib.crc32(told)


async def _from_start(_: TopicPartition, info: PartitionInfo) -> int:
    return info.start
