"""The read side: tables as they stand in the log, without asking a worker (CQRS).

A reader follows the state topics. What it shows is what the shards committed, and it says how old that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.events import Int64, TopicPartition
from agents.hashes import ColumnHashes
from agents.keyed import KeyedAgent
from pipeline.config.model import AppConfig
from pipeline.errors import OffsetOutOfRangeError
from pipeline.log.api import Log
from pipeline.plan import SourcePlan, plans, state_topic
from pipeline.shard_state import META, Meta, read_meta
from tables.keys import NEVER
from tables.spec import TableSpec
from tables.table import WindowTable

_FETCH_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far a partition's state is behind its source.

    Args:
        partition: Of the source topic.
        applied: Offset up to which (exclusive) records are in the state.
        end: End of the source.
        watermark_ms: Newest event time applied; 0 before the first record.
        committed_ms: When the state was committed, Unix ms; 0 if never.
    """

    partition: int
    applied: int
    end: int
    watermark_ms: int
    committed_ms: int


@dataclass(frozen=True, slots=True)
class TableView:
    """A table over all partitions, one row for each key and window, as columns of length ``n``.

    Args:
        spec: As configured.
        keys: Of the rows.
        partition: Shape ``(n,)``.
        window_start_ms: Inclusive, shape ``(n,)``.
        window_end_ms: Exclusive, shape ``(n,)``.
        columns: The measures, shape ``(n,)`` each, ``(n, width)`` for a histogram.
        freshness: Of each partition.
    """

    spec: TableSpec
    keys: list[str]
    partition: Int64
    window_start_ms: Int64
    window_end_ms: Int64
    columns: dict[str, NDArray[Any]]
    freshness: list[Freshness]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(slots=True)
class _Partition:
    """The latest slabs of one partition of a state topic."""

    slabs: dict[bytes, bytes]
    next_offset: int = 0
    committed_ms: int = 0
    end: int = 0
    loaded: dict[str, KeyedAgent] | None = None
    changed: set[bytes] = field(default_factory=set)


