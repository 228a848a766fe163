"""Membership in a group, and Faust taken through the rebalances that follow from it."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from faust.assignor.client_assignment import ClientAssignment
from faust.types import TP

from agents.events import TopicPartition
from pipeline.log.api import Fence, Membership
from pipeline.worker.units.keeper import Keeper


class Rebalancing:
    """Stays a member of the group, and passes on what that makes the worker own; aiokafka's coordinator would.

    Args:
        consumer: Faust's, whose callbacks are to be called.
        membership: In the group.
        keeper: Holds the units.
    """

    def __init__(self, consumer: Any, membership: Membership, keeper: Keeper) -> None:
        self._consumer = consumer
        self._app = consumer.app
        self._membership = membership
        self._keeper = keeper
        self._owned: set[TP] | None = None
        self._staying: asyncio.Future[None] | None = None
        self._patience_s = membership.ttl_ms / 3000  # for commits that a rebalance waits for

    @property
    def owned(self) -> set[TP]:
        """What is owned now."""
        return set(self._owned or ())

    def begin(self, topics: Mapping[str, int]) -> None:
        """Take part with ``topics``. Joining happens in a task: the callbacks of a rebalance wait for this call."""
        self._membership.subscribe(topics)
        if self._staying is None:
            self._staying = self._consumer.add_future(self._stay())

    async def end(self) -> None:
        """Leave the group, so that others take over at once."""
        if self._staying is not None:  # a sign of life after leaving would be a return
            self._staying.cancel()
            await asyncio.wait([self._staying])
        await self._membership.leave()

    async def _stay(self) -> None:
        try:
            await self._membership.stay(self._own, self._before_rebalance)
        except Exception as error:  # noqa: BLE001 - whatever it is, a worker that is no member must end
            self._app.fail(error)

    async def _before_rebalance(self) -> None:
        """Commit what waits, so that whoever gets a partition next has little to do again. Units go on meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._consumer.commit(), self._patience_s)

    async def _own(self, fences: list[Fence]) -> None:
        owned = {TP(*fence.source) for fence in fences}
        if self._consumer.should_stop:
            return
        if owned != self._owned:
            await self._rebalance(owned)
        self._app.fences = {fence.source: fence for fence in fences}
        self._keeper.assign(fences)

    async def _rebalance(self, owned: set[TP]) -> None:
        """Take Faust through a rebalance in the order in which aiokafka would."""
        app, consumer, before = self._app, self._consumer, self.owned
        await self._keeper.release({TopicPartition(*tp) for tp in before - owned}, timeout_s=self._patience_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(consumer.commit_plain(), self._patience_s)
        app.on_rebalance_start()
        await consumer.on_partitions_revoked(before)
        self._owned = owned
        app.assignor._assignment = _assignment(owned)  # noqa: SLF001 - Faust's recovery reads it
        app.consumer_generation_id += 1
        await consumer.on_partitions_assigned(set(owned), app.consumer_generation_id)
        self._keeper.renew_tokens()  # Faust has emptied its queues, so what was under way is gone


def _assignment(owned: set[TP]) -> ClientAssignment:
    actives: dict[str, list[int]] = {}
    for tp in owned:
        actives.setdefault(tp.topic, []).append(tp.partition)
    return ClientAssignment(actives=actives, standbys={})
