"""Columns whose items stand in the bytes of a larger text, and become objects only when somebody asks for one."""

from collections.abc import Callable, Iterator, Sequence
from functools import _lru_cache_wrapper, cache
from importlib import import_module
from itertools import starmap
from types import ModuleType
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from tables.text import hash_text

Int64 = NDArray[np.int64]
T = TypeVar("T")
Column = NDArray[np.generic] | Sequence[str]
"""Numbers, or texts."""


def optional(load: Callable[[], ModuleType]) -> "_lru_cache_wrapper[ModuleType | None]":
    """A module of compiled loops, loaded when first asked for.

    ``None`` where numba, an extra, is not installed, or finds no place to keep what it compiled.
    """

    @cache
    def loaded() -> ModuleType | None:
        try:
            return load()
        except (ImportError, RuntimeError):  # the second is numba's "cannot cache function"
            return None

    return loaded


compiled = optional(lambda: import_module("tables.compiled"))


class Slices(Sequence[T], Generic[T]):
    """Items that stand in ``data``.

    Args:
        data: Where they stand.
        starts: Where each begins, shape ``(n,)``.
        sizes: Their lengths in bytes, shape ``(n,)``.
    """

    __slots__ = ("data", "sizes", "starts")
    __hash__ = None  # type: ignore[assignment]  # a sequence that is compared by its items

    def __init__(self, data: bytes, starts: Int64, sizes: Int64) -> None:
        self.data = data
        self.starts = starts
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[T]:
        return starmap(self._item, zip(self.starts.tolist(), self.sizes.tolist(), strict=True))

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        if isinstance(index, slice):
            return self.take(index)
        return self._item(self.starts.item(index), self.sizes.item(index))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def take(self, index: slice | Int64) -> Self:
        """The items at ``index``."""
        return type(self)(self.data, self.starts[index], self.sizes[index])

    def _item(self, start: int, size: int) -> T:
        raise NotImplementedError


class Payloads(Slices[bytes | None]):
    """Keys or values of records; ``None`` where the size is -1."""

    __slots__ = ()

    def _item(self, start: int, size: int) -> bytes | None:
        return None if size < 0 else self.data[start : start + size]


def payloads_of(values: Sequence[bytes | None]) -> Payloads:
    """Payloads, one after the other."""
    if isinstance(values, Payloads):
        return values
    try:
        sizes = np.fromiter(map(len, values), np.int64, len(values))  # type: ignore[arg-type]  # None, see below
        return Payloads(b"".join(values), np.cumsum(sizes) - sizes, sizes)  # type: ignore[arg-type]
    except TypeError:  # some are None
        sizes = np.fromiter((-1 if value is None else len(value) for value in values), np.int64, len(values))
    held = np.maximum(sizes, 0)
    return Payloads(b"".join(filter(None, values)), np.cumsum(held) - held, sizes)


def payload_bytes(values: Sequence[bytes | None]) -> int:
    """The lengths of all payloads together, without an object for each where they are ``Payloads``."""
    if isinstance(values, Payloads):
        return int(np.maximum(values.sizes, 0).sum())
    return sum(map(len, filter(None, values)))


def joined_payloads(parts: Sequence[Payloads]) -> Payloads:
    """Payloads, one part after the other; at least one."""
    sizes = np.concatenate([part.sizes for part in parts])
    if all(part.data is parts[0].data for part in parts):
        return Payloads(parts[0].data, np.concatenate([part.starts for part in parts]), sizes)
    return Payloads(b"".join(part.data for part in parts), shifted(parts), sizes)


def shifted(parts: Sequence[Slices[Any]]) -> Int64:
    """Where items begin when the data of ``parts`` is joined."""
    before = np.cumsum([0, *(len(part.data) for part in parts[:-1])])
    return np.concatenate([part.starts + shift for part, shift in zip(parts, before.tolist(), strict=True)])


class Texts(Slices[str]):
    """A text column in UTF-8, with its hashes as they are asked for."""

    __slots__ = ("_hashes",)

    def __init__(self, data: bytes, starts: Int64, sizes: Int64, hashes: Int64 | None = None) -> None:
        super().__init__(data, starts, sizes)
        self._hashes = hashes

    def _item(self, start: int, size: int) -> str:
        return self.data[start : start + size].decode("utf-8", "surrogatepass")

    def take(self, index: slice | Int64) -> "Texts":
        """The texts at ``index``."""
        hashes = None if self._hashes is None else self._hashes[index]
        return Texts(self.data, self.starts[index], self.sizes[index], hashes)

    @property
    def hashes(self) -> Int64:
        """``hash_text`` of each, shape ``(n,)``. Cost: 15 ns a text of 10 bytes, once."""
        if self._hashes is None:
            self._hashes = np.empty(len(self), np.int64)
            loops, data = compiled(), np.frombuffer(self.data, np.uint8)
            if loops is None:
                self._hashes[:] = [hash_text(text) for text in self]
            elif not loops.hash_texts(data, self.starts, self.sizes, self._hashes):
                for at in np.flatnonzero(self.sizes > loops.LONGEST).tolist():
                    self._hashes[at] = hash_text(self[at])
        return self._hashes

    def compact(self) -> "Texts":
        """The same, without the rest of ``data``: to be kept while ``data`` is not."""
        return texts_of(self)

    def replaced(self, at: Int64, texts: Sequence[str]) -> "Texts":
        """The column with ``texts`` at the places ``at``, both of length ``k``."""
        other = texts_of(texts)
        starts, sizes = self.starts.copy(), self.sizes.copy()
        starts[at], sizes[at] = other.starts + len(self.data), other.sizes
        return Texts(self.data + other.data, starts, sizes)


def texts_of(texts: Sequence[str]) -> Texts:
    """Texts, one after the other in bytes of their own."""
    hashes = None
    loops = compiled()
    if isinstance(texts, Texts) and loops is not None:
        sizes, hashes = texts.sizes, texts._hashes  # noqa: SLF001 - its own class
        into = np.empty(int(sizes.sum()), np.uint8)
        loops.gather(np.frombuffer(texts.data, np.uint8), texts.starts, sizes, into, 0)
        data = into.tobytes()
    else:
        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        sizes, data = np.fromiter(map(len, parts), np.int64, len(parts)), b"".join(parts)
    return Texts(data, np.cumsum(sizes) - sizes, sizes, hashes)


def taken(column: Column, index: Int64) -> Column:
    """The items at ``index``."""
    if isinstance(column, np.ndarray):
        return column[index]
    return column.take(index) if isinstance(column, Texts) else [column[at] for at in index.tolist()]


def joined_texts(parts: Sequence[Sequence[str]]) -> Texts:
    """Columns, one after the other; at least one."""
    texts = [part if isinstance(part, Texts) else texts_of(part) for part in parts]
    return Texts(b"".join(part.data for part in texts), shifted(texts), np.concatenate([part.sizes for part in texts]))
