"""Names of topics: which are allowed, and what to say about one that there is not."""

import difflib
import re
from collections.abc import Iterable

from pipeline.errors import UnknownTopicError, UsageError
from pipeline.log.api import TopicSpec

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SHOWN = 20


def validate(spec: TopicSpec) -> None:
    """Refuse what Kafka would refuse.

    Raises:
        UsageError: If the name or a setting is not allowed.
    """
    if not _NAME.fullmatch(spec.name) or spec.name in {".", ".."}:
        raise UsageError(
            f"{spec.name!r} is no topic name: 1 to 249 letters, digits, '.', '_' and '-' are allowed, "
            "but neither '.' nor '..'"
        )
    if spec.partitions < 1:
        raise UsageError(f"topic {spec.name!r} needs at least 1 partition, got {spec.partitions}")
    if spec.cleanup not in {"delete", "compact"}:
        raise UsageError(f"cleanup of topic {spec.name!r} is 'delete' or 'compact', got {spec.cleanup!r}")
    for name, value in (("retention_ms", spec.retention_ms), ("retention_bytes", spec.retention_bytes)):
        if value is not None and value < 0:
            raise UsageError(f"{name} of topic {spec.name!r} can't be negative, got {value}; None keeps everything")


def unknown_topic(name: str, known: Iterable[str]) -> UnknownTopicError:
    """The error for a topic that is not among ``known``, with a guess."""
    names = sorted(known)
    if not names:
        return UnknownTopicError(f"there is no topic {name!r}: the log has no topics yet")
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return UnknownTopicError(f"there is no topic {name!r}: {hint}The log has {shown}")


def unknown_partition(name: str, partition: int, partitions: int) -> UnknownTopicError:
    """The error for a partition beyond those of a topic."""
    return UnknownTopicError(f"topic {name!r} has no partition {partition}: it has 0 to {partitions - 1}")
