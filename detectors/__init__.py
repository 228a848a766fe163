"""Scores of how odd something is: pure functions over a key's columns, small state machines over series."""

from collections.abc import Callable
from typing import Final

from numpy import ndarray

from detectors.adwin import Adwin
from detectors.amount import amount_score
from detectors.base import SeriesDetector
from detectors.cumulative import Cusum, PageHinkley
from detectors.distinct import distinct_score
from detectors.ewma import EwmaZScore
from detectors.forests import HalfSpaceTrees, RandomCuts
from detectors.multiscale import MultiscaleSurprise
from detectors.newness import newness
from detectors.persistence import Persistence
from detectors.robust import RobustZScore
from detectors.seasonal import SeasonalProfile
from detectors.silence import silence_score
from detectors.spot import Spot
from detectors.threshold import Threshold
from detectors.travel import travel_distance, travel_speed
from detectors.velocity import velocity_score

KEYED: Final[dict[str, Callable[..., ndarray]]] = {
    "amount_score": amount_score,
    "distinct_score": distinct_score,
    "newness": newness,
    "silence_score": silence_score,
    "travel_distance": travel_distance,
    "travel_speed": travel_speed,
    "velocity_score": velocity_score,
}

SERIES: Final[dict[str, type[SeriesDetector]]] = {
    "adwin": Adwin,
    "cusum": Cusum,
    "ewma": EwmaZScore,
    "half_space_trees": HalfSpaceTrees,
    "multiscale": MultiscaleSurprise,
    "page_hinkley": PageHinkley,
    "persistence": Persistence,
    "random_cuts": RandomCuts,
    "robust_z": RobustZScore,
    "seasonal": SeasonalProfile,
    "spot": Spot,
    "threshold": Threshold,
}

__all__ = [
    "KEYED",
    "SERIES",
    "Adwin",
    "Cusum",
    "EwmaZScore",
    "HalfSpaceTrees",
    "MultiscaleSurprise",
    "PageHinkley",
    "Persistence",
    "RandomCuts",
    "RobustZScore",
    "SeasonalProfile",
    "SeriesDetector",
    "Spot",
    "Threshold",
    "amount_score",
    "distinct_score",
    "newness",
    "silence_score",
    "travel_distance",
    "travel_speed",
    "velocity_score",
]
