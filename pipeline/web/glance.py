"""One glance: the most important thing to know now, in a sentence."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from pipeline.health.burrow import Status
from pipeline.health.lag import LagRow
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.parts import human
from pipeline.web.parts.layout import command

LAGGING_MS: Final = 10_000
LOUD: Final = ("critical", "high")


class Glance(NamedTuple):
    """The state of the whole in one sentence; ``mood`` is one of '', 'is-wait', 'is-warn', 'is-bad'."""

    mood: str
    sentence: str
    command: str | None = None


def glance(model: ReadModel, incidents: Mapping[str, int]) -> Glance:
    """What is the most important thing to know now.

    Args:
        model: What the log says.
        incidents: How many go on, by severity.
    """
    if model.refreshed_ms is None:
        return Glance("is-wait", model.problem or "Reading the log for the first time")
    if model.problem:
        return Glance("is-bad", f"The log can't be read: {model.problem}")
    sources = model.sources()
    if not any(state.records for name, state in model.topics.items() if name in sources):
        return Glance("is-wait", "No records yet. Write some with", command(model.config, "load payments --rate 5k"))
    if not model.owners():
        return Glance("is-warn", "No worker is running. Start one with", command(model.config, "worker"))
    found = _worst(model.lag)
    loud = [f"{incidents[severity]:,} {severity}" for severity in LOUD if incidents.get(severity)]
    if found.mood or not loud:
        return found
    return Glance("is-warn", f"Every partition keeps up. Incidents wait for somebody: {' and '.join(loud)}")


def _worst(lag: list[LagRow]) -> Glance:
    troubled = [sample for sample in lag if sample.status is not Status.OK]
    if troubled:
        worst = max(troubled, key=lambda sample: (sample.status in {Status.STALL, Status.STOP}, sample.lag_ms))
        more = f", and {human.plural(len(troubled) - 1, 'more partition')}" if len(troubled) > 1 else ""
        mood = "is-bad" if worst.status in {Status.STALL, Status.STOP} else "is-warn"
        return Glance(mood, f"{worst.topic}/{worst.partition} {worst.status.name}: {worst.reason}{more}")
    slow = max(lag, key=lambda sample: sample.lag_ms, default=None)
    if slow is not None and slow.lag_ms >= LAGGING_MS:
        return Glance("is-warn", f"{slow.topic}/{slow.partition} is {human.duration(slow.lag_ms)} behind")
    return Glance("", "All is well: every partition is being worked on and none falls behind")
