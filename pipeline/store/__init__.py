"""The store of the read side: what the log says, in a database that pages can ask."""

from pipeline.store.opening import default_store
from pipeline.store.store import Store

__all__ = ["Store", "default_store"]
