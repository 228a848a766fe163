"""What a process passes on to the processes that it starts."""

import os
from collections.abc import Mapping

from pipeline.config.environment import PREFIX


def child_environment(overrides: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with some configuration values set.

    Args:
        overrides: Configuration key to value, such as ``{"app.log": "local://var/demo.db"}``.
    """
    changed = {PREFIX + key.upper().replace(".", "__").replace("-", "_"): value for key, value in overrides.items()}
    return {**os.environ, **changed}
