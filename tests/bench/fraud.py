"""``python -m tests.bench.fraud RECORDS.npz``: the risk score on recorded card payments, week by week.

The file holds ``time_s`` since some midnight, ``customer``, ``terminal``, ``amount_cents`` and ``fraud``, each ``(n,)``
in time order. A label arrives ``--delay`` days after its payment. Every payment is scored by what stood before it.
"""

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.risk import DAY_MS, RiskAgent, RiskBatch, RiskSpec
from load.ranking import CardRanking, Outcomes, average_precision, card_precision, folds, roc_auc
from tables.text import TextHasher

START_MS = 1_522_540_800_000
CHUNK = 8_192


def batches(data: dict[str, NDArray[Any]], delay_ms: int) -> list[tuple[NDArray[np.int64], RiskBatch]]:
    """Payments and the labels that arrive within the recording, in stream order, and which payment each row is."""
    n = len(data["time_s"])
    paid_ms = data["time_s"].astype(np.int64) * 1_000 + START_MS
    when = np.concatenate([paid_ms, paid_ms + delay_ms])
    order = np.argsort(when, kind="stable")
    order = order[when[order] <= paid_ms[-1]]
    code = TextHasher().column([str(at) for at in range(n)])
    names = {by: np.array([f"{by[0]}{k}" for k in range(int(data[by].max()) + 1)], object) for by in KEYS}
    made = []
    for start in range(0, len(order), CHUNK):
        rows = order[start : start + CHUNK]
        at, is_label = rows % n, rows >= n
        batch = RiskBatch(
            code=code[at],
            time_ms=when[rows],
            head_ms=when[rows],
            is_label=is_label,
            is_fraud=data["fraud"][at].astype(bool) & is_label,
            value=data["amount_cents"][at].astype(np.int64),
            keys={by: names[by][data[by][at]].tolist() for by in KEYS},
        )
        made.append((at, batch))
    return made


KEYS = ("customer", "terminal")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the risk score on recorded card payments.")
    parser.add_argument("records")
    parser.add_argument("--delay", type=int, default=7, help="days until a label arrives")
    parser.add_argument("--days", type=int, default=28, help="days of a test period")
    parser.add_argument("--first", type=int, action="append", help="first day of a test period; default: the last days")
    given = parser.parse_args()
    with np.load(given.records) as file:
        data = {name: file[name] for name in file.files}
    stream = batches(data, given.delay * DAY_MS)
    agent = RiskAgent(RiskSpec(name="risk", keys=KEYS))
    score = np.full(len(data["time_s"]), np.nan)
    begun = time.process_time()
    for at, batch in stream:
        scored = agent.process(batch).score
        score[at[~batch.is_label]] = scored[~batch.is_label]
    seconds = time.process_time() - begun
    rows = sum(len(at) for at, _ in stream)
    print(f"{rows:,} payments and labels, {agent.model.fits} fits: {rows / seconds:,.0f} rows/s of one core")
    time_ms = data["time_s"].astype(np.int64) * 1_000
    outcomes = Outcomes(
        time_ms=time_ms,
        card=data["customer"].astype(np.int64),
        score=score,
        fraud=data["fraud"].astype(bool),
        label_ms=time_ms + given.delay * DAY_MS,
    )
    last = int(time_ms[-1] // DAY_MS) + 1
    for first in given.first or [last - given.days]:
        print(report(outcomes, first, given.days))


def report(outcomes: Outcomes, first: int, days: int) -> str:
    """One line for a period: all four measures, and the average precision of each week."""
    start_ms = first * DAY_MS

    def within(bounds: tuple[int, int]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        chosen = (outcomes.time_ms >= bounds[0]) & (outcomes.time_ms < bounds[1])
        return outcomes.fraud[chosen], outcomes.score[chosen]

    whole = within((start_ms, start_ms + days * DAY_MS))
    weeks = [f"{average_precision(*within(fold)):.3f}" for fold in folds(start_ms, days, 7)]
    arrived, caught = (
        card_precision(outcomes, start_ms=start_ms, days=days, ranking=CardRanking(caught=each)).mean()
        for each in (False, True)
    )
    return (
        f"days {first} to {first + days - 1}: average precision {average_precision(*whole):.4f}, ROC AUC "
        f"{roc_auc(*whole):.4f}, card precision@100 {arrived:.4f} ({caught:.4f} if the day's hits are left out from "
        f"the next day on); average precision by week {', '.join(weeks)}"
    )


if __name__ == "__main__":
    main()
