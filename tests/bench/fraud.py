"""``python -m tests.bench.fraud RECORDS.npz``: ``examples/fraud.toml`` on recorded card payments, week by week.

The file holds ``time_s`` since some midnight, ``customer``, ``terminal``, ``amount_cents`` and ``fraud``, each ``(n,)``
in time order. A label arrives ``--delay`` days after its payment. Every payment is scored by what stood before it, by
the shard that a worker would run.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from agents.events import Chunk
from load.ranking import DAY_MS, CardRanking, Outcomes, average_precision, card_precision, folds, roc_auc
from pipeline.config import load_config
from pipeline.plan import plans
from pipeline.shard import Shard

CONFIG = Path(__file__).parents[2] / "examples" / "fraud.toml"
START_MS = 1_522_540_800_000
CHUNK = 8_192


def chunks(data: dict[str, NDArray[Any]], delay_ms: int, topic: str) -> Iterator[tuple[NDArray[np.int64], Chunk]]:
    """Payments and the labels that arrive within the recording, in the order of time, and whose row each record is."""
    n = len(data["time_s"])
    paid_ms = data["time_s"].astype(np.int64) * 1_000 + START_MS
    when = np.concatenate([paid_ms, paid_ms + delay_ms])
    order = np.argsort(when, kind="stable")
    order = order[when[order] <= paid_ms[-1]]
    for start in range(0, len(order), CHUNK):
        rows = order[start : start + CHUNK]
        values = [
            orjson.dumps(_payment(data, at, ts) if at < n else _label(data, at - n, ts))
            for at, ts in zip(rows.tolist(), when[rows].tolist(), strict=True)
        ]
        yield (
            rows,
            Chunk(
                topic=topic,
                partition=0,
                offsets=np.arange(start, start + len(rows)),
                timestamps_ms=when[rows],
                keys=[None] * len(rows),
                values=values,
                next_offset=start + len(rows),
            ),
        )


def _payment(data: dict[str, NDArray[Any]], at: int, ts: int) -> dict[str, object]:
    return {
        "type": "payment",
        "id": f"p{at}",
        "ts": ts,
        "customer": f"c{data['customer'][at]}",
        "terminal": f"t{data['terminal'][at]}",
        "amount_cents": int(data["amount_cents"][at]),
    }


def _label(data: dict[str, NDArray[Any]], at: int, ts: int) -> dict[str, object]:
    return {"type": "label", "id": f"p{at}", "ts": ts, "fraud": bool(data["fraud"][at])}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the risk score on recorded card payments.")
    parser.add_argument("records")
    parser.add_argument("--delay", type=int, default=7, help="days until a label arrives")
    parser.add_argument("--days", type=int, default=28, help="days of a test period")
    parser.add_argument("--first", type=int, action="append", help="first day of a test period; default: the last days")
    given = parser.parse_args()
    with np.load(given.records) as file:
        data = {name: file[name] for name in file.files}
    scored: list[NDArray[np.float64]] = []
    plan = plans(load_config(CONFIG, {}))["payments"]
    shard = Shard(plan, 0, on_scores=lambda _name, _batch, scores: scored.append(scores))
    score = np.full(2 * len(data["time_s"]), np.nan)  # of payments, then of labels
    seconds, records, alerts = 0.0, 0, 0
    for rows, chunk in chunks(data, given.delay * DAY_MS, "payments"):
        begun = time.process_time()
        output = shard.process(chunk)
        seconds += time.process_time() - begun
        score[rows] = scored.pop()
        records, alerts = records + len(rows), alerts + len(output.alerts)
    print(f"{records:,} payments and labels, {alerts:,} alerts: {records / seconds:,.0f} records/s of one core")
    time_ms = data["time_s"].astype(np.int64) * 1_000
    outcomes = Outcomes(
        time_ms=time_ms,
        card=data["customer"].astype(np.int64),
        score=score[: len(time_ms)],
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
