"""Keyed windowed state in NumPy arrays, by event time: exact, bounded, and the same however the stream was cut."""

from tables.arrivals import Arrivals, Closed, Trailing
from tables.clock import StreamClock
from tables.group import Stretch, TableGroup
from tables.slab import Slab, SlabError, decode_slab, encode_slab
from tables.spec import MEASURE_KINDS, Measure, TableSpec, Window
from tables.table import WindowTable

__all__ = [
    "MEASURE_KINDS",
    "Arrivals",
    "Closed",
    "Measure",
    "Slab",
    "SlabError",
    "StreamClock",
    "Stretch",
    "TableGroup",
    "TableSpec",
    "Trailing",
    "Window",
    "WindowTable",
    "decode_slab",
    "encode_slab",
]
