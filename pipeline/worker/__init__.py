"""pipeline/worker."""
