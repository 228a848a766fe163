"""The risk score of a payment: features by key, and a model that learns from the labels that have arrived.

::

    payment ── features by customer, by terminal ──> model ──> score        the features wait for the label
    label   ── finds its payment ──> streaks and shares by key ──> model learns the features of back then

A label is a record of the same partition and names a payment by its id. Whatever a score is made of stood before it in
the partition, labels included, so that a replay gives the same scores bit for bit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.risk.keys import KeyRisk, RiskRows
from agents.risk.rules import RiskRules
from agents.risk.spec import RiskSpec
from agents.risk.state import LearnedSlabs
from detectors.online import OnlineTrees
from tables.pending import Pending
from tables.slab import decode_slab, encode_slab

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]
Single = NDArray[np.float32]
Mask = NDArray[np.bool_]
Names = NDArray[np.object_]


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskBatch:
    """Payments and labels in stream order, as columns of length ``n``.

    Args:
        code: Hash of the id of the payment, or of the one that the label is about.
        time_ms: Event times.
        head_ms: Newest event time so far.
        is_label: Which are labels.
        is_fraud: Which labels say fraud.
        value: Of each payment, in minor units; of labels without meaning.
        keys: Texts by name of the key, shape ``(n,)`` each; of labels without meaning.
    """

    code: Int64
    time_ms: Int64
    head_ms: Int64
    is_label: Mask
    is_fraud: Mask
    value: Int64
    keys: Mapping[str, Names]

    def take(self, start: int, stop: int) -> "RiskBatch":
        """The rows ``start`` (inclusive) to ``stop`` (exclusive)."""
        part = slice(start, stop)
        return RiskBatch(
            code=self.code[part],
            time_ms=self.time_ms[part],
            head_ms=self.head_ms[part],
            is_label=self.is_label[part],
            is_fraud=self.is_fraud[part],
            value=self.value[part],
            keys={name: column[part] for name, column in self.keys.items()},
        )


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature of a payment, its value if it has one, and what it adds to the log odds of fraud."""

    feature: str
    value: float | None
    weight: float


@dataclass(frozen=True, slots=True)
class Scored:
    """What the payments of a batch got.

    Args:
        score: Chance of fraud, shape ``(n,)``; NaN for labels, and without rules for payments before the first fit.
        learned: Whether it is the model's, rather than that of the rules, shape ``(n,)``.
        reasons: By row of each payment to be looked at or blocked, what adds most to its score, heaviest first.
    """

    score: Float
    learned: Mask
    reasons: dict[int, list[Reason]]


