"""The event log: what every log can do, the local one, and opening one by URL."""

from pipeline.log.api import DEFAULT_RETENTION_MS, Committed, Fence, Lease, Log, PartitionInfo, TopicSpec
from pipeline.log.follow import Start, follow
from pipeline.log.opening import open_log

__all__ = [
    "DEFAULT_RETENTION_MS",
    "Committed",
    "Fence",
    "Lease",
    "Log",
    "PartitionInfo",
    "Start",
    "TopicSpec",
    "follow",
    "open_log",
]
