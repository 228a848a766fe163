"""What the newest labels of a key said: how many in a row were fraud, since when, and the last of each kind."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tables.keys import NEVER
from tables.segments import Groups

Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Streaks:
    """Of each of ``n`` keys or records, as columns of shape ``(n,)``.

    Args:
        length: Labels in a row, up to the newest, that said fraud.
        start_ms: Event time of the record that the first of these labels was about; ``NEVER`` without a streak.
        fraud_ms: Event time of the record that the newest fraud label was about; ``NEVER`` if there was none.
        genuine_ms: The same of the newest label that said genuine.
    """

    length: Int64
    start_ms: Int64
    fraud_ms: Int64
    genuine_ms: Int64


def running_streaks(groups: Groups, fraud: Mask, genuine: Mask, about_ms: Int64, base: Streaks) -> Streaks:
    """Streaks at each record, its own label included, with the records that are no labels among the others.

    ::

        label      - F F - G F     (F fraud, G genuine, - none)
        length     0 1 2 2 0 1
        start of     | | |   |     where the length grew from 0

    Args:
        groups: Records by key, ``n`` of them.
        fraud: Which records are labels that say fraud, shape ``(n,)``.
        genuine: Which are labels that say genuine, shape ``(n,)``.
        about_ms: Event time of what each label is about, shape ``(n,)``.
        base: What was known of each group before, shape ``(g,)``.

    Cost: some 20 passes over the records, 0.1 us each.
    """
    order, place = groups.order, np.arange(len(groups.order))
    is_fraud, is_genuine, about = fraud[order], genuine[order], about_ms[order]
    start = np.repeat(groups.starts, groups.sizes)
    before = {name: np.repeat(getattr(base, name), groups.sizes) for name in Streaks.__slots__}

    last_genuine = np.maximum.accumulate(np.where(is_genuine, place, -1))
    broken = last_genuine >= start
    counted = np.cumsum(is_fraud)
    since: Int64 = counted - np.where(broken, counted[last_genuine], counted[start] - is_fraud[start])
    length = since + np.where(broken, 0, before["length"])

    opened = np.maximum.accumulate(np.where(is_fraud & (length == 1), place, -1))
    start_ms = np.where(opened >= start, about[opened], before["start_ms"])
    last_fraud = np.maximum.accumulate(np.where(is_fraud, place, -1))
    in_order = Streaks(
        length,
        np.where(length > 0, start_ms, NEVER),
        np.where(last_fraud >= start, about[last_fraud], before["fraud_ms"]),
        np.where(broken, about[last_genuine], before["genuine_ms"]),
    )
    return Streaks(*(np.asarray(groups.unsort(getattr(in_order, name)), np.int64) for name in Streaks.__slots__))
