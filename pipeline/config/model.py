"""The whole configuration as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.patterns.spec import FlowSpec, ListSpec
from agents.risk.spec import RiskSpec
from agents.spec import DetectorSpec, RuleSpec, StreamSpec
from pipeline.access.settings import WebSettings
from pipeline.delivery.settings import DeliverySettings
from pipeline.incidents.settings import IncidentSettings
from pipeline.kafka.settings import KafkaSettings
from tables.spec import TableSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class AppConfig:
    """What one TOML file and the environment say.

    Args:
        name: Of the application: consumer group and prefix of its own topics.
        log: URL of the event log: ``local://PATH`` (relative to the working directory) or ``kafka://HOST:PORT,…``.
        kafka: How to connect to Kafka, if the log is there.
        alerts_topic: Where alerts go.
        commit_ms: Longest time between commits; an alert asks for an earlier one.
        streams: By name.
        tables: By name, the built-in health tables not included.
        rules: By name.
        detectors: By name.
        incidents: How alerts become incidents; ``None`` leaves alerts alone.
        deliver: Where alerts are delivered; ``None`` delivers nothing.
        scores: Risk scores by name.
        flows: What is followed from account to account, by name.
        lists: Block and allow lists by name.
        health: Whether workers measure themselves.
        web_host: Address that the web view binds to.
        web_port: Its port; 0 takes a free one.
        web: How the web view is reached, and who may enter.
        source: The file, for messages; ``None`` when made in code.
    """

    name: str
    log: str
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    alerts_topic: str = "alerts"
    commit_ms: int = 1_000
    streams: Mapping[str, StreamSpec] = field(default_factory=dict)
    tables: Mapping[str, TableSpec] = field(default_factory=dict)
    rules: Mapping[str, RuleSpec] = field(default_factory=dict)
    detectors: Mapping[str, DetectorSpec] = field(default_factory=dict)
    incidents: IncidentSettings | None = None
    deliver: DeliverySettings | None = None
    scores: Mapping[str, RiskSpec] = field(default_factory=dict)
    flows: Mapping[str, FlowSpec] = field(default_factory=dict)
    lists: Mapping[str, ListSpec] = field(default_factory=dict)
    health: bool = True
    web_host: str = "127.0.0.1"
    web_port: int = 8080
    web: WebSettings = field(default_factory=WebSettings)
    source: Path | None = None
