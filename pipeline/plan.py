"""From a configuration to what each source topic's shards do, and which topics there have to be.

A table whose key is not its stream's key is fed through an internal topic, partitioned by that key::

    payments (by account) ── shard ──> tables by account
                               ├─────> app-payments-by-merchant-repartition ── shard ──> tables by merchant
                               └─────> app-payments-flows (one partition) ── shard ──> flows between all accounts
"""

from dataclasses import dataclass, replace
from typing import Any

from agents.keyed import KeyedPlan, plan_keyed
from agents.patterns.spec import FlowSpec, ListSpec
from agents.risk.spec import RiskSpec
from agents.spec import DetectorSpec, StreamSpec
from pipeline.config.model import AppConfig
from pipeline.health.definitions import with_health
from pipeline.log.api import TopicSpec
from tables.spec import TableSpec

SKEW_MS = 60_000
"""How far in event time the partitions that feed a repartitioned table may lie apart."""
_NEWS_MS = 3_600_000  # news of clocks is stale within seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Repartition:
    """Records of a stream on their way to tables by another key.

    Args:
        topic: The internal topic.
        by: The key.
        partitions: Of ``topic``.
        fields: What the tables and rules there read.
        texts: Text fields that are sent as such: the key, the id, and what alerts show. Others travel as hashes.
    """

    topic: str
    by: str
    partitions: int
    fields: frozenset[str]
    texts: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcePlan:
    """What the shards of one source topic do.

    Args:
        app: Name of the application.
        topic: Source topic.
        partitions: Of ``topic``.
        stream: What its records are.
        repartitioned: Whether ``topic`` is an internal one, which holds packed rows.
        keyed: Tables and rules, by key.
        repartitions: Where to send records for tables by another key.
        samples: Series detectors on the stream.
        windows: Series detectors on closed windows of the tables here.
        scores: Risk scores of the stream's payments.
        flows: What is followed from account to account.
        lists: Block and allow lists.
        tells_ends: Whether somebody wants to know when episodes of series detectors end.
    """

    app: str
    topic: str
    partitions: int
    stream: StreamSpec
    repartitioned: bool
    keyed: tuple[KeyedPlan, ...]
    repartitions: tuple[Repartition, ...] = ()
    samples: tuple[DetectorSpec, ...] = ()
    windows: tuple[DetectorSpec, ...] = ()
    scores: tuple[RiskSpec, ...] = ()
    flows: tuple[FlowSpec, ...] = ()
    lists: tuple[ListSpec, ...] = ()
    tells_ends: bool = False

    @property
    def skew_ms(self) -> int:
        """How far the partitions that feed the topic may lie apart; 0 for a source topic."""
        return SKEW_MS if self.repartitioned else 0

    @property
    def needed(self) -> frozenset[str]:
        """Fields to decode."""
        read = {name for keyed in self.keyed for name in keyed.fields}
        read |= {name for target in self.repartitions for name in target.fields}
        read |= {name for spec in self.samples for name in (spec.by, spec.value, spec.calibration) if name}
        read |= {name for spec in self.scores for name in spec.fields}
        read |= {name for flow in self.flows for name in flow.fields} | {
            name for each in self.lists for name in each.fields
        }
        read |= {self.stream.id} if self.stream.id and (self.flows or self.lists) else set()
        return frozenset(read & set(self.stream.fields))

    @property
    def tables(self) -> dict[str, TableSpec]:
        """Tables kept here, as configured and with hidden measures, by name."""
        return {table.name: table for keyed in self.keyed for table in keyed.tables}


def complete(config: AppConfig) -> AppConfig:
    """The configuration with the built-in health tables, if workers are to measure themselves."""
    return with_health(config) if config.health else config


def plans(config: AppConfig) -> dict[str, SourcePlan]:
    """What the shards of each source topic do, by topic.

    Raises:
        ExpressionError: If an expression is wrong.

    Cost: compiles every expression, some milliseconds.
    """
    config = complete(config)
    made: dict[str, SourcePlan] = {}
    for stream in config.streams.values():
        tables = [table for table in config.tables.values() if table.stream == stream.name]
        own = [table for table in tables if _is_local(table.by, stream)]
        flows = tuple(flow for flow in config.flows.values() if flow.stream == stream.name)
        lists = [spec for spec in config.lists.values() if spec.stream == stream.name]
        keys = {table.by for table in tables} | {spec.by for spec in lists}
        others = [
            _repartitioned(config, stream, by, [table for table in tables if table.by == by], lists)
            for by in sorted(keys)
            if not _is_local(by, stream)
        ]
        if flows and stream.partitions > 1:
            others.append(_followed(config, stream, flows, lists))
        made |= {target.topic: target for target in others}
        made[stream.topic] = SourcePlan(
            app=config.name,
            topic=stream.topic,
            partitions=stream.partitions,
            stream=stream,
            repartitioned=False,
            keyed=_keyed(config, stream, own, skew_ms=0),
            repartitions=tuple(map(_repartition, others)),
            samples=tuple(spec for spec in config.detectors.values() if spec.stream == stream.name),
            windows=_window_detectors(config, own),
            scores=tuple(spec for spec in config.scores.values() if spec.stream == stream.name),
            flows=flows if stream.partitions == 1 else (),
            lists=tuple(spec for spec in lists if _is_local(spec.by, stream)),
            tells_ends=config.incidents is not None,
        )
    return made


def _is_local(by: str, stream: StreamSpec) -> bool:
    return by == stream.key or stream.partitions == 1


