"""The event logs that the contract is run over.

An implementation joins by a parameter of the fixture ``opener``.
"""

import secrets

import pytest

from pipeline.log.opening import open_log
from tests.contracts.scoped import Scoped


@pytest.fixture(params=["kafka", "local"])
def opener(request, tmp_path):
    """Opens the log of a test, as often as it likes."""
    if request.param == "local":
        return lambda: open_log(f"local://{tmp_path}/log.db")
    servers, prefix = request.getfixturevalue("kafka").bootstrap, f"contract-{secrets.token_hex(4)}-"
    return lambda: Scoped(open_log(f"kafka://{servers}"), prefix)
