"""Boosted trees: what they learn, that they add up, and that nothing but the examples decides."""

import sys

import numpy as np
import pytest

from detectors import boosting, trees
from detectors.boosting import Boosting, fit_trees
from detectors.trees import ObliviousTrees


@pytest.fixture(autouse=True, scope="module", params=["compiled", "plain"])
def loops(request):
    """Every fact holds with numba and without."""
    trees.compiled.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "compiled":
            pytest.importorskip("numba")
        else:
            patch.setitem(sys.modules, "detectors.compiled", None)  # an import of it fails
        assert (trees.compiled() is None) == (request.param == "plain")
        yield
    trees.compiled.cache_clear()


def examples(n=4_000, seed=1):
    """Fraud where the first feature is large, or the second while the third is small; the fourth is noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    fraud = (x[:, 0] > 1.5) | ((x[:, 1] > 1.0) & (x[:, 2] < 0.0))
    x[rng.random((n, 4)) < 0.02] = np.nan
    return x, fraud


def ranked(fraud, score):
    """Chance that a fraud scores higher than a genuine record."""
    return (score[fraud][:, None] > score[~fraud][None, :]).mean()


def test_it_learns_an_interaction_and_says_so_on_new_records():
    """Held-out records are ranked almost perfectly, and noise is given no reason."""
    model = fit_trees(*examples(), np.ones(4_000), Boosting())
    x, fraud = examples(2_000, seed=2)
    assert ranked(fraud, model.margin(x)) > 0.97
    reasons = np.abs(model.contributions(x)).mean(axis=0)
    assert reasons[3] < 0.1 * min(reasons[:3])


def test_contributions_add_up_to_the_margin():
    """The margin is the contributions and one number that all records share."""
    model = fit_trees(*examples(), np.ones(4_000), Boosting(trees=10))
    x, _ = examples(100, seed=3)
    rest = model.margin(x) - model.contributions(x).sum(axis=1)
    assert np.allclose(rest, rest[0])


def test_weights_count_like_copies():
    """One genuine example of weight 10 gives the base rate that ten of them would give."""
    x, fraud = examples()
    model = fit_trees(x, fraud, np.where(fraud, 1.0, 10.0), Boosting(trees=1))
    share = fraud.sum() / (fraud.sum() + 10.0 * (~fraud).sum())
    assert model.base == pytest.approx(np.log(share / (1.0 - share)))


def test_the_same_examples_give_the_same_model():
    """Equal fits are equal bit for bit; another number draws other examples."""
    x, fraud = examples()
    first, second, other = (fit_trees(x, fraud, np.ones(len(x)), Boosting(), number=n) for n in (0, 0, 1))
    assert all(first.state()[name].tobytes() == column.tobytes() for name, column in second.state().items())
    assert first.margin(x).tobytes() != other.margin(x).tobytes()


@pytest.mark.parametrize(
    "how", [Boosting(trees=12), Boosting(trees=3, depth=8, sample=1.0), Boosting(trees=3, depth=1)]
)
def test_compiled_code_gives_the_same_bits(how, monkeypatch):
    """Trees, margins and contributions are those of NumPy alone, bit for bit."""
    x, fraud = examples()
    weight = np.where(fraud, 1.0, 7.3)
    model = fit_trees(x, fraud, weight, how)
    for module in (boosting, trees):
        monkeypatch.setattr(module, "compiled", lambda: None)
    other = fit_trees(x, fraud, weight, how)
    assert all(model.state()[name].tobytes() == column.tobytes() for name, column in other.state().items())
    plain = other.margin(x), other.contributions(x)
    monkeypatch.undo()
    assert (other.margin(x).tobytes(), other.contributions(x).tobytes()) == tuple(each.tobytes() for each in plain)


def test_records_do_not_influence_each_other():
    """A record's margin is the same alone and among others, bit for bit, and across the inner blocks."""
    model = fit_trees(*examples(), np.ones(4_000), Boosting(trees=20))
    x, _ = examples(9_000, seed=4)
    together = model.margin(x)
    assert together[8_190:8_195].tobytes() == model.margin(x[8_190:8_195]).tobytes()
    assert together[:1].tobytes() == model.margin(x[:1]).tobytes()


def test_state_shares_nothing():
    """A restored model gives the same margins, also after the state it came from was overwritten."""
    x, fraud = examples()
    model = fit_trees(x, fraud, np.ones(len(x)), Boosting(trees=5))
    state = model.state()
    copy = ObliviousTrees.from_state(state)
    for column in state.values():
        column[...] = 0
    assert copy.margin(x).tobytes() == model.margin(x).tobytes()


@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_a_feature_that_tells_nothing_does_no_harm(fill):
    """A constant feature, or one that is never there, is never asked about to any effect."""
    x, fraud = examples()
    x[:, 3] = fill
    model = fit_trees(x, fraud, np.ones(len(x)), Boosting(trees=10, features=1.0))
    assert ranked(fraud, model.margin(x)) > 0.95
    assert np.abs(model.contributions(x)[:, 3]).max() == 0.0


def test_fraud_and_genuine_examples_are_needed():
    """A fit to one kind only is refused."""
    x, _ = examples(100)
    with pytest.raises(ValueError, match="100 of one kind"):
        fit_trees(x, np.zeros(100, np.bool_), np.ones(100), Boosting())


@pytest.mark.parametrize("wrong", [{"trees": 0}, {"depth": 9}, {"rate": 0.0}, {"sample": 1.5}, {"ridge": -1.0}])
def test_wrong_settings_are_named(wrong):
    """A wrong setting is refused at once, with the offending value in the message."""
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Boosting(**wrong)
