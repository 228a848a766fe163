"""The built-in health stream, its tables, and what raises health alerts, as if they stood in the configuration."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from agents.spec import DetectorSpec, Field, RuleSpec, StreamSpec
from pipeline.config.model import AppConfig
from pipeline.errors import ConfigError
from pipeline.health.burrow import Status
from pipeline.health.events import COUNTERS, GAUGES, HISTOGRAMS, PEAKS, health_topic
from pipeline.health.stuck import Cause
from tables.histogram import WIDTH
from tables.spec import Measure, TableSpec, Window

STREAM: Final = "health"
_WINDOWS: Final = {"health_1s": 1_000, "health_10s": 10_000, "health_1m": 60_000}
TABLES: Final = tuple(_WINDOWS)
"""The health tables, finest first; their keys are ``topic/partition``."""

_GRACE_MS: Final = 2_000
_IDLE_MS: Final = 5_000
_TTL_MS: Final = 24 * 3_600_000
_MAX_SOURCES: Final = 10_000
# A detector warms up for two minutes of 10 s windows: no opinion on start-up, nor in a short run.
_LEARN: Final[Mapping[str, float | int | str | bool]] = {"half_life": 60, "warmup": 12}


def with_health(config: AppConfig) -> AppConfig:
    """The configuration with everything that measures the app itself; the same if ``health`` is off or it has it.

    Raises:
        ConfigError: If a name or the topic is used for something else; says which, and what to do.
    """
    if not config.health or config.streams.get(STREAM) == _stream(config.name):
        return config
    additions: dict[str, Mapping[str, Any]] = {
        "streams": {STREAM: _stream(config.name)},
        "tables": {table.name: table for table in _tables()},
        "rules": {rule.name: rule for rule in _RULES},
        "detectors": {detector.name: detector for detector in _DETECTORS},
    }
    _refuse_clashes(config, additions)
    return replace(
        config,
        streams={**config.streams, **additions["streams"]},
        tables={**config.tables, **additions["tables"]},
        rules={**config.rules, **additions["rules"]},
        detectors={**config.detectors, **additions["detectors"]},
    )


def _refuse_clashes(config: AppConfig, additions: Mapping[str, Mapping[str, Any]]) -> None:
    where = "the configuration" if config.source is None else str(config.source)
    advice = "choose another one, or switch health measurement off with health = false under [app]"
    used: dict[str, Iterable[str]] = {
        "streams": config.streams,
        "tables": config.tables,
        # Rules, detectors and scores share one space of names: alerts carry any of them.
        "rules": [*config.rules, *config.detectors, *config.scores, *config.flows, *config.lists],
        "detectors": [*config.rules, *config.detectors, *config.scores, *config.flows, *config.lists],
    }
    problems = [
        f"{where}: the name {name!r} in [{section}] belongs to the built-in health measurement; {advice}"
        for section, added in additions.items()
        for name in added
        if name in used[section]
    ]
    topic = health_topic(config.name)
    problems += [
        f"{where}: the topic {topic!r} of stream {stream.name!r} belongs to the built-in health measurement; {advice}"
        for stream in config.streams.values()
        if stream.topic == topic
    ]
    if problems:
        raise ConfigError(problems)


def _stream(app: str) -> StreamSpec:
    fields = [
        Field(name="source", type="str"),
        Field(name="ts", type="int"),
        *(Field(name=name, type="int") for name in COUNTERS),
        *(Field(name=name, type="ints", width=WIDTH) for name in HISTOGRAMS),
        # A meter knows no lag and a sampler no latency: null, which a table passes over.
        *(Field(name=name, type="float", optional=True) for name in (*PEAKS, "slow_ms", *GAUGES)),
    ]
    return StreamSpec(
        name=STREAM,
        topic=health_topic(app),
        partitions=1,
        key="source",
        time="ts",
        id=None,
        fields={field.name: field for field in fields},
        idle_advance_ms=_IDLE_MS,
    )


def _tables() -> list[TableSpec]:
    measures = (
        *(Measure(name=name, kind="sum", input=name) for name in COUNTERS),
        *(Measure(name=name, kind="histogram", input=name, width=WIDTH) for name in HISTOGRAMS),
        *(Measure(name=name, kind="max", input=name) for name in (*PEAKS, "slow_ms")),
        *(Measure(name=name, kind="last", input=name) for name in GAUGES),
        Measure(name="worst_lag_ms", kind="max", input="lag_ms"),
        Measure(name="worst_status", kind="max", input="status"),
    )
    return [
        TableSpec(
            name=name,
            stream=STREAM,
            by="source",
            window=Window(kind="tumbling", size_ms=size_ms, pane_ms=size_ms, grace_ms=_GRACE_MS),
            measures=measures,
            ttl_ms=_TTL_MS,
            max_keys=_MAX_SOURCES,
        )
        for name, size_ms in _WINDOWS.items()
    ]


_STUCK: Final = tuple(
    RuleSpec(
        name=f"health-stuck-{cause.name.lower()}",
        table="health_1s",
        when=f"stuck == {int(cause)}",
        severity="high",
        cooldown_ms=60_000,
        description=f"The partition does not move: {cause.sentence}. It is opened again, then the worker ends.",
    )
    for cause in Cause
)
_RULES: Final = (
    *_STUCK,
    RuleSpec(
        name="health-stall",
        table="health_1s",
        when=f"status >= {Status.STALL} and status <= {Status.STOP} and lag_ms >= 5000",
        severity="high",
        cooldown_ms=300_000,
        description="Records wait and the position stands (STALL), or commits stopped coming (STOP).",
    ),
    RuleSpec(
        name="health-lag-growing",
        table="health_1s",
        when=f"status == {Status.WARN} and lag_ms >= 10000",
        severity="medium",
        cooldown_ms=300_000,
        description="The partition is consumed, but slower than it is produced, and is more than ten seconds behind.",
    ),
    RuleSpec(
        name="health-rewind",
        table="health_1s",
        when=f"status == {Status.REWIND}",
        severity="low",
        cooldown_ms=300_000,
        description="The position went back: somebody replays, or a commit was lost.",
    ),
    RuleSpec(
        name="health-reject-surge",
        table="health_10s",
        when="rejected >= 50 and rejected >= 0.2 * records",
        severity="medium",
        cooldown_ms=300_000,
        description="A fifth of the records or more can't be decoded; the dead-letter topic has them with the reason.",
    ),
)

_DETECTORS: Final = (
    DetectorSpec(
        name="health-throughput-drop",
        kind="ewma",
        table="health_10s",
        value="produce_per_s",
        direction="down",
        threshold=6.0,
        clear=2.0,
        severity="medium",
        # At least 10 % of the mean counts as usual, so the steadiest source must lose 60 % before this speaks.
        params={**_LEARN, "floor": 0.1},
        description="Far fewer records are appended than usual.",
    ),
    DetectorSpec(
        name="health-throughput-surge",
        kind="ewma",
        table="health_10s",
        value="busy_per_s",
        direction="up",
        threshold=6.0,
        clear=2.0,
        severity="low",
        params={**_LEARN, "floor": 0.25},
        description="Far more records are appended than usual: at least two and a half times as many.",
    ),
    DetectorSpec(
        name="health-latency-surge",
        kind="ewma",
        table="health_10s",
        value="slow_ms",
        direction="up",
        threshold=6.0,
        clear=2.0,
        severity="medium",
        params={**_LEARN, "floor": 0.25},
        description="The 99th percentile from append to processed is far higher than usual, and over 2.5 s.",
    ),
)
