"""Measurements: records per second of decode, shard and the whole worker, on one core."""
