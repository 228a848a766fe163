"""Incidents in virtual time: what is put in, and what comes out."""

from dataclasses import dataclass, field

from msgspec.structs import replace

from pipeline.incidents import Ended, IncidentSettings, Raised, State, Tick, step

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
START = 1_700_000_000_000
SETTINGS = IncidentSettings(
    hold_ms=10 * MINUTE, reopen_ms=5 * MINUTE, cooldown_ms=30 * MINUTE, keep_ms=HOUR, storm_limit=5
)


def ended(*, rule="r", key="k", time=START):
    return Ended(rule=rule, key=key, time_ms=time)


def lasting(name, *, time=START, **given):
    return replace(alert(name, **given), lasting=True, event_ms=time)


def alert(name, *, rule="r", key="k", severity="low", detected=None, partition=0, **values):
    return Raised(
        id=name,
        rule=rule,
        key=key,
        severity=severity,
        why=f"{rule} fired for {key}",
        stream="s",
        table=None,
        partition=partition,
        detected_ms=START + 1_000 * DAY if detected is None else detected,
        values=values,
    )


@dataclass
class Life:
    """A state machine that is fed by hand; ``told`` has what people were told: (kind, time, severity)."""

    settings: IncidentSettings = SETTINGS
    state: State = field(default_factory=State)
    notices: list = field(default_factory=list)
    records: dict = field(default_factory=dict)
    refused: list = field(default_factory=list)

    def at(self, after_ms, event=None):
        """Take in ``event``, or a tick, so long after the start; the notices of this step."""
        self.state, outputs = step(self.state, event or Tick(), START + after_ms, self.settings)
        self.notices += outputs.notices
        self.records |= outputs.changes
        if outputs.refused:
            self.refused.append(outputs.refused)
        return [notice.kind for notice in outputs.notices]

    @property
    def told(self):
        return [(notice.kind, notice.time_ms - START, notice.severity) for notice in self.notices]

    @property
    def incident(self):
        """The only one."""
        (found,) = self.state.incidents.values()
        return found
