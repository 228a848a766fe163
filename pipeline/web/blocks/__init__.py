"""Larger parts of pages: lists, tables, tiles, actions, the topology."""
