"""Why a partition does not move although there is something to do."""

from enum import IntEnum


class Cause(IntEnum):
    """What a partition hangs in; the value stands in the gauge ``stuck`` of health events, 0 there is none."""

    FETCH = 1
    HANDLER = 2
    POISON = 3
    RESTORE = 4
    COMMIT = 5

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        return _SENTENCES[self]


_SENTENCES = {
    Cause.FETCH: "records are there, but fetching them brings none",
    Cause.HANDLER: "a chunk is being processed and does not come to an end",
    Cause.POISON: "processing fails at the same records again and again",
    Cause.RESTORE: "its state is being restored and does not come to an end",
    Cause.COMMIT: "records are processed, but committing them does not come to an end",
}
