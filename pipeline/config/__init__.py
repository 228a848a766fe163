"""One TOML file and the environment, as one checked, frozen value. Nothing else in streamgauge reads either."""

from pipeline.config.kafka import with_instance
from pipeline.config.load import check_config, load_config
from pipeline.config.model import AppConfig

__all__ = ["AppConfig", "check_config", "load_config", "with_instance"]