class TableReader:
    """Follow the state of every table of an application.

    Args:
        log: The event log.
        config: The application.

    Cost: holds the latest slabs of all partitions in memory; a refresh reads only what changed, and a view decodes the
        partitions that did.
    """

    def __init__(self, log: Log, config: AppConfig) -> None:
        self._log = log
        self._config = config
        self._plans: dict[str, SourcePlan] = plans(config)
        self._owner: dict[str, tuple[str, str]] = {
            table.name: (topic, keyed.by)
            for topic, plan in self._plans.items()
            for keyed in plan.keyed
            for table in keyed.tables
        }
        self._partitions = {
            TopicPartition(topic, partition): _Partition({})
            for topic, plan in self._plans.items()
            for partition in range(plan.partitions)
        }

    @property
    def specs(self) -> dict[str, TableSpec]:
        """Every table, health tables included, by name."""
        return {table.name: table for plan in self._plans.values() for table in plan.tables.values()}

    async def refresh(self) -> bool:
        """Read what was committed since the last call; whether anything was."""
        existing = await self._log.topics()
        changed = False
        for topic in self._plans:
            if topic in existing:
                bounds = await self._log.partitions(topic)
                for number, info in bounds.items():
                    self._partitions[TopicPartition(topic, number)].end = info.end
            if state_topic(self._config, topic) in existing:
                changed |= await self._follow(topic)
        return changed

    async def _follow(self, topic: str) -> bool:
        name, changed = state_topic(self._config, topic), False
        number = self._plans[topic].partitions
        while True:
            positions = {
                TopicPartition(name, at): self._partitions[TopicPartition(topic, at)].next_offset
                for at in range(number)
            }
            try:
                chunks = await self._log.fetch(positions, max_bytes=_FETCH_BYTES)
            except OffsetOutOfRangeError:
                await self._start_anew(topic)
                changed = True
                continue
            if not chunks:
                return changed
            changed = True
            for chunk in chunks:
                held = self._partitions[TopicPartition(topic, chunk.partition)]
                for key, value in zip(chunk.keys, chunk.values, strict=True):
                    if key is None:
                        continue
                    held.changed.add(key)
                    if value is not None:
                        held.slabs[key] = value
                    else:
                        held.slabs.pop(key, None)
                held.next_offset = chunk.next_offset
                if len(chunk):
                    held.loaded, held.committed_ms = None, int(chunk.timestamps_ms[-1])

    async def _start_anew(self, topic: str) -> None:
        """Forget what was read of partitions that no longer reach from there on: the application was reset."""
        for at, info in (await self._log.partitions(state_topic(self._config, topic))).items():
            source = TopicPartition(topic, at)
            held = self._partitions[source]
            if not info.start <= held.next_offset <= info.end:
                gone = held.changed | held.slabs.keys()
                self._partitions[source] = _Partition({}, next_offset=info.start, end=held.end, changed=gone)

    @property
    def plans(self) -> dict[str, SourcePlan]:
        """What the shards of each source topic do."""
        return self._plans

    def slabs(self, source: TopicPartition) -> Mapping[bytes, bytes]:
        """The latest slabs of a source partition, by name."""
        return self._partitions[source].slabs

    def take_changes(self) -> dict[TopicPartition, set[bytes]]:
        """Names of the slabs that changed or went since the last call, by source partition."""
        found = {source: held.changed for source, held in self._partitions.items() if held.changed}
        for source in found:
            self._partitions[source].changed = set()
        return found

    def freshness(self, topic: str) -> list[Freshness]:
        """How far the state of each partition of a source topic is behind."""
        return [
            _freshness(source.partition, held) for source, held in self._partitions.items() if source.topic == topic
        ]

    def meta(self, source: TopicPartition) -> Meta:
        """Where the shard of a source partition stands."""
        return read_meta(self._partitions[source].slabs)

    def source(self, table: str) -> str:
        """The topic that feeds ``table``."""
        return self._owner[table][0]

    def view(self, table: str) -> TableView:
        """A table as last refreshed.

        Raises:
            KeyError: If there is no such table.
        """
        topic, by = self._owner[table]
        parts = [
            _rows(self._load(source, held)[by].group.tables[table], source.partition)
            for source, held in self._partitions.items()
            if source.topic == topic
        ]
        rows = [row for part in parts for row in part]
        spec = self.specs[table]
        shown = [measure.name for measure in spec.measures if measure.kind != "is_new" and measure.name.isidentifier()]
        return TableView(
            spec=spec,
            keys=[key for row in rows for key in row.keys],
            partition=_joined([np.full(len(row.keys), row.partition) for row in rows]),
            window_start_ms=_joined([np.full(len(row.keys), row.start_ms) for row in rows]),
            window_end_ms=_joined([np.full(len(row.keys), row.start_ms + spec.window.size_ms) for row in rows]),
            columns={name: _joined([row.columns[name] for row in rows]) for name in shown},
            freshness=self.freshness(topic),
        )

    def _load(self, source: TopicPartition, held: _Partition) -> dict[str, KeyedAgent]:
        if held.loaded is None:
            meta = read_meta(held.slabs)
            held.loaded = {}
            for keyed in self._plans[source.topic].keyed:
                agent = held.loaded[keyed.by] = KeyedAgent(keyed, ColumnHashes())
                prefix = f"by/{keyed.by}/".encode()
                own = {key[len(prefix) :].decode(): slab for key, slab in held.slabs.items() if key.startswith(prefix)}
                if META in held.slabs and meta.head_ms != NEVER:
                    agent.group.load(own, meta.head_ms, meta.closed_ms)
        return held.loaded


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one window of one partition."""

    partition: int
    start_ms: int
    keys: list[str]
    columns: dict[str, NDArray[Any]]


def _rows(table: WindowTable, partition: int) -> list[_Rows]:
    window = table.spec.window
    found = []
    held: list[int | None] = list(table.rows()) if window.kind == "tumbling" else [None]
    for row in held:
        slots, columns = table.columns(row)
        if row is None:
            start_ms = (table.head - window.n_panes + 1) * window.pane_ms if len(slots) else 0
        else:
            start_ms = table.pane_in(row) * window.size_ms
        found.append(_Rows(partition, start_ms, table.names(slots), columns))
    return found


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _freshness(partition: int, held: _Partition) -> Freshness:
    meta = read_meta(held.slabs)
    watermark_ms = max(0, meta.head_ms)
    return Freshness(partition, meta.position, held.end, watermark_ms, held.committed_ms)
