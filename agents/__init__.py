"""Stateful stream agents: events in, alerts out. They own tables and detectors, and do no I/O."""
