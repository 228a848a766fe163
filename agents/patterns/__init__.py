"""Patterns of fraud: the catalogue, and the agents of those that no table with a rule can find."""
