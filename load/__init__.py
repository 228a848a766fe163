"""Where records come from in tests, demos and measurements: seeded generators with ground truth, and recorded data."""

from load.campaign_kinds import KINDS
from load.campaigns import CampaignConfig
from load.faults import MALFORMED, Delay, Faults, Sent
from load.pacing import DelayHistogram, Due, Load, OpenLoop
from load.payments import PaymentsConfig, PaymentsLoad
from load.readers import ReplayError
from load.replay import Replay, ReplayConfig, Together, sample_paths
from load.score import KindScore, Report, RuleScore, match

__all__ = [
    "KINDS",
    "MALFORMED",
    "CampaignConfig",
    "Delay",
    "DelayHistogram",
    "Due",
    "Faults",
    "KindScore",
    "Load",
    "OpenLoop",
    "PaymentsConfig",
    "PaymentsLoad",
    "Replay",
    "ReplayConfig",
    "ReplayError",
    "Report",
    "RuleScore",
    "Sent",
    "Together",
    "match",
    "sample_paths",
]
