"""Membership by leases: names that tell whether their process still lives, so that a dead one is replaced at once."""

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Protocol

import psutil

from agents.events import TopicPartition
from pipeline.errors import LogBusyError
from pipeline.log.api import BeforeRebalance, Fence, Lease, OnOwned

_logger = logging.getLogger(__name__)
_CLOCK_STEP_S = 5
_BEATS = 6  # signs of life within the time to live: a member that joins waits for one of each other member
_LOOKS_PER_BEAT = 2  # looks at who owns what between two of them


def member_name(name: str | None = None) -> str:
    """A name for a worker of this process, never used again: ``NAME@HOST:PID:START:NONCE``.

    >>> is_dead(member_name("w1"))
    False
    """
    process = psutil.Process()
    host = socket.gethostname()
    return f"{name or 'worker'}@{host}:{process.pid}:{_started(process)}:{secrets.token_hex(4)}"


def is_dead(member: str) -> bool:
    """Whether the process of a member is known to be gone; of another machine's processes nothing is known.

    A paused process lives. Start times may differ by some seconds between observers when the clock was set, so a
    process counts as another one only if it started at quite another time.

    >>> host = socket.gethostname()
    >>> is_dead(f"w1@{host}:{psutil.Process().pid}:0:a"), is_dead("w1@elsewhere.example:1:0:a"), is_dead("odd name")
    (True, False, False)
    """
    place, pid, start, *_ = [*member.rpartition("@")[2].split(":"), "", ""]
    if place != socket.gethostname() or not pid.isdigit() or not start.isdigit():
        return False
    try:
        process = psutil.Process(int(pid))
        return abs(_started(process) - int(start)) > _CLOCK_STEP_S or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _started(process: psutil.Process) -> int:
    return int(process.create_time())


class Leases(Protocol):
    """What a membership needs of a local log, see ``LocalLog``."""

    async def leases(self, group: str) -> list[Lease]:
        """Who owns what now."""

    async def renew(self, group: str, member: str, topics: Sequence[str], *, ttl_ms: int) -> list[Fence]:
        """Heartbeat of a member, and what it owns now."""

    async def leave(self, group: str, member: str) -> None:
        """Give everything up at once."""

    async def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Move positions without a fence."""


class LeaseMembership:
    """A membership that is kept by renewing leases, as ``pipeline.log.api.Membership`` describes it.

    Args:
        log: The log.
        group: The group.
        member: This worker's name, see ``member_name``.
        ttl_ms: How long others wait for a sign of life.
    """

    def __init__(self, log: Leases, *, group: str, member: str, ttl_ms: int) -> None:
        self._log = log
        self._group = group
        self.member = member
        self.ttl_ms = ttl_ms
        self.topics: Sequence[str] = ()
        self._partitions = 0
        self._wake = asyncio.Event()

    def subscribe(self, topics: Mapping[str, int]) -> None:
        """Take part in the sharing of ``topics``, given with their numbers of partitions."""
        self.topics, self._partitions = sorted(topics), sum(topics.values())
        self._wake.set()

    def wake_up(self) -> None:
        """Give the next sign of life now, because something asks for a look at what is owned."""
        self._wake.set()

    async def stay(self, on_owned: OnOwned, before_rebalance: BeforeRebalance) -> None:  # noqa: ARG002 - the contract's
        """Stay a member for as long as this task runs, and tell ``on_owned`` at each sign of life what is owned.

        Nothing moves before this member itself gives it up in ``on_owned``, so nothing is said before a rebalance.

        Raises:
            LogError: If the log can't be used; one that is only busy is tried again for ten times the time to live.
        """
        loop = asyncio.get_running_loop()
        alive_at, owns = loop.time(), False
        await self._is_some_free()  # a worker that was killed and started again finds its place free
        while True:
            self._wake.clear()
            try:
                fences = await self._log.renew(self._group, self.member, self.topics, ttl_ms=self.ttl_ms)
                alive_at, owns = loop.time(), bool(fences)
                await on_owned(fences)
                await self._rest(1 if not owns else _LOOKS_PER_BEAT)
            except LogBusyError as error:
                if loop.time() - alive_at > 10 * self.ttl_ms / 1000:
                    raise
                _logger.warning("no sign of life could be written: %s", error)

    async def _rest(self, looks: int) -> None:
        """Wait for the next sign of life; it comes sooner when somebody asks for it or partitions are to be had."""
        for _ in range(looks):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self.ttl_ms / 1000 / (_BEATS * _LOOKS_PER_BEAT))
            if self._wake.is_set() or await self._is_some_free():
                return

    async def _is_some_free(self) -> bool:
        """Whether a partition has no living owner.

        Members of this machine whose process is gone are made to leave. That can't do harm where it errs: partitions
        are taken over with a higher epoch, as after the time to live.
        """
        leases = [lease for lease in await self._log.leases(self._group) if lease.source.topic in self.topics]
        gone = [member for member in {lease.member for lease in leases} - {self.member} if is_dead(member)]
        for member in gone:
            _logger.info("member %s is gone, its partitions are free", member)
            await self._log.leave(self._group, member)
        return bool(gone) or len(leases) < self._partitions

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See ``Membership.commit_offsets``."""
        await self._log.commit_offsets(self._group, offsets)

    def note(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Membership.note``: commits have moved the group's positions already."""

    async def leave(self) -> None:
        """Give everything up at once."""
        await self._log.leave(self._group, self.member)