def _repartition(target: SourcePlan) -> Repartition:
    """How records come to an internal topic."""
    keyed = target.keyed[0] if target.keyed else None
    shown = {flow.sender for flow in target.flows}
    shown |= {name for spec in target.lists for name in spec.texts}
    shown |= {target.stream.id} if target.stream.id else set()
    by = str(target.stream.key)
    return Repartition(
        topic=target.topic,
        by=by,
        partitions=target.partitions,
        fields=target.needed | {by} | (keyed.fields if keyed else frozenset()),
        texts=frozenset(shown) | (keyed.texts if keyed else {by}),
    )


def _repartitioned(
    config: AppConfig, stream: StreamSpec, by: str, tables: list[TableSpec], lists: list[ListSpec]
) -> SourcePlan:
    return SourcePlan(
        app=config.name,
        topic=f"{config.name}-{stream.name}-by-{by}-repartition",
        partitions=stream.partitions,
        stream=replace(stream, key=by),
        repartitioned=True,
        keyed=_keyed(config, stream, tables, skew_ms=SKEW_MS),
        windows=_window_detectors(config, tables),
        lists=tuple(spec for spec in lists if spec.by == by),
        tells_ends=config.incidents is not None,
    )


def _followed(config: AppConfig, stream: StreamSpec, flows: tuple[FlowSpec, ...], lists: list[ListSpec]) -> SourcePlan:
    """Money goes from any account to any other, so all is followed in one partition, and what is allowed looked up."""
    names = {flow.name for flow in flows}
    return SourcePlan(
        app=config.name,
        topic=f"{config.name}-{stream.name}-flows",
        partitions=1,
        stream=replace(stream, key=flows[0].sender),
        repartitioned=True,
        keyed=(),
        flows=flows,
        lists=tuple(spec for spec in lists if not spec.blocks and names & set(spec.suppresses)),
    )


def _keyed(config: AppConfig, stream: StreamSpec, tables: list[TableSpec], *, skew_ms: int) -> tuple[KeyedPlan, ...]:
    rules = list(config.rules.values())
    keys = dict.fromkeys(table.by for table in tables)
    return tuple(
        plan_keyed(stream, by, [table for table in tables if table.by == by], rules, skew_ms=skew_ms) for by in keys
    )


def _window_detectors(config: AppConfig, tables: list[TableSpec]) -> tuple[DetectorSpec, ...]:
    names = {table.name for table in tables}
    return tuple(spec for spec in config.detectors.values() if spec.table in names)


def source_topics(config: AppConfig) -> dict[str, int]:
    """Topics that workers read, with their numbers of partitions; internal ones included."""
    return {topic: plan.partitions for topic, plan in plans(config).items()}


def state_topic(config: AppConfig, topic: str) -> str:
    """Where the state of a source topic's shards is kept, partition by partition."""
    return f"{config.name}-{topic}-state"


def clocks_topic(app: str) -> str:
    """Where workers tell one another how far they have come, while they work off a backlog."""
    return f"{app}-clocks"


def closed_topic(app: str, table: str) -> str:
    """Where a tumbling table's closed windows go."""
    return f"{app}-{table}"


def commands_topic(app: str) -> str:
    """Where alerts and commands meet in one order, and what incidents follow from."""
    return f"{app}-alert-commands"


def incidents_topic(app: str) -> str:
    """Where the state of incidents is kept."""
    return f"{app}-alert-state"


def notices_topic(app: str) -> str:
    """Where it is said what people are to be told of incidents."""
    return f"{app}-alert-notices"


def labels_topic(app: str) -> str:
    """Where it is said of alerts whether they were right."""
    return f"{app}-labels"


def delivery_dead_letters(app: str) -> str:
    """Where messages go that a destination did not take."""
    return f"{app}-delivery.dead-letter"


def incident_specs(app: str) -> list[TopicSpec]:
    """The topics of incidents; one partition each, for their state is one."""
    commands = commands_topic(app)
    return [
        TopicSpec(name=commands, partitions=1),
        TopicSpec(name=f"{commands}.dead-letter", partitions=1),
        TopicSpec(name=incidents_topic(app), partitions=1, cleanup="compact"),
        TopicSpec(name=notices_topic(app), partitions=1),
    ]


def topic_specs(config: AppConfig) -> list[TopicSpec]:
    """Every topic that the application reads or writes."""
    specs: dict[str, TopicSpec] = {}

    def add(name: str, partitions: int, **settings: Any) -> None:
        specs[name] = TopicSpec(name=name, partitions=partitions, **settings)

    for topic, plan in plans(config).items():
        add(state_topic(config, topic), plan.partitions, cleanup="compact")
        if plan.repartitioned:
            add(topic, plan.partitions)
        else:
            kept_ms = plan.stream.retention_ms
            add(topic, plan.partitions, retention_ms=kept_ms, retention_bytes=plan.stream.retention_bytes)
            add(f"{topic}.dead-letter", plan.partitions, retention_ms=kept_ms)
            add(f"{topic}.late", plan.partitions, retention_ms=kept_ms)
        if plan.repartitions:
            add(clocks_topic(config.name), 1, retention_ms=_NEWS_MS)
        for name, table in plan.tables.items():
            if table.sends_closed:
                add(closed_topic(config.name, name), plan.partitions)
    add(config.alerts_topic, max((stream.partitions for stream in config.streams.values()), default=1))
    if config.incidents is not None:
        specs |= {spec.name: spec for spec in incident_specs(config.name)}
    if config.deliver is not None:
        add(delivery_dead_letters(config.name), 1)
    return list(specs.values())
