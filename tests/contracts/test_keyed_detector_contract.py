"""What every keyed detector in the registry must keep to; a new one is tested before its author writes a test."""

import numpy as np
import pytest

from detectors import KEYED
from tests.contracts.detector_settings import COLUMNS, ODD_VALUES

every_keyed = pytest.mark.parametrize("name", sorted(KEYED))


@every_keyed
def test_keyed_records_do_not_influence_each_other(name):
    """A record's score is the same alone and among others, bit for bit, and the columns are left as they were."""
    columns, more = COLUMNS[name]
    rng = np.random.default_rng(2)
    together = [np.floor(column * rng.uniform(0.2, 3.0, 257)) for column in columns]
    before = [column.copy() for column in together]
    scores = KEYED[name](*together, **more)
    assert scores.shape == (257,)
    assert all(np.array_equal(left, right) for left, right in zip(before, together, strict=True))
    alone = np.concatenate([KEYED[name](*(c[i : i + 1] for c in together), **more) for i in range(257)])
    strided = KEYED[name](*(np.repeat(c, 2)[::2] for c in together), **more)
    assert scores.tobytes() == alone.tobytes() == strided.tobytes()


@every_keyed
def test_keyed_takes_no_records_and_whole_columns(name):
    """An empty chunk gives an empty result, and int64 columns the same as float64 ones."""
    columns, more = COLUMNS[name]
    empty = KEYED[name](*(np.empty(0) for _ in columns), **more)
    assert empty.shape == (0,)
    floats, whole = ([np.array([c], kind) for c in columns] for kind in (np.float64, np.int64))
    assert KEYED[name](*floats, **more) == KEYED[name](*whole, **more)


@pytest.mark.parametrize("name", sorted(set(KEYED) - {"newness"}))
@pytest.mark.parametrize("bad", ODD_VALUES)
def test_keyed_is_safe_against_odd_input(name, bad):
    """An odd number in any column gives NaN or a finite score, no warning, and leaves the neighbours alone."""
    columns, more = COLUMNS[name]
    clean = KEYED[name](*([c] for c in columns), **more)[0]
    assert np.isfinite(clean)
    for position in range(len(columns)):
        dirty = [np.array([c, bad if i == position else c, c]) for i, c in enumerate(columns)]
        scores = KEYED[name](*dirty, **more)
        assert not np.isinf(scores).any()
        assert scores[0] == scores[2] == clean
        if np.isnan(bad):
            assert np.isnan(scores[1])
