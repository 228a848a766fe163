"""Faust as the application's frame: what it runs on, and how it reaches the units."""
