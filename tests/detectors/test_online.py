"""The online model: it learns from labels in their order, whatever the cut, and holds no more than its bound."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.boosting import Boosting
from detectors.online import Learning, OnlineTrees

SMALL = Learning(
    frauds=60, genuine=100, keep=0.5, renewed=0.5, least_frauds=5, least_genuine=20, boosting=Boosting(trees=4)
)


def labels(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return x, x[:, 0] > 1.0, rng.integers(-(1 << 63), 1 << 63, n)


def learned(parts, n=600):
    """A model that took ``n`` labels in, cut at ``parts``."""
    model, columns = OnlineTrees(n_features=3, learning=SMALL), labels(n)
    bounds = [0, *sorted(part for part in parts if part < n), n]
    for start, stop in pairwise(bounds):
        model.learn(*(column[start:stop] for column in columns))
    return model


def same(left, right):
    return left.keys() == right.keys() and all(left[name].tobytes() == right[name].tobytes() for name in left)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 599), max_size=5))
def test_the_cut_changes_nothing(parts):
    """The same labels in other calls give the same model, bit for bit."""
    assert same(learned(parts).state(), learned([]).state())


def test_one_by_one_is_all_at_once():
    """Also label by label, where each fit falls due at the end of a call."""
    assert same(learned(range(600)).state(), learned([]).state())


def test_no_opinion_before_the_first_fit_and_a_right_one_after():
    """NaN until the least examples are there, then fraud ranks before the rest."""
    model = OnlineTrees(n_features=3, learning=SMALL)
    x, fraud, code = labels(600)
    due = model.next_fit(fraud, code)
    model.learn(x[:due], fraud[:due], code[:due])
    assert np.isnan(model.score(x)).all()
    assert np.isnan(model.reasons(x)).all()
    model.learn(x[due : due + 1], fraud[due : due + 1], code[due : due + 1])
    assert model.fits == 1
    score = model.score(x)
    assert score[fraud].min() > np.median(score[~fraud])


def test_scores_are_near_the_share_of_fraud():
    """Keeping a part of the genuine examples, and fewer frauds than came, does not inflate scores."""
    model = OnlineTrees(
        n_features=3,
        learning=Learning(frauds=100, genuine=2_000, keep=0.25, least_frauds=20, boosting=Boosting(trees=30)),
    )
    x, fraud, code = labels(20_000)
    model.learn(x, fraud, code)
    assert model.score(x).mean() == pytest.approx(fraud.mean(), rel=0.15)


def test_memory_is_bounded():
    """The state of ten times the labels is as large."""
    sizes = [sum(column.nbytes for column in learned([], n).state().values()) for n in (1_000, 10_000)]
    assert sizes[0] == sizes[1]


def test_a_restored_model_goes_on():
    """State in the middle, taken over by a new model, leads to the same end, and shares nothing with the old one."""
    x, fraud, code = labels(600)
    first, second = learned([], 250), OnlineTrees(n_features=3, learning=SMALL)
    x2, fraud2, code2 = labels(600, seed=9)
    state = first.state()
    second.restore(state)
    for column in state.values():
        column[...] = 0
    for model in (first, second):
        model.learn(x2, fraud2, code2)
    assert same(first.state(), second.state())
    assert second.score(x).tobytes() == first.score(x).tobytes()
    assert second.fits > 1
    assert len(fraud) == len(code)


def test_foreign_state_is_refused():
    """State of another shape, or with a part missing, is refused."""
    state = learned([]).state()
    with pytest.raises(ValueError, match="lacks counters"):
        OnlineTrees(n_features=3, learning=SMALL).restore({k: v for k, v in state.items() if k != "counters"})
    with pytest.raises(ValueError, match=r"at most 100 of 2"):
        OnlineTrees(n_features=2, learning=SMALL).restore(state)


@pytest.mark.parametrize("wrong", [{"keep": 0.0}, {"renewed": -1.0}, {"least_frauds": 0}, {"genuine": 10}])
def test_wrong_settings_are_named(wrong):
    """A wrong setting is refused at once, with the offending value in the message."""
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Learning(**wrong)
