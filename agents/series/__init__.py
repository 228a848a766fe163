"""Detectors over measured series: samples in, alerts out, once an episode."""
