"""Scores of how odd something is: pure functions over a key's columns, small state machines over series."""

from collections.abc import Callable
from typing import Final

from detectors.amount import amount_score
from detectors.distinct import distinct_score
from detectors.newness import newness
from detectors.silence import silence_score
from detectors.velocity import velocity_score

KEYED: Final[dict[str, Callable[..., object]]] = {
    "amount_score": amount_score,
    "distinct_score": distinct_score,
    "newness": newness,
    "silence_score": silence_score,
    "velocity_score": velocity_score,
}

__all__ = ["KEYED", "amount_score", "distinct_score", "newness", "silence_score", "velocity_score"]
