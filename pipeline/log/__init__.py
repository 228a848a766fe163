"""pipeline/log."""
