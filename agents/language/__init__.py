"""The language of conditions: text to columns."""
