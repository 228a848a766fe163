"""The web view and JSON API: a read side that follows the log and never asks a worker."""

from pipeline.web.app import build_app, serve

__all__ = ["build_app", "serve"]
