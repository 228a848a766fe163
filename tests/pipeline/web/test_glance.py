"""The state of the whole in one sentence."""

from types import SimpleNamespace

import pytest

from pipeline.web.glance import glance

MODEL = SimpleNamespace(
    refreshed_ms=1,
    problem=None,
    lag=[],
    topics={"s": SimpleNamespace(records=1)},
    sources=lambda: {"s"},
    owners=lambda: {"worker"},
)


@pytest.mark.parametrize(
    ("incidents", "mood", "sentence"),
    [
        ({}, "", "All is well"),
        ({"low": 3}, "", "All is well"),
        ({"high": 2}, "is-warn", "Every partition keeps up. Incidents wait for somebody: 2 high"),
        (
            {"critical": 1, "high": 2},
            "is-warn",
            "Every partition keeps up. Incidents wait for somebody: 1 critical and",
        ),
    ],
)
def test_all_is_well_only_while_nothing_grave_is_open(incidents, mood, sentence):
    """Incidents that matter are said once nothing else is wrong."""
    found = glance(MODEL, incidents)
    assert found.mood == mood
    assert found.sentence.startswith(sentence)
