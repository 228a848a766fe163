"""``local://PATH``: the event log in one SQLite file, for several processes of one machine.

Two connections with a thread each: a commit never waits for a reader of the same process.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from agents.events import Chunk, Outgoing, TopicPartition
from pipeline.errors import LogError
from pipeline.local.members import LeaseMembership
from pipeline.local.reading import Reader
from pipeline.local.schema import Sync, prepare
from pipeline.local.store import Store
from pipeline.local.watch import Watcher
from pipeline.local.writers import WriterQueue
from pipeline.log.api import Committed, Copies, Difference, Fence, Lease, PartitionInfo, TopicSpec

P = ParamSpec("P")
T = TypeVar("T")


def wall_clock_ms() -> int:
    """Unix ms."""
    return time.time_ns() // 1_000_000


class LocalLog:
    """An event log in one SQLite file, as ``pipeline.log.api.Log`` describes it.

    Safe for several processes at once on a local disk, not on a network file system. A process that dies in the middle
    of a write leaves nothing of it. When a call is cancelled, its write may or may not have happened.

    Args:
        path: The file; its directory must exist.
        sync: ``normal`` survives the death of any process, ``full`` a power loss too, at an fsync a commit.
        clock: Unix ms; leases expire by it and records without a stamp get it.
        patience_s: How long a writer waits for others before ``LogBusyError``.

    Raises:
        LogError: If the file is no log of this version, or can't be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: Sync = "normal",
        clock: Callable[[], int] = wall_clock_ms,
        patience_s: float = 30.0,
    ) -> None:
        self._path = path
        self._clock = clock
        try:
            queue = WriterQueue(path, patience_s=patience_s)
            prepare(path, queue)
            self._store = Store(path, queue, sync=sync, clock=clock)
            self._reader = Reader(path)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, LogError):
                raise
            raise LogError(f"{path} can't be opened as an event log: {error}") from error
        self._watcher = Watcher(path)
        self._writing = ThreadPoolExecutor(1, "log-write")
        self._reading = ThreadPoolExecutor(1, "log-read")
        self._closed = False

    async def create_topic(self, spec: TopicSpec) -> None:
        """See ``Log.create_topic``."""
        await self._write(self._store.create_topic, spec)

    async def topics(self) -> dict[str, TopicSpec]:
        """See ``Log.topics``."""
        return await self._read(self._reader.topics)

    async def copies(self) -> dict[str, Copies]:
        """See ``Log.copies``: there are none."""
        return {}

    async def differences(self, specs: Collection[TopicSpec]) -> list[Difference]:
        """See ``Log.differences``."""
        return await self._read(self._reader.differences, specs)

    async def mend(self, spec: TopicSpec, differences: Collection[Difference]) -> None:
        """See ``Log.mend``."""
        await self._write(self._store.mend, spec, differences)

    async def delete_topic(self, name: str) -> None:
        """See ``Log.delete_topic``."""
        await self._write(self._store.delete_topic, name)

    async def partitions(self, topic: str, *, pending: bool = False) -> dict[int, PartitionInfo]:  # noqa: ARG002 - Kafka's
        """See ``Log.partitions``; a compacted partition always starts at 0, and nothing is ever pending."""
        return await self._read(self._reader.partitions, topic)

    async def append(self, outgoing: Sequence[Outgoing]) -> None:
        """See ``Log.append``."""
        await self._write(self._store.append, outgoing)

    async def fetch(
        self, positions: Mapping[TopicPartition, int], *, max_bytes: int = 1 << 20, wait_ms: int = 0
    ) -> list[Chunk]:
        """See ``Log.fetch``; woken within 10 ms or so of a commit of any process."""
        chunks = await self._read(self._reader.fetch, positions, max_bytes)
        deadline = time.monotonic() + wait_ms / 1_000
        while not chunks and (left_s := deadline - time.monotonic()) > 0:
            change = self._watcher.register()
            try:
                chunks = await self._read(self._reader.fetch, positions, max_bytes)
                if not chunks:
                    await asyncio.wait((change,), timeout=left_s)
            finally:
                self._watcher.forget(change)
        return chunks

    async def offset_at(self, source: TopicPartition, time_ms: int) -> int:
        """See ``Log.offset_at``."""
        return await self._read(self._reader.offset_at, source, time_ms)

    async def claim(self, fence: Fence) -> None:
        """See ``Log.claim``: the lease with its epoch is the fence already."""

    async def disclaim(self, fence: Fence) -> None:
        """See ``Log.disclaim``: a lease is given up by ``leave`` or ``renew``."""

    async def commit(self, fence: Fence, offset: int, outgoing: Sequence[Outgoing]) -> None:
        """See ``Log.commit``."""
        await self._write(self._store.commit, fence, offset, outgoing)

    async def committed(self, group: str) -> dict[TopicPartition, Committed]:
        """See ``Log.committed``."""
        return await self._read(self._reader.committed, group)

    async def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See ``Log.commit_offsets``."""
        await self._write(self._store.commit_offsets, group, offsets)

    async def groups(self) -> list[str]:
        """See ``Log.groups``."""
        return await self._read(self._reader.groups)

    async def leases(self, group: str) -> list[Lease]:
        """See ``Log.leases``; those that expired but were not taken over yet are still their members'."""
        return await self._read(self._reader.leases, group)

    async def members(self, group: str) -> list[str]:
        """See ``Log.members``."""
        return await self._read(self._reader.members, group, self._clock())

    async def delete_group(self, group: str) -> None:
        """See ``Log.delete_group``."""
        await self._write(self._store.delete_group, group)

    def join(self, group: str, member: str, *, ttl_ms: int) -> LeaseMembership:
        """See ``Log.join``; the member's name must be its own, such as host, process id and start time."""
        return LeaseMembership(self, group=group, member=member, ttl_ms=ttl_ms)

    async def renew(self, group: str, member: str, topics: Sequence[str], *, ttl_ms: int) -> list[Fence]:
        """Heartbeat of a member: says it lives, takes its fair share of free partitions, gives up what is beyond it.

        Partitions of each topic are shared so that members differ by at most one. A partition is free when nobody
        holds it, its lease expired, or its holder gave it up; taking it raises its epoch. A member keeps what it has
        as long as that is within its share (sticky). What another live member must give up first is handed over by
        that member's own next call, never taken.

        Returns:
            The partitions that the member owns now.
        """
        return await self._write(self._store.renew, group, member, topics, ttl_ms)

    async def leave(self, group: str, member: str) -> None:
        """Give everything up at once."""
        await self._write(self._store.leave, group, member)

    async def tidy(self) -> None:
        """See ``Log.tidy``; in short steps, so that other writers get in between."""
        while await self._write(self._store.tidy_step):
            pass
        await self._write(self._store.truncate_wal)

    async def close(self) -> None:
        """See ``Log.close``; calls under way are finished first."""
        if self._closed:
            return
        self._closed = True
        self._watcher.close()
        for executor, end in ((self._reading, self._reader.close), (self._writing, self._store.close)):
            await asyncio.get_running_loop().run_in_executor(executor, end)
            executor.shutdown()

    async def _write(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        result = await self._run(self._writing, work, *args, **kwargs)
        self._watcher.wake()
        return result

    async def _read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(self._reading, work, *args, **kwargs)

    async def _run(self, executor: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._closed:
            raise LogError(f"{self._path} was closed; open the log again")
        try:
            return await asyncio.wrap_future(executor.submit(work, *args, **kwargs))
        except sqlite3.Error as error:
            raise LogError(f"{self._path} failed: {error}") from error
