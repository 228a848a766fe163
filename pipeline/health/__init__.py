"""pipeline/health."""
