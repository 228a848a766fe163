"""Settings of every detector in the registry, right and wrong ones, and values that are odd."""

import numpy as np
import pytest

from detectors import SERIES

SMOOTHING = [{"half_life": -3.5}, {"half_life": float("nan")}, {"warmup": 1}, {"floor": -0.25}]
SETTINGS = {
    **{kind: {"warmup": 5} for kind in sorted(SERIES)},
    "half_space_trees": {"warmup": 10},
    "multiscale": {"warmup": 40},
    "random_cuts": {"warmup": 10},
    "threshold": {"above": 20.0, "margin": 2.0},
}
WRONG = {
    "adwin": [{"delta": 0.0}, {"delta": 1.5}, {"warmup": 1}],
    "cusum": [{"slack": -0.25}, *SMOOTHING],
    "ewma": SMOOTHING,
    "half_space_trees": [{"warmup": 7}],
    "multiscale": [{"warmup": 39}, {"looks": -0.25}, {"looks": float("inf")}],
    "page_hinkley": [{"slack": -0.25}, {"warmup": 1}, {"floor": -0.25}],
    "persistence": SMOOTHING,
    "random_cuts": [{"warmup": 7}],
    "robust_z": [{"warmup": 1}, {"warmup": 9, "window": 8}, {"floor": -0.25}],
    "seasonal": SMOOTHING,
    "spot": [{"share": 0.5}, {"depth": -1.5}, {"memory": 0.0}, {"warmup": 1}],
    "threshold": [{"above": float("inf")}, {"above": 1.0, "margin": -0.5}, {"above": 1.0, "below": 2.5}, {}],
}
# Columns of records that are odd, and settings, for each keyed function.
COLUMNS = {
    "amount_score": ((95.0, 9.0, 20.0, 30.0), {}),
    "distinct_score": ((9.0, 10.0), {}),
    "newness": ((900.0, 500.0, 100.0), {}),
    "silence_score": ((50_000.0, 1_000.0, 30.0), {}),
    "travel_distance": ((20.0, 50.0, 25.0, 40.0), {}),
    "travel_speed": ((900.0, 60_000.0), {}),
    "velocity_score": ((40.0, 4.0), {}),
}
ODD_VALUES = [np.nan, np.inf, -np.inf, 1e308, -1e308]
every_series = pytest.mark.parametrize("kind", sorted(SERIES))
