"""Incidents: alerts that people can live with. Grouped, told once, acknowledged, and resolved when they end."""

from pipeline.incidents.events import Acknowledge, Ended, Event, Raised, Resolve, Snooze, Tick, Unsnooze
from pipeline.incidents.machine import Outputs, step
from pipeline.incidents.model import Incident, Notice, Record, State
from pipeline.incidents.records import restore
from pipeline.incidents.settings import IncidentSettings, Maintenance

__all__ = [
    "Acknowledge",
    "Ended",
    "Event",
    "Incident",
    "IncidentSettings",
    "Maintenance",
    "Notice",
    "Outputs",
    "Raised",
    "Record",
    "Resolve",
    "Snooze",
    "State",
    "Tick",
    "Unsnooze",
    "restore",
    "step",
]
