"""Every detector in the registry refuses wrong settings by name, is documented, and is listed."""

import doctest
import inspect
import sys

import pytest

import detectors
from detectors import KEYED, SERIES
from tests.contracts.detector_settings import COLUMNS, SETTINGS, WRONG, every_series


@pytest.mark.parametrize(("kind", "wrong"), [(kind, wrong) for kind in sorted(WRONG) for wrong in WRONG[kind]])
def test_wrong_settings_are_named(kind, wrong):
    """A wrong setting is refused at once, with the offending value in the message."""
    shown = str(list(wrong.values())[-1]) if wrong else "neither"
    with pytest.raises(ValueError, match=shown):
        SERIES[kind](**wrong)


@every_series
def test_settings_are_keyword_only(kind):
    """No setting can be passed by position."""
    kinds = {parameter.kind for parameter in inspect.signature(SERIES[kind]).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("thing", [*SERIES.values(), *KEYED.values()], ids=lambda thing: thing.__name__)
def test_documented_with_a_running_example(thing):
    """Each docstring says cost and reference, and its example runs."""
    for section in ("Args:", "Cost:", "Reference:", ">>>"):
        assert section in thing.__doc__
    scope = vars(sys.modules[thing.__module__])
    examples = doctest.DocTestFinder(recurse=False).find(thing, globs=dict(scope))
    assert doctest.DocTestRunner().run(examples[0]).failed == 0
    if inspect.isclass(thing):
        assert thing.cost
        assert thing.best_for


def test_registries_hold_every_public_detector():
    """What the package exports is what the registries list, sorted."""
    listed = {thing.__name__ for thing in [*SERIES.values(), *KEYED.values()]}
    assert set(detectors.__all__) - {"KEYED", "SERIES", "SeriesDetector"} == listed
    assert detectors.__all__ == sorted(detectors.__all__, key=lambda name: (not name.isupper(), name))
    assert set(SETTINGS) == set(WRONG) == set(SERIES)
    assert set(COLUMNS) == set(KEYED)
