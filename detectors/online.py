"""A model that keeps up with labels as they arrive: a bounded store of examples, and a new fit when it has changed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.boosting import Boosting, fit_trees
from detectors.examples import Examples
from detectors.trees import ObliviousTrees

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]
Single = NDArray[np.float32]
Mask = NDArray[np.bool_]
State = dict[str, NDArray[np.generic]]

_MODEL = "model."


@dataclass(frozen=True, kw_only=True, slots=True)
class Learning:
    """What is kept of the labels, and when the model is fitted anew.

    Args:
        frauds: Most frauds kept; the oldest goes first.
        genuine: Most genuine examples kept.
        keep: Share of the genuine examples that is kept at all, by chance.
        renewed: A fit is due once so many examples came in, as a share of those that the last fit saw.
        least_frauds: Frauds before the first fit.
        least_genuine: Genuine examples kept before the first fit.
        boosting: How trees are grown.

    Raises:
        ValueError: If a setting is out of its range.
    """

    frauds: int = 8_192
    genuine: int = 32_768
    keep: float = 0.25
    renewed: float = 0.5
    least_frauds: int = 50
    least_genuine: int = 200
    boosting: Boosting = Boosting()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        for name, least in (("frauds", self.least_frauds), ("genuine", self.least_genuine)):
            if not 1 <= least <= getattr(self, name):
                raise ValueError(f"least_{name} must be from 1 to {name}, got {least} of {getattr(self, name)}")
        if not 0.0 < self.keep <= 1.0:
            raise ValueError(f"keep must be above 0 and at most 1, got {self.keep}")
        if not self.renewed > 0.0:
            raise ValueError(f"renewed must be positive, got {self.renewed}")


class OnlineTrees:
    """Boosted trees over the labels that arrived, fitted anew whenever enough of them are new.

    Works where labels are far fewer than a fit costs, and fraud changes within weeks rather than hours. What it gives
    depends on the sequence of examples only: a fit is due at an example, not at the end of a call.

    Args:
        n_features: Of an example.
        learning: What is kept and when fits are due.

    Cost: about 5 ns a score and tree; a fit takes a third of a second for a full store, which with the defaults is
        some 4 us a label. Memory: ``4 * n_features + 8`` bytes an example, ``frauds + genuine`` of them.
    Reference: Dal Pozzolo et al. (2018), Credit card fraud detection (delayed labels, refitted ensembles); Vitter
        (1985), Random sampling with a reservoir (why a sample of the newest, not of all, is kept: fraud changes).

    >>> model = OnlineTrees(n_features=2, learning=Learning())
    >>> model.score(np.zeros((1, 2), np.float32))  # no opinion yet, which is not the same as "normal"
    array([nan])
    """

    def __init__(self, *, n_features: int, learning: Learning) -> None:
        self.learning = learning
        self.trees: ObliviousTrees | None = None
        self.fits = 0
        self._n_features = n_features
        self.examples = {
            "genuine": Examples(learning.genuine, n_features),
            "frauds": Examples(learning.frauds, n_features),
        }
        self._labels = 0
        self._new = 0
        self._due = 0

    def score(self, x: Single) -> Float:
        """The chance of fraud of each record, shape ``(n,)``; NaN until the first fit.

        Args:
            x: Features, shape ``(n, n_features)``; NaN where there is none.
        """
        if self.trees is None:
            return np.full(len(x), np.nan)
        return 1.0 / (1.0 + np.exp(-self.trees.margin(x)))

    def reasons(self, x: Single) -> Float:
        """What each feature adds to the log odds, shape ``(n, n_features)``; NaN until the first fit."""
        return np.full(x.shape, np.nan) if self.trees is None else self.trees.contributions(x)

    def learn(self, x: Single, fraud: Mask, code: Int64) -> None:
        """Take labelled examples in, in the order of their labels; fits are made on the way.

        Args:
            x: Their features when they were scored, shape ``(n, n_features)``.
            fraud: What the labels say, shape ``(n,)``.
            code: A hash of each record's id, shape ``(n,)``; decides which genuine ones are kept.
        """
        while len(fraud):
            due = self.next_fit(fraud, code)
            stop = len(fraud) if due is None else due + 1
            self._take(x[:stop], fraud[:stop], self._kept(fraud[:stop], code[:stop]))
            if due is not None:
                self._fit()
            x, fraud, code = x[stop:], fraud[stop:], code[stop:]

    def next_fit(self, fraud: Mask, code: Int64) -> int | None:
        """With which of these examples, if they were learned next, the first fit would be due; arguments as above.

        What came before its label is to be scored before it is learned.
        """
        genuine, frauds = self.examples.values()
        kept = self._kept(fraud, code)
        due = (
            (self._new + np.cumsum(kept) >= self._due)
            & (len(frauds) + np.cumsum(fraud) >= self.learning.least_frauds)
            & (len(genuine) + np.cumsum(kept & ~fraud) >= self.learning.least_genuine)
        )
        return int(due.argmax()) if due.any() else None

    def _kept(self, fraud: Mask, code: Int64) -> Mask:
        return np.asarray(fraud | (_chances(code) < self.learning.keep), np.bool_)

    def _take(self, x: Single, fraud: Mask, kept: Mask) -> None:
        numbers = self._labels + np.arange(len(fraud))
        for is_fraud, store in enumerate(self.examples.values()):
            chosen = np.flatnonzero(kept & (fraud == bool(is_fraud)))
            store.add(x[chosen], numbers[chosen])
        self._labels += len(fraud)
        self._new += int(kept.sum())

    def _fit(self) -> None:
        genuine, frauds = self.examples.values()
        x = np.concatenate([genuine.rows(), frauds.rows()])
        fraud = np.arange(len(x)) >= len(genuine)
        weight = np.where(fraud, 1.0, self._genuine_weight())
        self.trees = fit_trees(x, fraud, weight, self.learning.boosting, number=self.fits)
        self.fits += 1
        self._new = 0
        self._due = math.ceil(self.learning.renewed * len(x))

    def _genuine_weight(self) -> float:
        """How many genuine records stand for each one kept, beside the frauds kept.

        Where one store reaches further back than the other, their shares are taken from the time that both cover.
        """
        genuine, frauds = self.examples.values()
        since = max(genuine.oldest, frauds.oldest)
        common, frauds_then = genuine.since(since) / self.learning.keep, frauds.since(since)
        if not common or not frauds_then:
            return 1.0 / self.learning.keep
        return common / frauds_then * len(frauds) / len(genuine)

    @property
    def counters(self) -> Int64:
        """Fits made, labels and new examples seen, and examples after which the next fit is due."""
        return np.array([self.fits, self._labels, self._new, self._due], np.int64)

    def state(self) -> State:
        """Copies of everything learned, for ``restore``."""
        state: State = {"counters": self.counters}
        for name, store in self.examples.items():
            state |= {f"{name}.{part}": column for part, column in store.state().items()}
        if self.trees is not None:
            state |= {_MODEL + part: column for part, column in self.trees.state().items()}
        return state

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Replace everything learned by copies of ``state``.

        Raises:
            ValueError: If ``state`` is not of such a model.
        """
        parts = {name: [f"{name}.{part}" for part in ("x", "number", "added")] for name in self.examples}
        missing = sorted({"counters"}.union(*parts.values()) - set(state))
        if missing:
            raise ValueError(f"state of a model lacks {', '.join(missing)}")
        for name, store in self.examples.items():
            store.restore({part.removeprefix(f"{name}."): state[part] for part in parts[name]})
        model = {part.removeprefix(_MODEL): column for part, column in state.items() if part.startswith(_MODEL)}
        self.trees = ObliviousTrees.from_state(model) if model else None
        self.fits, self._labels, self._new, self._due = (int(counter) for counter in state["counters"])


def _chances(code: Int64) -> Float:
    """A number from 0 to 1 for each hash; the same one whenever and wherever it is asked for."""
    mixed = code.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.asarray((mixed >> np.uint64(11)) / float(1 << 53), np.float64)
