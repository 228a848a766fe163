"""Backtest: recorded events through the shards of the live worker, and how good what they give is."""

__all__: list[str] = []
