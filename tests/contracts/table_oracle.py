"""A brute-force table: ten lines of plain Python a measure, no state but the list of records."""

import math
from dataclasses import dataclass, field

from tables.spec import TableSpec


@dataclass
class Oracle:
    """Remembers every record that counted, and looks at all of them each time."""

    spec: TableSpec
    head_ms: int = -(10**15)
    live: list[dict] = field(default_factory=list)
    seen: list[dict] = field(default_factory=list)

    def take(self, record: dict) -> dict | None:
        """The measures at ``record``, or ``None`` if it is late."""
        window = self.spec.window
        self.head_ms = max(self.head_ms, record["ts"])
        self.seen.append(record)
        if record["ts"] < self.head_ms - window.grace_ms:
            return None
        self.live.append(record)
        return self.measures(record["key"], self.bounds(record), record)

    def bounds(self, record: dict) -> tuple[int, int]:
        window = self.spec.window
        newest = self.head_ms if window.kind == "sliding" else record["ts"]
        end = (newest // window.pane_ms + 1) * window.pane_ms
        return end - window.size_ms, end

    def measures(self, key: str, bounds: tuple[int, int], record: dict) -> dict:
        start, end = bounds
        mine = [r for r in self.live if r["key"] == key]
        inside = [r for r in mine if start <= r["ts"] < end]
        values = [r["value"] for r in inside]
        mean = sum(values) / len(values)
        first_of = {}
        for other in mine:
            first_of.setdefault(other["device"], other["ts"])
        baseline = mine[0]["device"]
        fractions = [r["fraction"] for r in inside if not math.isnan(r["fraction"])]
        before = [r["ts"] for r in self.seen[:-1] if r["key"] == key]
        known = [r["fraction"] for r in mine[:-1] if not math.isnan(r["fraction"])]
        return {
            "before": known[-1] if known else math.nan,
            "began": self.seen[0]["ts"],
            "n": len(inside),
            "spent": sum(values),
            "large": sum(r["value"] >= 50 for r in inside),
            "low": min(values),
            "high": max(values),
            "mean": mean,
            "sd": math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)),
            "devices": len({r["device"] for r in inside}),
            "is_new": record["device"] != baseline and first_of[record["device"]] >= start,
            "last_seen": max(before) if before else math.nan,
            "first_seen": next(r["ts"] for r in self.seen if r["key"] == key),
            "last": record["value"],
            "share": sum(fractions),
            "part": sum(fractions) / len(fractions) if fractions else math.nan,
        }
