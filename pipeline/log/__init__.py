"""The event log: what every log can do. ``opening`` opens one by URL."""

from pipeline.log.api import (
    DEFAULT_RETENTION_MS,
    Committed,
    Copies,
    Difference,
    Fence,
    Lease,
    Log,
    Membership,
    PartitionInfo,
    TopicSpec,
)
from pipeline.log.follow import Start, follow

__all__ = [
    "DEFAULT_RETENTION_MS",
    "Committed",
    "Copies",
    "Difference",
    "Fence",
    "Lease",
    "Log",
    "Membership",
    "PartitionInfo",
    "Start",
    "TopicSpec",
    "follow",
]
