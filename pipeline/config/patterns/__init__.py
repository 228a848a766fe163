"""``[patterns.NAME]``: patterns of the catalogue, as what stands for them."""

from pipeline.config.patterns.expand import Patterns, read_patterns
from pipeline.config.patterns.lists import check_lists

__all__ = ["Patterns", "check_lists", "read_patterns"]