class RiskAgent:
    """Scores the payments of one partition, and learns from their labels.

    Args:
        spec: What to do.

    Cost: about 7 us a payment or label by two keys and two windows, fits included, more without numba. Memory:
        1.5 kB a key and window, about 150 bytes a waiting payment and an example.
    """

    def __init__(self, spec: RiskSpec) -> None:
        self.spec = spec
        self.unknown = 0
        self._keys = [KeyRisk(by, spec.windows, max_keys=spec.max_keys) for by in spec.keys]
        self._rules = RiskRules(spec)
        self.features = [spec.amount, *(name for key in self._keys for name in key.names)]
        width = len(self.features)
        self._pending = Pending(width=width, texts=spec.keys, most=spec.most_waiting, wait_ms=spec.labels.wait_ms)
        self._model = OnlineTrees(n_features=width, learning=spec.learning)
        self._learned = LearnedSlabs(self._model)

    @property
    def model(self) -> OnlineTrees:
        """What has been learned."""
        return self._model

    @property
    def dropped(self) -> tuple[int, int]:
        """Keys evicted, because there were too many, and expired so far."""
        groups = [key.group for key in self._keys]
        return sum(group.evicted for group in groups), sum(group.expired for group in groups)

    def process(self, batch: RiskBatch) -> Scored:
        """Take a batch in; the scores of its payments."""
        n = len(batch.code)
        whole = Scored(np.full(n, np.nan), np.zeros(n, np.bool_), {})
        for start, stop in self._pending.stretches(batch.code, batch.is_label):
            part = batch if stop - start == n else batch.take(start, stop)
            scored = Scored(whole.score[start:stop], whole.learned[start:stop], {})
            self._process(part, scored)
            for row, each in scored.reasons.items():
                whole.reasons[start + row] = each
        return whole

    def _process(self, batch: RiskBatch, scored: Scored) -> None:
        payments, labels = np.flatnonzero(~batch.is_label), np.flatnonzero(batch.is_label)
        before = self._pending.count + np.cumsum(~batch.is_label)
        admitted = self._pending.admit(
            batch.code[payments],
            batch.time_ms[payments],
            batch.head_ms[payments],
            batch.value[payments],
            since_ms=int(batch.head_ms[0]),
        )
        self._pending.fill_texts(admitted, {name: batch.keys[name][payments] for name in self.spec.keys})
        place = np.full(len(batch.code), -1)
        place[labels] = self._pending.match(batch.code[labels], before[labels], batch.head_ms[labels])
        known = np.flatnonzero(~batch.is_label | (place >= 0))
        self.unknown += len(batch.code) - len(known)
        x = np.empty((len(batch.code), len(self.features)), np.float32)
        x[known] = self._features(batch, known, place[known])
        self._pending.fill(admitted, x[payments])
        for rows in self._score_and_learn(batch, x, labels[place[labels] >= 0], place, scored):
            for row, each in zip(rows.tolist(), self._reasons(x[rows]), strict=True):
                scored.reasons[row] = each

    def _features(self, batch: RiskBatch, known: Int64, place: Int64) -> Single:
        """Features of the known rows, after all labels before them."""
        is_label = batch.is_label[known]
        is_fraud = batch.is_fraud[known] & is_label
        of_label = np.flatnonzero(is_label)
        about_ms, value = batch.time_ms[known], batch.value[known]
        about_ms[of_label] = self._pending.time_ms(place[of_label])
        value[of_label] = self._pending.value(place[of_label])
        parts = [value.astype(np.float32)[:, None]]
        for key in self._keys:
            texts = batch.keys[key.by][known]
            texts[of_label] = self._pending.texts[key.by][place[of_label]]
            rows = RiskRows(
                keys=texts.tolist(),
                time_ms=batch.time_ms[known],
                head_ms=batch.head_ms[known],
                about_ms=about_ms,
                value=value,
                is_label=is_label,
                is_fraud=is_fraud,
            )
            parts.append(key.update(rows))
        return np.concatenate(parts, axis=1)

    def _score_and_learn(
        self, batch: RiskBatch, x: Single, labels: Int64, place: Int64, scored: Scored
    ) -> Iterator[Int64]:
        """Score payments in between the fits; the rows of those to be looked at, while their model is there."""
        payments = np.flatnonzero(~batch.is_label)
        waiting = place[labels]
        features, fraud, code = self._pending.features[waiting], batch.is_fraud[labels], batch.code[labels]
        while True:
            due = self._model.next_fit(fraud, code) if len(fraud) else None
            stop = len(batch.code) if due is None else int(labels[due])
            rows = payments[payments < stop]
            scored.learned[rows] = self._model.fits > 0
            scored.score[rows] = self._score(x[rows])
            yield rows[scored.score[rows] >= self.spec.review]
            n = len(fraud) if due is None else due + 1
            self._model.learn(features[:n], fraud[:n], code[:n])
            if due is None:
                return
            payments, labels = payments[payments >= stop], labels[n:]
            features, fraud, code = features[n:], fraud[n:], code[n:]

    def _score(self, x: Single) -> Float:
        """The model's score, and that of the rules that count."""
        score, learned = self._model.score(x), self._model.fits > 0
        if not self._rules.apply(learned=learned):
            return score
        by_rules = self._rules.score(self._rules.holds(x, learned=learned))
        return 1.0 - (1.0 - score) * (1.0 - by_rules) if learned else by_rules

    def _reasons(self, x: Single) -> list[list[Reason]]:
        """Of each row what adds to its score, heaviest first."""
        if not len(x):
            return []
        learned = self._model.fits > 0
        weights = self._rules.weights(self._rules.holds(x, learned=learned))
        if learned:
            weights += self._model.reasons(x)
        known = [[None if value != value else value for value in row] for row in x.tolist()]  # noqa: PLR0124 - NaN
        found = []
        for values, row in zip(known, weights.tolist(), strict=True):
            heaviest = sorted(range(len(row)), key=row.__getitem__, reverse=True)[: self.spec.most_reasons]
            found.append([Reason(self.features[at], values[at], row[at]) for at in heaviest if row[at] > 0.0])
        return found

    # ---- stored form ------------------------------------------------------------------------------------------------

    def take_dirty(self, applied: int) -> dict[str, bytes | None]:
        """Slabs that changed since the last call, by name; ``None`` for one that is gone."""
        slabs: dict[str, bytes | None] = {}
        for key in self._keys:
            slabs |= {f"by/{key.by}/{name}": slab for name, slab in key.group.take_dirty(applied).items()}
        waiting = self._pending.take_dirty(applied)
        slabs |= {f"waiting/{name}": encode_slab(slab) for name, slab in waiting.items()}
        learned = self._learned.take_dirty(applied, self.unknown)
        slabs |= {f"learned/{name}": encode_slab(slab) for name, slab in learned.items()}
        return slabs

    def load(self, slabs: Mapping[str, bytes], head_ms: int) -> None:
        """Restore from the latest slabs, by the names that ``take_dirty`` gave."""
        learned = {name: decode_slab(slab) for name, slab in _under("learned/", slabs).items()}
        self.unknown = self._learned.load(learned)
        self._pending.load({name: decode_slab(slab) for name, slab in _under("waiting/", slabs).items()})
        for key in self._keys:
            key.group.load(_under(f"by/{key.by}/", slabs), head_ms, head_ms)


def _under(prefix: str, slabs: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix(prefix): slab for name, slab in slabs.items() if name.startswith(prefix)}
