"""Live feeds of alerts and incidents: one reader of the store for all who listen."""
