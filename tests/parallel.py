"""How tests are shared out when several pytest processes run them (`make test`): by file.

What uses the tests' Kafka or starts whole fleets of workers stays in one process and comes first: one broker serves all
of it, and no two fleets run at a time. The other files fill the other processes.
"""

from typing import Any

import pytest

_WITH_PROCESSES = (
    "tests/bench/kafka/",
    "tests/broker/",
    "tests/contracts/test_log_",
    "tests/crash/kafka/",
    "tests/crash/test_",
    "tests/pipeline/cli/test_upkeep",
    "tests/pipeline/delivery/",
    "tests/pipeline/demo/",
    "tests/pipeline/kafka/",
    "tests/pipeline/test_reset",
    "tests/pipeline/worker/",
)


def share(nodeid: str) -> str:
    """The share that a test belongs to: its file, or all with processes.

    >>> share("tests/tables/test_group.py::test_one[a::b]"), share("tests/crash/test_crash.py::test_local")
    ('tests/tables/test_group.py', 'with processes')
    """
    path = nodeid.partition("::")[0]
    return "with processes" if path.startswith(_WITH_PROCESSES) else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares by file, told to xdist."""
    from xdist.scheduler import LoadScopeScheduling

    class ByShare(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return share(nodeid)

    return ByShare(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest share first, else the others would be done long before it."""
    items.sort(key=lambda item: share(item.nodeid) != "with processes")
