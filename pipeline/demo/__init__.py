"""The demonstration: separate processes of the real program over one fresh log, watched until the end."""

from pipeline.demo.run import run_demo
from pipeline.demo.settings import DemoSettings

__all__ = ["DemoSettings", "run_demo"]
