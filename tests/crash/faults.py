"""What happens to whom and when, drawn from a seed before the run begins."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

_CALM_SHARE = 0.3
_PATIENT_SHARE = 0.75
_PATIENCE_S, _ZOMBIE_PATIENCE_S = 4.0, 15.0
_MOST_WORK_S = 2.0
_AWAY_S = (4.0, 12.0)
_OUTAGE_S = (0.5, 4.0)
_LAST_OUTAGE_S = 30.0  # before the end of the load: a broker needs a while to start, and so do workers


class Kind(StrEnum):
    """What is done to a worker; after whatever ends it, it is started again at once under the same name."""

    KILL = "kill"  # SIGKILL
    TERM = "term"  # SIGTERM, and the exit code must be 0
    ZOMBIE = "zombie"  # SIGSTOP for longer than the time to live, then SIGCONT
    STOP = "stop"  # SIGSTOP for less than that, then SIGCONT
    STOP_KILL = "stop-kill"  # SIGSTOP, then SIGKILL
    LEAVE = "leave"  # SIGTERM, and it comes back only after a while


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often what happens.

    Args:
        weights: Of the kinds of fault.
        late_weights: The same for the worker that comes late.
        busy_s: Seconds between two faults of a worker, least and most.
        calm_s: The same in three cases of ten.
        short_s: Length of a short stop, least and most.
        kills_per_minute: So many kills a plan must have at least.
        all_kinds_s: A load of this length has every kind of fault.
        outage_every_s: Seconds between two outages of the log, least and most; ``None`` for a log that has none.
    """

    weights: Mapping[Kind, int]
    late_weights: Mapping[Kind, int] = field(default_factory=dict)
    busy_s: tuple[float, float]
    calm_s: tuple[float, float]
    short_s: tuple[float, float]
    kills_per_minute: float
    all_kinds_s: float
    outage_every_s: tuple[float, float] | None = None


class Fault(NamedTuple):
    """One fault.

    Args:
        at_s: Seconds since the start.
        worker: Its number.
        kind: What is done to it.
        hold_s: How long a stop or an absence lasts.
        patience_s: How long to wait for the worker to commit something; 0 strikes it whatever it is at.
        work_s: How long it may go on after that.
    """

    at_s: float
    worker: int
    kind: Kind
    hold_s: float
    patience_s: float
    work_s: float


class Outage(NamedTuple):
    """The log is killed, and started again after ``away_s``."""

    at_s: float
    away_s: float


class Plan(NamedTuple):
    """When each worker starts, in seconds since the start, and all faults and outages in order of time."""

    starts_s: list[float]
    faults: list[Fault]
    outages: list[Outage]

    @property
    def kills(self) -> int:
        """How many times a worker is killed."""
        return sum(fault.kind in (Kind.KILL, Kind.STOP_KILL) for fault in self.faults)


def make_plan(seed: int, seconds: float, pace: Pace, *, ttl_s: float, workers: int = 3) -> Plan:
    """A plan with the kills that the pace asks for and, if there is time for it, every kind of fault.

    The last worker joins late. Kills come in bursts with calm in between; a quarter of them strikes whatever the worker
    is at, which is often its start, the others wait for some seconds until it has committed something.

    Args:
        seed: Of all chance.
        seconds: Length of the load.
        pace: How often what happens.
        ttl_s: How long a silent worker is believed to live.
        workers: How many, the late one included.
    """
    wanted = pace.weights.keys() | pace.late_weights.keys()
    for attempt in range(10_000):
        rng = random.Random(f"{seed}/{attempt}")
        starts_s = [0.0] * (workers - 1) + [rng.uniform(0.1, 0.25) * seconds]
        faults = sorted(
            fault
            for worker, start_s in enumerate(starts_s)
            for fault in _of(rng, worker, (start_s, seconds), pace, ttl_s)
        )
        plan = Plan(starts_s, faults, list(_outages(rng, pace, seconds)))
        kinds = {fault.kind for fault in faults}
        if plan.kills >= pace.kills_per_minute * seconds / 60 and (seconds < pace.all_kinds_s or kinds == wanted):
            return plan
    raise ValueError(f"no plan of {seconds} s has enough kills; give it more time or workers")


def _of(rng: random.Random, worker: int, span_s: tuple[float, float], pace: Pace, ttl_s: float) -> Iterator[Fault]:
    weights = pace.late_weights if span_s[0] > 0 and pace.late_weights else pace.weights
    at_s, end_s = span_s[0] + rng.uniform(2.0, 5.0), span_s[1]
    while at_s < end_s:
        (kind,) = rng.choices(list(weights), list(weights.values()))
        hold_s = {
            Kind.ZOMBIE: rng.uniform(ttl_s + 1.0, ttl_s + 3.0),
            Kind.STOP: rng.uniform(*pace.short_s),
            Kind.STOP_KILL: rng.uniform(0.1, 1.5),
            Kind.LEAVE: rng.uniform(*_AWAY_S),
        }.get(kind, 0.0)
        patience_s = _ZOMBIE_PATIENCE_S if kind is Kind.ZOMBIE else _PATIENCE_S * (rng.random() < _PATIENT_SHARE)
        yield Fault(at_s, worker, kind, hold_s, patience_s, rng.uniform(0.0, _MOST_WORK_S))
        at_s += hold_s + rng.uniform(*(pace.calm_s if rng.random() < _CALM_SHARE else pace.busy_s))


def _outages(rng: random.Random, pace: Pace, end_s: float) -> Iterator[Outage]:
    if pace.outage_every_s is None:
        return
    at_s = rng.uniform(*pace.outage_every_s) / 2
    while at_s < end_s - _LAST_OUTAGE_S:
        yield Outage(at_s, rng.uniform(*_OUTAGE_S))
        at_s += rng.uniform(*pace.outage_every_s)
