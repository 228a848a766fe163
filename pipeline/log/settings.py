"""Settings of topics by their names in Kafka, as every log compares them."""

from collections.abc import Collection

from pipeline.errors import TopicMismatchError
from pipeline.log.api import Difference, TopicSpec

PARTITIONS = "partitions"
CLEANUP = "cleanup.policy"
RETENTION = ("retention.ms", "retention.bytes")
UNLIMITED = "-1"


def settings(spec: TopicSpec) -> dict[str, str]:
    """What a topic is made with on every log.

    >>> settings(TopicSpec(name="t", partitions=1, retention_ms=None))
    {'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1'}
    """
    if spec.cleanup == "compact":
        return {CLEANUP: spec.cleanup}
    bounds = (spec.retention_ms, spec.retention_bytes)
    return {CLEANUP: spec.cleanup} | {
        name: UNLIMITED if bound is None else str(bound) for name, bound in zip(RETENTION, bounds, strict=True)
    }


def missing(spec: TopicSpec) -> Difference:
    """The difference of a topic that there is not."""
    return Difference(spec.name, PARTITIONS, None, str(spec.partitions))


def partitions(spec: TopicSpec, found: int) -> list[Difference]:
    """The difference of a topic with ``found`` partitions, if there is one."""
    if found == spec.partitions:
        return []
    advice = f"partitions can't be removed; set partitions = {found} in the configuration"
    return [
        Difference(spec.name, PARTITIONS, str(found), str(spec.partitions), advice if found > spec.partitions else None)
    ]


def refuse(differences: Collection[Difference]) -> None:
    """Refuse to mend what can't be mended.

    Raises:
        TopicMismatchError: If there is such a difference.
    """
    for topic, setting, found, wanted, advice in differences:
        if advice is not None:
            raise TopicMismatchError(f"topic {topic!r} has {setting} {found}, wanted is {wanted}: {advice}")
