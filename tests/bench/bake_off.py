"""``python -m tests.bench.bake_off FILE``: every series detector on labelled series, by NAB's score.

FILE is an ``.npz`` with, for each series NAME, ``NAME|t`` Unix seconds, ``NAME|v`` values, and ``NAME|w`` first and
last second of each labelled window. Each detector gets its best single threshold over all series, alerts by one rest,
and no other setting; the shipped detector is shown with its shipped threshold too, and cross-validated: threshold, rest
and clear chosen on one half of the series, scored on the other. With ``--thorough`` what the detector's tails are made
of is chosen along with them, instead of as shipped.
"""

import argparse
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from detectors import SERIES
from detectors.tails import Tails
from load.nab import PROFILES, NabTally, nab_score, probation, tally

SHIPPED = tomllib.loads((Path(__file__).parents[2] / "examples/series.toml").read_text())["detectors"]["anomaly"]
SETTINGS = {"threshold": {"above": 90.0}}
SKIPPED = {"threshold": "needs a limit that is known beforehand"}
SPLITS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A recorded series: name, times, values and the labelled windows as first and last sample."""

    name: str
    time_ms: np.ndarray
    values: np.ndarray
    windows: list[tuple[int, int]]


def read(path: Path) -> list[Recorded]:
    """All series of a file, by name."""
    with np.load(path) as data:
        found = []
        for name in sorted({key.rpartition("|")[0] for key in data.files}):
            seconds, values = data[f"{name}|t"].astype(np.int64), data[f"{name}|v"].astype(np.float64)
            windows = [
                (int(np.searchsorted(seconds, start)), int(np.searchsorted(seconds, end, "right")) - 1)
                for start, end in data[f"{name}|w"].reshape(-1, 2)
            ]
            found.append(Recorded(name=name, time_ms=seconds * 1_000, values=values, windows=windows))
    return found


def scores_of(kind: str, series: list[Recorded], tails: Tails | None = None) -> list[np.ndarray]:
    """The score of every sample, all series followed at once as a worker would."""
    detector = SERIES[kind](**SETTINGS.get(kind, {}))
    if tails is not None:
        detector._tails = tails
    detector.grow(len(series))
    lengths = np.array([len(each.values) for each in series])
    values, times = (np.zeros((lengths.max(), len(series)), kind) for kind in (np.float64, np.int64))
    for row, each in enumerate(series):
        values[: lengths[row], row], times[: lengths[row], row] = each.values, each.time_ms
    scores = np.full(values.shape, np.nan)
    for i in range(lengths.max()):
        rows = np.flatnonzero(lengths > i)
        scores[i, rows] = detector.score(rows, values[i, rows], times[i, rows])
        detector.learn(rows, values[i, rows], times[i, rows])
    return [scores[:length, row] for row, length in enumerate(lengths)]


def fires(scores: np.ndarray, *, threshold: float, rest: float, teach: int, clear: float | None = None) -> np.ndarray:
    """Samples of one series at which ``agents.series.episodes`` would fire, found from the whole series at once."""
    size = np.abs(scores)
    over = np.flatnonzero(size >= threshold)
    cleared = np.cumsum(size < (threshold if clear is None else clear))[over]
    apart = (np.diff(over) > rest * (over[1:] + 1)) & (np.diff(cleared) > 0)
    first = np.concatenate([np.ones(min(len(over), 1), np.bool_), apart])
    return over[first & (over >= teach)]


def tallies(scores: list[np.ndarray], series: list[Recorded], **policy: float) -> list[NabTally]:
    """What the alerts of each series hit and missed under a policy."""
    return [
        tally(len(own), each.windows, fires(own, teach=probation(len(own)), **policy))
        for own, each in zip(scores, series, strict=True)
    ]


def best(found: list[list[NabTally]], chosen: Callable[[list[NabTally]], float]) -> int:
    """Which of several policies is best by a score of its tallies."""
    return int(np.nanargmax([chosen(each) for each in found]))


def thresholds(scores: list[np.ndarray], series: list[Recorded], n: int) -> np.ndarray:
    """Candidates for a threshold: those that the rarest of all scores after the probation reach."""
    after = np.concatenate([np.abs(s)[probation(len(s)) :] for s in scores])
    after = after[np.isfinite(after) & (after > 0.0)]
    shares = np.geomspace(2e-4, 2e-1, n)
    return np.unique(np.quantile(after, 1.0 - shares)) if len(after) else np.ones(1)


def line(label: str, at: float, found: list[NabTally]) -> str:
    """A row of the table."""
    total = sum(found, NabTally())
    marks = " | ".join(f"{nab_score(found, profile):5.1f}" for profile in PROFILES.values())
    return f"| {label:<28} | {at:8.3g} | {marks} | {total.detected}/{total.windows} | {total.false_alarms} |"


def cross_validated(variants: list[list[np.ndarray]], series: list[Recorded]) -> str:
    """Mean and spread over random halves: variant and policy chosen on one, scored on the other."""
    policies = list(product((8.0, 8.5, 9.0, 9.5, 10.0, 11.0), (0.01, 0.02, 0.03), (1.0, 2.0)))
    found = [tallies(scores, series, threshold=t, rest=r, clear=c) for scores in variants for t, r, c in policies]
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(SPLITS):
        order = rng.permutation(len(series))
        learn, judge = order[: len(series) // 2], order[len(series) // 2 :]
        at = best(found, lambda each, learn=learn: nab_score([each[i] for i in learn]))
        reached.append([nab_score([found[at][i] for i in judge], profile) for profile in PROFILES.values()])
    mean, spread = np.mean(reached, axis=0), np.std(reached, axis=0)
    parts = (f"{name} {m:.1f} ± {s:.1f}" for name, m, s in zip(PROFILES, mean, spread, strict=True))
    return f"cross-validated over {SPLITS} random halves, {len(found)} candidates: {', '.join(parts)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="All series detectors on labelled series, by NAB's score.")
    parser.add_argument("file", type=Path, help="an .npz of series with labelled windows")
    parser.add_argument("--thorough", action="store_true", help="cross-validate the shipped detector's insides too")
    parser.add_argument("--kinds", nargs="*", default=sorted(SERIES), help="only these")
    given = parser.parse_args()
    series = read(given.file)
    print(f"{len(series)} series, {sum(len(each.values) for each in series):,} samples\n")
    print(
        "| detector | threshold | standard | low FP | low FN | windows | false alarms |\n|---|---|---|---|---|---|---|"
    )
    shipped = {"rest": SHIPPED["rest"]}
    for kind in (kind for kind in given.kinds if kind not in SKIPPED):
        scores = scores_of(kind, series)
        candidates = thresholds(scores, series, 40)
        found = [tallies(scores, series, threshold=each, **shipped) for each in candidates]
        at = best(found, nab_score)
        print(line(kind, candidates[at], found[at]), flush=True)
        if kind == SHIPPED["kind"]:
            policy = {key: float(SHIPPED[key]) for key in ("threshold", "clear", "rest")}
            print(line(f"{kind}, as shipped", policy["threshold"], tallies(scores, series, **policy)))
            variants = [scores]
            if given.thorough:
                inside = product((0.02, 0.03, 0.04), (0.4, 0.6, 0.8))
                variants = [scores_of(kind, series, Tails(share=share, speed=speed)) for share, speed in inside]
            closing = cross_validated(variants, series)
    if SHIPPED["kind"] in given.kinds:
        print(f"\n{SHIPPED['kind']}, {closing}")


if __name__ == "__main__":
    main()
