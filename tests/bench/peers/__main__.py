"""``python -m tests.bench.peers``: the reference job in streamgauge and in other engines, side by side.

All read the same topic, each as an application of its own, one after the other and in turns. Writes a page and a plot,
prints one JSON line.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.peers.engines import ENGINES
from tests.bench.peers.install import ROOT, UnavailableError
from tests.bench.peers.page import write_page
from tests.bench.peers.plot import write_plot
from tests.bench.peers.result import Comparison, Measured
from tests.bench.peers.runs import Ground, Input, RunError, ground
from tests.broker.errors import KafkaUnavailableError

UNAVAILABLE = 77


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--engines", default=",".join(ENGINES), help="names with commas; by default %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="of each engine, in turns; by default %(default)s")
    parser.add_argument("--records", type=int, default=2_000_000, help="payments; slow engines are given fewer")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks", help="folder for page and plot")
    given = parser.parse_args(words)
    given.engines = given.engines.split(",")
    unknown = set(given.engines) - set(ENGINES)
    if unknown:
        parser.error(f"there is no engine {min(unknown)!r}; there are {', '.join(ENGINES)}")
    return given


def _command(given: argparse.Namespace) -> str:
    """What does the same again, wherever it is written to."""
    usual = _arguments([])
    asked = {"engines": ",".join(given.engines), "runs": given.runs, "records": given.records}
    told = [f"--{name} {value}" for name, value in asked.items() if getattr(given, name) != getattr(usual, name)]
    return " ".join(["make bench", *([f'ARGS="{" ".join(told)}"'] if told else [])])


def compare(names: Sequence[str], *, runs: int, records: int) -> Comparison:
    """Install the engines, and measure those that can be."""
    unavailable = {name: reason for name in names if (reason := _missing(name))}
    counts = {name: min(records, ENGINES[name].most or records) for name in names if name not in unavailable}
    measured = {name: Measured(records=count) for name, count in counts.items()}
    with ground(list(counts.values())) as (here, inputs):
        for turn in range(1, runs + 1):
            for name, count in counts.items():
                _say(f"run {turn} of {runs}, {name}: {_measure(here, name, inputs[count], measured[name])}")
        return Comparison(records=records, turns=runs, kafka=here.version, measured=measured, unavailable=unavailable)


def _missing(name: str) -> str:
    """Install an engine; the reason if that can't be done."""
    try:
        ENGINES[name].prepare()
    except UnavailableError as error:
        _say(f"{name} is left out: {error}")
        return str(error)
    return ""


def _measure(here: Ground, name: str, given: Input, measured: Measured) -> str:
    """One run; what is worth saying about it."""
    try:
        run = here.run(name, ENGINES[name], given)
    except RunError as error:
        measured.failures.append(str(error))
        return f"failed: {error}"
    measured.runs.append(run)
    verdict = run.verdict
    wrong = "" if verdict.is_right else f", {verdict.missing:,} alerts missing, {verdict.extra:,} extra"
    return f"{verdict.per_s:,.0f} records/s, warm {verdict.warm_per_s:,.0f}{wrong}"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(words: Sequence[str]) -> int:
    """The command."""
    given = _arguments(words)
    try:
        comparison = compare(given.engines, runs=given.runs, records=given.records)
    except KafkaUnavailableError as error:
        sys.stderr.write(f"no Kafka: {error}\n")
        return UNAVAILABLE
    for file in (write_page(comparison, given.out, _command(given)), write_plot(comparison, given.out)):
        _say(f"wrote {file}")
    print(json.dumps(comparison.facts()))
    failed = any(found.failures for found in comparison.measured.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
