"""What a table is: its window, its measures, its bounds. Values only, no behaviour beyond validation."""

import hashlib
from dataclasses import dataclass
from typing import Literal

MeasureKind = Literal[
    "count",
    "sum",
    "min",
    "max",
    "mean",
    "std",
    "distinct",
    "last",
    "first_seen",
    "last_seen",
    "began",
    "is_new",
    "previous",
    "histogram",
]
MEASURE_KINDS: tuple[MeasureKind, ...] = (
    "count",
    "sum",
    "min",
    "max",
    "mean",
    "std",
    "distinct",
    "last",
    "first_seen",
    "last_seen",
    "began",
    "is_new",
    "previous",
    "histogram",
)

TRAILING_ONLY: tuple[MeasureKind, ...] = ("is_new", "previous", "began")
"""Kinds of measures that are known at a record only, and are no column of the table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A tumbling or sliding (trailing) window by event time.

    ::

        tumbling 60 s          sliding 60 s, panes of 10 s
        [0,60) [60,120) ...    panes [.., h-5, h-4, h-3, h-2, h-1, h] where h holds the newest event time

    A pane and a window include their start and exclude their end. A tumbling window is one pane.

    Args:
        kind: ``tumbling`` or ``sliding``.
        size_ms: Length of the window.
        pane_ms: Step by which a sliding window moves; equals ``size_ms`` for a tumbling one.
        grace_ms: How far behind the newest event time a record may be and still count.

    Raises:
        ValueError: If a length is not positive, ``size_ms`` is no multiple of ``pane_ms``, a tumbling window has panes,
            or a sliding window's grace is longer than ``size_ms - pane_ms`` (such a record would be outside of it).
    """

    kind: Literal["tumbling", "sliding"]
    size_ms: int
    pane_ms: int
    grace_ms: int = 0

    def __post_init__(self) -> None:
        if self.size_ms <= 0 or self.pane_ms <= 0 or self.grace_ms < 0:
            raise ValueError(f"window lengths must be positive, got {self.size_ms}, {self.pane_ms}, {self.grace_ms} ms")
        if self.kind == "tumbling" and self.pane_ms != self.size_ms:
            raise ValueError(f"a tumbling window has one pane, got size {self.size_ms} and pane {self.pane_ms} ms")
        if self.size_ms % self.pane_ms:
            raise ValueError(f"window of {self.size_ms} ms is no whole number of panes of {self.pane_ms} ms")
        if self.kind == "sliding" and self.grace_ms > self.size_ms - self.pane_ms:
            limit = self.size_ms - self.pane_ms
            raise ValueError(f"grace of {self.grace_ms} ms is longer than window minus pane, {limit} ms")

    @property
    def n_panes(self) -> int:
        """Panes in a window."""
        return self.size_ms // self.pane_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One column of a table.

    Args:
        name: What rules and readers call it.
        kind: One of ``MEASURE_KINDS``. ``first_seen`` and ``last_seen`` are event times of the key, not of the window;
            ``is_new`` says whether the record's value was first seen for its key within the window (and is not the
            key's first value ever); ``last`` is the newest value by stream order, and ``previous`` that of the key's
            record before, however long ago; ``began`` is the event time of the first record of all keys; ``histogram``
            adds up vectors.
        input: Expression over the record's fields that is measured, or for ``count`` the condition; ``None`` for a
            plain count and for the key's own times.
        unit: Resolution of a fractional input: it is summed as whole multiples of this, so that sums are exact and do
            not depend on how the stream was cut. 1 for whole inputs.
        width: Length of the vectors of a ``histogram``.
    """

    name: str
    kind: MeasureKind
    input: str | None = None
    unit: float = 1.0
    width: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TableSpec:
    """A windowed table.

    Args:
        name: Unique in the app.
        stream: The stream it is fed from.
        by: Text field whose values are the keys.
        window: Its window.
        measures: Its columns.
        ttl_ms: A key not seen for this long in stream time is dropped.
        max_keys: Most keys that one partition holds; beyond it the keys seen longest ago are evicted, and counted.
        closed: Whether the final rows of a tumbling window are sent on when it closes.
    """

    name: str
    stream: str
    by: str
    window: Window
    measures: tuple[Measure, ...]
    ttl_ms: int
    max_keys: int = 1_000_000
    closed: bool = True

    @property
    def sends_closed(self) -> bool:
        """Whether it has a topic of closed windows."""
        return self.closed and self.window.kind == "tumbling"

    @property
    def version(self) -> str:
        """Hash of all that decides how state is laid out, 8 hexadecimal digits; part of the state's key."""
        parts = (self.stream, self.by, self.window, sorted(self.measures, key=lambda measure: measure.name))
        return hashlib.blake2b(repr(parts).encode(), digest_size=4).hexdigest()
