"""The lists and flows of a shard, and the stored form of what they remember."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agents.events import Alert, Batch, Int64
from agents.hashes import ColumnHashes
from agents.patterns.flows import FlowAgent
from agents.patterns.lists import ListAgent
from pipeline.plan import SourcePlan

_PREFIX = b"pattern/"
Alerts = list[tuple[int, Alert]]


class ShardPatterns:
    """Lists and flows of one partition.

    Args:
        plan: What to do.
        hashes: Shared with others that read the same batches.
    """

    def __init__(self, plan: SourcePlan, hashes: ColumnHashes) -> None:
        by_make = sorted(plan.lists, key=lambda spec: spec.blocks)  # what is allowed is known before anything fires
        self._lists = [ListAgent(spec, id_field=plan.stream.id, hashes=hashes) for spec in by_make]
        self._flows = [FlowAgent(spec, id_field=plan.stream.id, hashes=hashes) for spec in plan.flows]

    @property
    def versions(self) -> dict[str, str]:
        """What the state of each depends on, as a hash."""
        return {agent.spec.name: agent.spec.learned_as for agent in self._agents}

    @property
    def _agents(self) -> list[ListAgent | FlowAgent]:
        return [*self._lists, *self._flows]

    def look_up(self, batch: Batch, head_ms: Int64) -> tuple[dict[str, NDArray[np.bool_]], Alerts]:
        """Take a batch in; by rule the records at which it must not fire, and the alerts of block lists.

        Args:
            batch: In stream order.
            head_ms: Newest event time so far in this partition, shape ``(n,)``.
        """
        allowed: dict[str, NDArray[np.bool_]] = {}
        alerts: Alerts = []
        for agent in self._lists:
            is_listed, found = agent.process(batch, head_ms, allowed.get(agent.spec.name))
            alerts += found
            for name in agent.spec.suppresses:
                allowed[name] = is_listed | allowed[name] if name in allowed else is_listed
        return allowed, alerts

    def follow(self, batch: Batch, allowed: Mapping[str, NDArray[np.bool_]]) -> Alerts:
        """Take the same batch in; the alerts of flows, ``allowed`` being what ``look_up`` gave."""
        return [found for agent in self._flows for found in agent.process(batch, allowed.get(agent.spec.name))]

    def dirty(self, applied: int) -> dict[bytes, bytes | None]:
        """Slabs that changed since the last call, by key; ``None``: gone."""
        return {
            _prefix(agent) + name.encode(): slab
            for agent in self._agents
            for name, slab in agent.take_dirty(applied).items()
        }

    def restore(self, slabs: Mapping[bytes, bytes]) -> set[bytes]:
        """Take over the latest slabs; the keys of those that belong to former definitions."""
        unknown = {key for key in slabs if key.startswith(_PREFIX)}
        for agent in self._agents:
            prefix = _prefix(agent)
            own = {key[len(prefix) :].decode(): slab for key, slab in slabs.items() if key.startswith(prefix)}
            agent.load(own)
            unknown -= {prefix + name.encode() for name in own}
        return unknown


def _prefix(agent: ListAgent | FlowAgent) -> bytes:
    return _PREFIX + f"{agent.spec.name}@{agent.spec.learned_as}/".encode()
