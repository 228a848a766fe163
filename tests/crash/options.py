"""What to run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What to run.

    Args:
        seconds: Length of the load.
        seed: Of the load and of the faults.
        rate_per_s: Records a second; what is repeated or aborted comes on top.
        partitions: Of the source topic.
        keep: Folder for configuration, messages and a local log; ``None``: a temporary one, removed at the end.
    """

    seconds: float
    seed: int
    rate_per_s: float
    partitions: int
    keep: Path | None = None
