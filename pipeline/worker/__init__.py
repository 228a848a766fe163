"""The worker: a Faust app whose transport is the event log, with one unit of ownership for each partition."""

from pipeline.local.members import member_name
from pipeline.worker.app import DEFAULT_TTL_MS, build_app
from pipeline.worker.frame.transport import LogApp
from pipeline.worker.run import load_modules, run_worker, serve

__all__ = ["DEFAULT_TTL_MS", "LogApp", "build_app", "load_modules", "member_name", "run_worker", "serve"]
