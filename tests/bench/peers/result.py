"""What the comparison gave, and what it was made on."""

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.peers.engines import ENGINES
from tests.bench.peers.runs import Run


@dataclass(kw_only=True, slots=True)
class Measured:
    """All runs of an engine.

    Args:
        records: Payments of each run.
        runs: Those that gave figures.
        failures: Why the others gave none.
    """

    records: int
    runs: list[Run] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Median over the runs."""
        return statistics.median(run.verdict.per_s for run in self.runs)

    @property
    def warm_per_s(self) -> float:
        """Median over the runs, of the last quarter."""
        return statistics.median(run.verdict.warm_per_s for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        """The most memory of all runs."""
        return max(run.peak_bytes for run in self.runs)

    @property
    def alerts(self) -> str:
        """Exact, missing and extra alerts of the worst run."""
        worst = max((run.verdict for run in self.runs), key=lambda verdict: verdict.missing + verdict.extra)
        return f"{worst.exact:,} / {worst.missing:,} / {worst.extra:,}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All engines.

    Args:
        records: Payments, for those that are not given fewer.
        turns: Runs of each.
        kafka: Version of the broker.
        measured: By name of the engine, in the order of the runs.
        unavailable: Engines that could not be installed, and why.
    """

    records: int
    turns: int
    kafka: str
    measured: Mapping[str, Measured]
    unavailable: Mapping[str, str]

    def facts(self) -> dict[str, Any]:
        """For a JSON line."""
        return {
            "records": self.records,
            "machine": machine(),
            "kafka": self.kafka,
            "engines": {name: _facts(name, measured) for name, measured in self.measured.items()},
            "unavailable": dict(self.unavailable),
        }


def _facts(name: str, measured: Measured) -> dict[str, Any]:
    found: dict[str, Any] = {"version": ENGINES[name].version(), "records": measured.records}
    if measured.runs:
        found |= {"per_s": round(measured.per_s), "warm_per_s": round(measured.warm_per_s)}
    runs = [{**asdict(run.verdict), "peak_bytes": run.peak_bytes} for run in measured.runs]
    return found | {"runs": runs, "failures": measured.failures}


def machine() -> str:
    """Processor, cores, memory and system, one line."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", info, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    name = model[1] if model else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"


def runtimes() -> str:
    """Of Python and Java."""
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()
    java = re.search(r'"(.*?)"', said[0]) if said else None
    return f"Python {platform.python_version()}" + (f", Java {java[1]}" if java else "")
