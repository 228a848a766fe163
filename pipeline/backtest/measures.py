"""How good the alerts and scores of a run are, against what turned out.

======================  ==============================================================================================
flagged                 different records that fired an alert; of one rule, or of any
precision               share of the flagged records that are fraud
recall                  share of the frauds of the recording that were flagged
alerts a day            alerts by the days from the first record to the last
average precision,      over all records with a score; the sign of a score counts as the detector's ``direction`` says
ROC AUC
precision at k          of the k records, or cards, with the highest score of a day, the share that is fraud, or has
                        one; mean over the days. A card of which a fraud label has arrived before the day is left out
delay                   from the first fraud of an episode to its first fraud that fired an alert. An episode is a
                        campaign, where the truth names them; else the frauds of a card, less than a day apart
======================  ==============================================================================================
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from agents.spec import DetectorSpec
from load.ranking import DAY_MS, CardRanking, Outcomes, average_precision, card_precision, roc_auc
from pipeline.backtest.outcomes import Collected


@dataclass(frozen=True, kw_only=True, slots=True)
class Hits:
    """How good the alerts of a rule, or of all, are."""

    alerts: int
    alerts_per_day: float
    flagged: int
    right: int
    precision: float
    recall: float
    f1: float


def measure(collected: Collected, detectors: Mapping[str, DetectorSpec], *, days: float, top: int) -> dict[str, Any]:
    """All measures as plain values; NaN where one has no meaning.

    Args:
        collected: What a run gave.
        detectors: Of the configuration, by name.
        days: From the first record to the last.
        top: The k of precision at k.
    """
    everything = set[str]().union(*collected.flagged.values())
    frauds = set(collected.frauds)
    rules = {
        rule: asdict(hits(count, collected.flagged.get(rule, set()), frauds, days))
        for rule, count in sorted(collected.alerts.items())
    }
    scores = {}
    for by in collected.scorers():
        direction = detectors[by].direction if by in detectors else "up"
        scores[by] = _ranked(collected.outcomes(by, direction), top)
    return {
        "truth": {"labels": collected.truth.labels, "fraud": len(collected.truth.fraud), "seen": len(frauds)},
        "all": asdict(hits(collected.alerts.total(), everything, frauds, days)),
        "rules": rules,
        "scores": scores,
        "delay": delays(collected),
    }


def hits(alerts: int, flagged: set[str], frauds: set[str], days: float) -> Hits:
    """Compare flagged records with the frauds.

    >>> found = hits(4, {"p1", "p2"}, {"p1", "p7", "p8"}, 2.0)
    >>> found.alerts_per_day, found.precision, round(found.recall, 3), found.f1
    (2.0, 0.5, 0.333, 0.4)
    """
    right = len(flagged & frauds)
    return Hits(
        alerts=alerts,
        alerts_per_day=alerts / days if days else math.nan,
        flagged=len(flagged),
        right=right,
        precision=right / len(flagged) if flagged else math.nan,
        recall=right / len(frauds) if frauds else math.nan,
        f1=2 * right / (len(flagged) + len(frauds)) if flagged or frauds else math.nan,
    )


def _ranked(outcomes: Outcomes, top: int) -> dict[str, Any]:
    start_ms = int(outcomes.time_ms.min()) // DAY_MS * DAY_MS
    day = (outcomes.time_ms - start_ms) // DAY_MS
    count = int(day.max()) + 1
    ranking = CardRanking(top=top, fold_days=count, memory_ms=None, caught=False)
    alone = replace(outcomes, card=np.arange(len(day)), label_ms=np.full(len(day), np.iinfo(np.int64).max))
    cards = card_precision(outcomes, start_ms=start_ms, days=count, ranking=ranking)
    records = card_precision(alone, start_ms=start_ms, days=count, ranking=ranking)
    present = np.unique(day)
    by_day = [
        {"day_ms": start_ms + int(at) * DAY_MS, "records": float(records[at]), "cards": float(cards[at])}
        for at in present
    ]
    return {
        "scored": len(day),
        "fraud": int(outcomes.fraud.sum()),
        "average_precision": average_precision(outcomes.fraud, outcomes.score),
        "roc_auc": roc_auc(outcomes.fraud, outcomes.score),
        "top": top,
        "record_precision": float(records[present].mean()),
        "card_precision": float(cards[present].mean()),
        "by_day": by_day,
    }


def delays(collected: Collected) -> dict[str, Any]:
    """How long it took until an episode of fraud was noticed, event time."""
    took = []
    found = list(_episodes(collected))
    for episode in found:
        first_ms = min(collected.frauds[name].time_ms for name in episode)
        noticed = [collected.caught_ms[name] for name in episode if name in collected.caught_ms]
        if noticed:
            took.append(min(noticed) - first_ms)
    quantile = {name: float(np.quantile(took, at)) if took else math.nan for name, at in (("p50", 0.5), ("p90", 0.9))}
    return {
        "episodes": len(found),
        "noticed": len(took),
        "p50_ms": quantile["p50"],
        "p90_ms": quantile["p90"],
        "max_ms": float(max(took)) if took else math.nan,
    }


def _episodes(collected: Collected) -> Iterable[list[str]]:
    """Ids of the frauds of each episode."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in collected.frauds:
        campaign = collected.truth.campaigns.get(name)
        groups.setdefault(("card", collected.frauds[name].card) if campaign is None else ("", campaign), []).append(
            name
        )
    for (kind, _), names in groups.items():
        names.sort(key=lambda name: collected.frauds[name].time_ms)
        if not kind:
            yield names
            continue
        times = np.array([collected.frauds[name].time_ms for name in names])
        for part in np.split(np.arange(len(names)), np.flatnonzero(np.diff(times) >= DAY_MS) + 1):
            yield [names[at] for at in part.tolist()]
