"""What happens to whom and when, drawn from a seed before the run begins."""

import random
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

_LEAST_KILLS_PER_MINUTE = 30
_BUSY_S, _CALM_S = (0.5, 3.5), (4.0, 7.0)
_CALM_SHARE = 0.3
_PATIENT_SHARE = 0.75
_PATIENCE_S, _ZOMBIE_PATIENCE_S = 4.0, 15.0
_MOST_WORK_S = 2.0


class Kind(StrEnum):
    """What is done to a worker; after whatever ends it, it is started again at once under the same name."""

    KILL = "kill"  # SIGKILL
    TERM = "term"  # SIGTERM, and the exit code must be 0
    ZOMBIE = "zombie"  # SIGSTOP for longer than the time to live, then SIGCONT
    STOP = "stop"  # SIGSTOP for less than that, then SIGCONT
    STOP_KILL = "stop-kill"  # SIGSTOP, then SIGKILL


_WEIGHTS = {Kind.KILL: 62, Kind.TERM: 12, Kind.ZOMBIE: 6, Kind.STOP: 15, Kind.STOP_KILL: 9}


class Fault(NamedTuple):
    """One fault.

    Args:
        at_s: Seconds since the start.
        worker: Its number.
        kind: What is done to it.
        hold_s: How long a stop lasts.
        patience_s: How long to wait for the worker to commit something; 0 strikes it whatever it is at.
        work_s: How long it may go on after that.
    """

    at_s: float
    worker: int
    kind: Kind
    hold_s: float
    patience_s: float
    work_s: float


class Plan(NamedTuple):
    """When each worker starts, in seconds since the start, and all faults in order of time."""

    starts_s: list[float]
    faults: list[Fault]

    @property
    def kills(self) -> int:
        """How many times a process is killed."""
        return sum(fault.kind in (Kind.KILL, Kind.STOP_KILL) for fault in self.faults)


def make_plan(seed: int, seconds: float, *, ttl_s: float, workers: int = 3) -> Plan:
    """A plan with at least 30 kills a minute and, if there is time for it, every kind of fault.

    The last worker joins late. Kills come in bursts with calm in between; a quarter of them strikes whatever the worker
    is at, which is often its start, the others wait for some seconds until it has committed something.

    Args:
        seed: Of all chance.
        seconds: Length of the load.
        ttl_s: How long a silent worker is believed to live.
        workers: How many, the late one included.
    """
    for attempt in range(10_000):
        rng = random.Random(f"{seed}/{attempt}")
        starts_s = [0.0] * (workers - 1) + [rng.uniform(0.1, 0.25) * seconds]
        faults = sorted(
            fault for worker, start_s in enumerate(starts_s) for fault in _of(rng, worker, start_s, seconds, ttl_s)
        )
        plan = Plan(starts_s, faults)
        kinds = {fault.kind for fault in faults}
        if plan.kills >= _LEAST_KILLS_PER_MINUTE * seconds / 60 and (seconds < 40 or kinds == set(Kind)):
            return plan
    raise ValueError(f"no plan of {seconds} s has enough kills; give it more time or workers")


def _of(rng: random.Random, worker: int, start_s: float, end_s: float, ttl_s: float) -> Iterator[Fault]:
    at_s = start_s + rng.uniform(2.0, 5.0)
    while at_s < end_s:
        (kind,) = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        hold_s = {
            Kind.ZOMBIE: rng.uniform(ttl_s + 1.0, ttl_s + 3.0),
            Kind.STOP: rng.uniform(0.1, 0.5 * ttl_s),
            Kind.STOP_KILL: rng.uniform(0.1, 1.5),
        }.get(kind, 0.0)
        patience_s = _ZOMBIE_PATIENCE_S if kind is Kind.ZOMBIE else _PATIENCE_S * (rng.random() < _PATIENT_SHARE)
        yield Fault(at_s, worker, kind, hold_s, patience_s, rng.uniform(0.0, _MOST_WORK_S))
        at_s += hold_s + rng.uniform(*(_CALM_S if rng.random() < _CALM_SHARE else _BUSY_S))
