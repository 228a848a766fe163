"""Topics of a log as rows."""

from collections.abc import Mapping
from typing import Any

from pipeline.cli.human import number, size, span
from pipeline.cli.output import Output, table
from pipeline.cli.runtime import opened
from pipeline.config import AppConfig
from pipeline.log import PartitionInfo, TopicSpec


async def list_topics(config: AppConfig, output: Output) -> None:
    """Show every topic."""
    async with opened(config) as log:
        found = [(spec, await log.partitions(name)) for name, spec in sorted((await log.topics()).items())]
    shown = table(">partitions", ">records", ">size", ">kept", "topic")
    for spec, partitions in found:
        shown.add_row(
            number(spec.partitions),
            number(_records(partitions)),
            size(sum(info.size_bytes for info in partitions.values())),
            _kept(spec),
            spec.name,
        )
    output.rows(shown, [_object(*each) for each in found], nothing="the log has no topics yet")


def _records(partitions: Mapping[int, PartitionInfo]) -> int:
    return sum(info.end - info.start for info in partitions.values())


def _kept(spec: TopicSpec) -> str:
    if spec.cleanup == "compact":
        return "newest of each key"
    bounds = [span(spec.retention_ms)] if spec.retention_ms is not None else []
    bounds += [size(spec.retention_bytes)] if spec.retention_bytes is not None else []
    return " or ".join(bounds) or "for ever"


def _object(spec: TopicSpec, partitions: Mapping[int, PartitionInfo]) -> dict[str, Any]:
    return {
        "topic": spec.name,
        "cleanup": spec.cleanup,
        "retention_ms": spec.retention_ms if spec.cleanup == "delete" else None,
        "retention_bytes": spec.retention_bytes if spec.cleanup == "delete" else None,
        "partitions": [{"partition": number, **info._asdict()} for number, info in sorted(partitions.items())],
    }
