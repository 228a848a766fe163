"""Weeks of ordinary records, and campaigns that each pattern of the catalogue is there to find, with the truth."""

from load.patterns.sequences import ALL_SHAPES
from load.patterns.staging import Staged, staged

__all__ = ["ALL_SHAPES", "Staged", "staged"]
