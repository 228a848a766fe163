"""How the app itself does: what flows, how late, what waits, and for how long."""

from pipeline.health.burrow import Observation, Status, Verdict, evaluate
from pipeline.health.definitions import STREAM, TABLES, with_health
from pipeline.health.events import UnitMeter, health_topic, outgoing
from pipeline.health.lag import LagRow, Skew, read_lag, skew, with_measured, with_rates
from pipeline.health.look import Look, look
from pipeline.health.sampler import NEVER, LagSample, LagSampler

__all__ = [
    "NEVER",
    "STREAM",
    "TABLES",
    "LagRow",
    "LagSample",
    "LagSampler",
    "Look",
    "Observation",
    "Skew",
    "Status",
    "UnitMeter",
    "Verdict",
    "evaluate",
    "health_topic",
    "look",
    "outgoing",
    "read_lag",
    "skew",
    "with_health",
    "with_measured",
    "with_rates",
]
