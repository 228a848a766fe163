"""Scores of how odd something is: pure functions over a key's columns, small state machines over series."""

from collections.abc import Callable
from typing import Final

from numpy import ndarray

from detectors.amount import amount_score
from detectors.base import SeriesDetector
from detectors.distinct import distinct_score
from detectors.ewma import EwmaZScore
from detectors.multiscale import MultiscaleSurprise
from detectors.newness import newness
from detectors.persistence import Persistence
from detectors.silence import silence_score
from detectors.threshold import Threshold
from detectors.velocity import velocity_score

KEYED: Final[dict[str, Callable[..., ndarray]]] = {
    "amount_score": amount_score,
    "distinct_score": distinct_score,
    "newness": newness,
    "silence_score": silence_score,
    "velocity_score": velocity_score,
}

SERIES: Final[dict[str, type[SeriesDetector]]] = {
    "ewma": EwmaZScore,
    "multiscale": MultiscaleSurprise,
    "persistence": Persistence,
    "threshold": Threshold,
}

__all__ = [
    "KEYED",
    "SERIES",
    "EwmaZScore",
    "MultiscaleSurprise",
    "Persistence",
    "SeriesDetector",
    "Threshold",
    "amount_score",
    "distinct_score",
    "newness",
    "silence_score",
    "velocity_score",
]
