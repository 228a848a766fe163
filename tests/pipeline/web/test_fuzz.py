"""What the OpenAPI document allows and forbids, tried at random against the API."""

import contextlib
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from pipeline.incidents.settings import IncidentSettings
from pipeline.log.opening import open_log
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.access import Access
from pipeline.web.app import build_api_app
from tests.pipeline.web.filled import example, now_ms

EXAMPLES = 10
EVERY = list(HealthCheck)
# What a cursor, a comparison or the name of a column may be can't be said in a schema: 422 says it.
BEYOND_SCHEMAS = [positive_data_acceptance]
ENDLESS = r"/stream$"


@pytest.fixture
def described(url):
    """The OpenAPI document of an API over a filled log, with the application to ask."""
    log = open_log(url)
    model = ReadModel(example(url, incidents=IncidentSettings()), log, clock_ms=now_ms)
    access = Access(model.config, login=False, clock_ms=now_ms, is_private=False)
    app = build_api_app(model, host="0.0.0.0", access=access)
    asked = schemathesis.openapi.from_asgi("/api/openapi.json", app)  # from now on the application runs to the end
    while model.refreshed_ms is None or model.store.behind:
        time.sleep(0.05)  # another thread reads, and compiles what it needs: both it and hypothesis parse source then
    return asked.exclude(path_regex=ENDLESS).exclude(tag="access")  # those have tests of their own


@pytest.mark.slow
def test_every_answer_is_as_described(described):
    """No request makes the server fail, and each answer has a status, a type and a body that the document names."""
    wrong, tried = [], []
    for operation in described.get_all_operations():
        for mode in GenerationMode:
            try:
                tried.append(attempt(operation.ok(), mode))
            except BaseExceptionGroup as errors:
                wrong += [f"{operation.ok().label}: {error}" for error in errors.exceptions]
    assert not wrong, "\n\n".join(wrong)
    assert len({label for label, _ in tried}) == 22
    assert sum(count for _, count in tried) > 20 * EXAMPLES


def attempt(operation, mode):
    """Ask what is right, or wrong, in many ways; how many there were."""
    count = 0

    @seed(7)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=EVERY)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        nonlocal count
        count += 1
        case.call_and_validate(excluded_checks=BEYOND_SCHEMAS)

    with contextlib.suppress(Unsatisfiable):  # what takes no parameters can't be asked wrongly
        ask()
    return operation.label, count
