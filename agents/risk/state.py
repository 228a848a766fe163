"""The stored form of a risk score's model: only what changed since the last commit, in blocks.

What is kept of the labels is the most of it, some megabytes, and at each label only the end of a ring changes.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from detectors.examples import BLOCK
from detectors.online import OnlineTrees
from detectors.trees import ObliviousTrees
from tables.slab import Slab

_COUNTERS = "counters"
_TREES = "trees"
_TREES_IN_BLOCK = 64  # of depth 8, the deepest there are, 300 kB


class LearnedSlabs:
    """Knows what of a model is stored already.

    ::

        counters       fits, labels, what of the rings is in use; whenever anything changed
        genuine/3      a block of a ring of examples; when examples came in
        trees/0        a block of the trees; when a fit was made

    Args:
        model: The model; others change it.
    """

    def __init__(self, model: OnlineTrees) -> None:
        self._model = model
        self._stored: dict[str, list[int]] = {}
        self._fits = 0
        self._added = dict.fromkeys(model.examples, 0)

    def take_dirty(self, applied: int, unknown: int) -> dict[str, Slab]:
        """Slabs that changed since the last call, by name.

        Args:
            applied: Source offset up to which (exclusive) records are in the state.
            unknown: Labels whose payment was not waiting.
        """
        counters = {name: [store.added] for name, store in self._model.examples.items()}
        counters |= {"model": self._model.counters.tolist(), "unknown": [unknown]}
        if counters == self._stored:
            return {}
        self._stored = counters
        arrays = {name: np.array(values, np.int64) for name, values in counters.items()}
        slabs = {_COUNTERS: Slab(applied=applied, arrays=arrays)}
        for name, store in self._model.examples.items():
            for block in store.changed(self._added[name]):
                part = store.block(block)
                columns = {"x": np.ascontiguousarray(part["x"].T), "number": part["number"]}
                slabs[f"{name}/{block}"] = Slab(applied=applied, start=block * BLOCK, arrays=columns)
            self._added[name] = store.added
        if self._model.trees is not None and self._model.fits != self._fits:
            slabs |= dict(_of_trees(self._model.trees, applied))
            self._fits = self._model.fits
        return slabs

    def load(self, slabs: Mapping[str, Slab]) -> int:
        """Restore the model from the latest slabs, by the names given before; the number of unknown labels."""
        if _COUNTERS not in slabs:
            return 0
        counters = slabs[_COUNTERS].arrays
        state: dict[str, NDArray[np.generic]] = {"counters": counters["model"]}
        for name in self._model.examples:
            blocks = list(_blocks(name, slabs))
            empty = self._model.examples[name].state()
            state[f"{name}.x"] = np.concatenate([empty["x"], *(slab.arrays["x"].T for slab in blocks)])
            state[f"{name}.number"] = np.concatenate([empty["number"], *(slab.arrays["number"] for slab in blocks)])
            state[f"{name}.added"] = counters[name]
        trees = list(_blocks(_TREES, slabs))
        if trees:
            state["model.base"] = trees[0].arrays["base"]
            names = [name for name in trees[0].arrays if name != "base"]
            state |= {f"model.{name}": np.concatenate([slab.arrays[name].T for slab in trees]) for name in names}
        self._model.restore(state)
        self._stored = {name: values.tolist() for name, values in counters.items()}
        self._fits = self._model.fits
        self._added = {name: store.added for name, store in self._model.examples.items()}
        return int(counters["unknown"][0])


def _of_trees(trees: ObliviousTrees, applied: int) -> Iterator[tuple[str, Slab]]:
    state = trees.state()
    base = state.pop("base")
    for start in range(0, len(trees.leaves), _TREES_IN_BLOCK):
        part = slice(start, start + _TREES_IN_BLOCK)
        columns = {name: np.ascontiguousarray(column[part].T) for name, column in state.items()}
        yield (
            f"{_TREES}/{start // _TREES_IN_BLOCK}",
            Slab(applied=applied, start=start, arrays={"base": base, **columns}),
        )


def _blocks(kind: str, slabs: Mapping[str, Slab]) -> Iterator[Slab]:
    """The blocks of one kind in their order."""
    own = {name: slab for name, slab in slabs.items() if name.startswith(f"{kind}/")}
    return iter(sorted(own.values(), key=lambda slab: slab.start))
