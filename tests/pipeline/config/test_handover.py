"""A started process sees the configuration values that it was handed."""

from pipeline.config import load_config
from pipeline.config.handover import child_environment
from pipeline.demo.settings import EXAMPLE


def test_overrides_reach_the_configuration(monkeypatch):
    """Keys become variables that the configuration reads, beside those that this process has itself."""
    monkeypatch.setenv("STREAMGAUGE_WEB__PORT", "4711")
    config = load_config(EXAMPLE, child_environment({"app.log": "local://x.db", "rules.rapid-large.severity": "low"}))
    assert (config.log, config.web_port, config.rules["rapid-large"].severity) == ("local://x.db", 4711, "low")
