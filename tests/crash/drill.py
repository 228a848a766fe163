"""Carrying out a plan of faults on worker processes, and on the log itself, while the load runs."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from agents.events import TopicPartition
from tests.crash.faults import Fault, Kind, Outage, Plan
from tests.crash.fleet import Child
from tests.crash.pauses import Pauses

_LOOK_S = 0.2
END_S = 30.0
"""A worker that needs longer than this to end after SIGTERM hangs."""


class Broker(Protocol):
    """A log that is a process of its own."""

    async def kill(self) -> None:
        """SIGKILL."""

    async def start(self) -> None:
        """Start it again with the same data, at the same place."""


@dataclass(slots=True)
class Casualties:
    """What was done and what came of it.

    Args:
        done: How often each kind of fault was carried out.
        at_work: Faults that hit a worker while partitions that it owned moved on.
        replaced: Zombies of whose partitions at least one had moved on before they were woken.
        restarts: Workers that were started again with the static identity that they had before.
        outages: How often the log was killed.
        joins: Workers that came late, or came back after a while.
        hung: Workers that did not end after SIGTERM.
        problems: Sentences about workers that ended as they should not.
    """

    done: Counter[Kind] = field(default_factory=Counter)
    at_work: int = 0
    replaced: int = 0
    restarts: int = 0
    outages: int = 0
    joins: int = 0
    hung: int = 0
    problems: list[str] = field(default_factory=list)


class Drill:
    """Keeps one process for each worker of a plan and lets its faults happen to them.

    Args:
        plan: Who starts when, and what happens to whom.
        start: Starts worker number ``n``.
        pauses: Told of each fault.
        static: Numbers of the workers that have a static identity.
        broker: What the outages of the plan hit.
    """

    def __init__(
        self,
        plan: Plan,
        start: Callable[[int], Child],
        pauses: Pauses,
        *,
        static: Collection[int] = (),
        broker: Broker | None = None,
    ) -> None:
        self.casualties = Casualties()
        self._plan = plan
        self._start = start
        self._pauses = pauses
        self._static = static
        self._broker = broker
        self._workers: dict[int, Child] = {}

    async def run(self) -> None:
        """Carry out the plan; afterwards all workers run undisturbed."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for worker, start_s in enumerate(self._plan.starts_s):
                group.create_task(self._life(worker, began + start_s, began))
            group.create_task(self._outages(began))

    async def end(self) -> None:
        """Stop all workers in order; those that don't are counted and killed."""
        await asyncio.gather(*(self._terminate(worker) for worker in self._workers))

    def revive(self) -> None:
        """A worker that ended by itself is a problem; its supervisor starts it again."""
        for worker in self._workers:
            self._revive(worker)

    async def _life(self, worker: int, start_at: float, began: float) -> None:
        await asyncio.sleep(start_at - time.monotonic())
        self._workers[worker] = self._start(worker)
        self.casualties.joins += start_at > began
        for fault in self._plan.faults:
            if fault.worker == worker:
                await asyncio.sleep(began + fault.at_s - time.monotonic())
                self._revive(worker)
                await self._happen(fault)

    async def _outages(self, began: float) -> None:
        for outage in self._plan.outages:
            await asyncio.sleep(began + outage.at_s - time.monotonic())
            await self._outage(outage)

    async def _outage(self, outage: Outage) -> None:
        if self._broker is None:
            return
        self.casualties.outages += 1
        self._pauses.fault("broker-kill")
        await self._broker.kill()
        await asyncio.sleep(outage.away_s)
        await self._broker.start()
        self._pauses.fault("broker-back")

    def _revive(self, worker: int) -> None:
        if self._workers[worker].code is not None:
            self._report(self._workers[worker], "ended by itself")
            self._workers[worker] = self._start(worker)

    async def _happen(self, fault: Fault) -> None:
        child, kind = self._workers[fault.worker], fault.kind
        owned, works = await self._at_work(child, fault.patience_s)
        if works and fault.patience_s:
            await asyncio.sleep(fault.work_s)
            owned = await self._pauses.owned_by(child.pid)
        self.casualties.done[kind] += 1
        self.casualties.at_work += works
        match kind:
            case Kind.KILL:
                self._pauses.fault(self._named(fault), owned)
                await child.kill()
            case Kind.TERM:
                self._pauses.fault(self._named(fault), owned)
                await self._terminate(fault.worker)
            case Kind.LEAVE:
                self._pauses.fault(self._named(fault), owned)
                await self._terminate(fault.worker)
                await asyncio.sleep(fault.hold_s)
                self.casualties.joins += 1
            case _:
                await self._hold(child, fault, owned)
        if kind not in (Kind.STOP, Kind.ZOMBIE):
            self._workers[fault.worker] = self._start(fault.worker)
            self.casualties.restarts += fault.worker in self._static

    def _named(self, fault: Fault) -> str:
        """The kind of fault; what ends a worker counts apart if it comes back with the identity that it had."""
        return f"static-{fault.kind}" if fault.worker in self._static else fault.kind

    async def _at_work(self, child: Child, patience_s: float) -> tuple[set[TopicPartition], bool]:
        """What the worker owns, and whether any of it moved: waited for until the patience has ended."""
        deadline = time.monotonic() + patience_s
        before: dict[TopicPartition, int] = {}
        while True:
            owned = await self._pauses.owned_by(child.pid)
            before = {source: before.get(source, self._pauses.position(source)) for source in owned}
            works = any(self._pauses.moved(*each) for each in before.items())
            if works or child.code is not None or time.monotonic() >= deadline:
                return owned, works
            await asyncio.sleep(_LOOK_S)

    async def _hold(self, child: Child, fault: Fault, owned: set[TopicPartition]) -> None:
        child.send(signal.SIGSTOP)
        self._pauses.fault(self._named(fault), owned)
        stopped_at = {source: self._pauses.position(source) for source in owned}
        await asyncio.sleep(fault.hold_s)
        if fault.kind is Kind.ZOMBIE:
            self.casualties.replaced += any(self._pauses.moved(*each) for each in stopped_at.items())
        if fault.kind is Kind.STOP_KILL:
            await child.kill()
        else:
            child.send(signal.SIGCONT)

    async def _terminate(self, worker: int) -> None:
        child = self._workers[worker]
        owned = await self._pauses.owned_by(child.pid)
        child.send(signal.SIGTERM)
        code = await child.ended(END_S)
        if code is None:
            self.casualties.hung += 1
            self._report(child, f"did not end within {END_S:g} s after SIGTERM")
            await child.kill()
        elif code != 0 and (owned or code != -signal.SIGTERM):  # before it listens to signals it just dies
            self._report(child, "did not stop in order")

    def _report(self, child: Child, what: str) -> None:
        self.casualties.problems.append(f"{child.name} {what}, code {child.code}:\n{child.last_words()}")
