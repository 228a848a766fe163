"""Hashes of a batch's text columns, each computed once however many agents read it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.events import Batch, Int64
from tables.slices import Texts
from tables.text import TextHasher


class ColumnHashes:
    """Text columns as 64-bit hashes; other columns as they are.

    Cost: one dictionary look-up a record and text column, unless somebody knows the hashes already; 15 ns where texts
    stand in bytes.
    """

    def __init__(self) -> None:
        self._hashers: dict[str, TextHasher] = {}  # one for each field: small dictionaries stay in the cache
        self._batch: Batch | None = None
        self._known: dict[str, Int64] = {}

    def of(self, batch: Batch, name: str) -> NDArray[Any]:
        """The column ``name``, shape ``(n,)``."""
        column = batch.columns[name]
        if isinstance(column, np.ndarray):
            return column
        if isinstance(column, Texts):
            return column.hashes
        known = self._of_batch(batch)
        if name not in known:
            known[name] = self._hashers.setdefault(name, TextHasher()).column(column)
        return known[name]

    def learn(self, batch: Batch, name: str, hashes: Int64) -> None:
        """Note the hashes of a column that were found on the way, shape ``(n,)``."""
        self._of_batch(batch)[name] = hashes

    def _of_batch(self, batch: Batch) -> dict[str, Int64]:
        if batch is not self._batch:
            self._batch, self._known = batch, {}
        return self._known
