"""How large the measurements are."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How large the measurements are; by default all of them take some six minutes.

    Args:
        rate_per_s: Of the latency measurement.
        seconds: Of it, after the warm-up.
        warm_s: Warm-up before it: brokers are slow until their code is compiled.
        state_bytes: Of the state that is restored, over all partitions.
        keys: Of the table whose memory is measured.
        backlog: Records of the backlog whose catching up must not take memory.
        commit_s: Between two commits meanwhile.
        sessions_s: Session time-outs under which a worker is killed.
        nice: Of the broker and of the processes that are measured; a negative one takes rights that not everybody has.
    """

    rate_per_s: int = 20_000
    seconds: float = 60.0
    warm_s: float = 30.0
    state_bytes: int = 1_000_000_000
    keys: int = 1_000_000
    backlog: int = 2_000_000
    commit_s: int = 15
    sessions_s: tuple[int, ...] = (6, 10)
    nice: int = 0


TINY = Options(
    rate_per_s=2_000,
    seconds=2.0,
    warm_s=0.5,
    state_bytes=4_000_000,
    keys=20_000,
    backlog=20_000,
    commit_s=1,
    sessions_s=(),
)
"""Whether the tools work, not what they measure."""
