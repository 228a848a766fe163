"""A text column that only grows, and is cut from the front: kept in bytes, so that a text costs no object."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tables.slices import Texts, compiled, texts_of

Int64 = NDArray[np.int64]
_LEAST = 1 << 10
_LONGEST_HEAD = 5  # of a text or a list in MessagePack


class TextLog:
    """Texts, oldest first.

    Cost: 20 ns a text that stands in bytes, 0.3 us one that does not; 16 bytes and the text itself, up to twice.
    """

    def __init__(self) -> None:
        self._data = np.empty(_LEAST * 16, np.uint8)
        self._starts = np.empty(_LEAST, np.int64)
        self._sizes = np.empty(_LEAST, np.int64)
        self._held = 0
        self._used = 0  # bytes

    def __len__(self) -> int:
        return self._held

    def __getitem__(self, at: int) -> str:
        start = int(self._starts[at])
        return self._data[start : start + int(self._sizes[at])].tobytes().decode(errors="surrogatepass")

    def append(self, texts: Sequence[str]) -> None:
        """Add texts behind the newest."""
        given, loops = texts if isinstance(texts, Texts) else texts_of(texts), compiled()
        held, used = self._held + len(given), self._used + int(given.sizes.sum())
        if held > len(self._sizes):
            more = np.empty(max(held, 2 * len(self._sizes)) - len(self._sizes), np.int64)
            self._starts, self._sizes = (np.concatenate((each, more)) for each in (self._starts, self._sizes))
        if used > len(self._data):
            self._data = np.concatenate(
                (self._data, np.empty(max(used, 2 * len(self._data)) - len(self._data), np.uint8))
            )
        self._sizes[self._held : held] = given.sizes
        self._starts[self._held : held] = self._used + np.cumsum(given.sizes) - given.sizes
        if loops is not None:
            loops.gather(np.frombuffer(given.data, np.uint8), given.starts, given.sizes, self._data, self._used)
        else:
            self._data[self._used : used] = np.frombuffer(given.compact().data, np.uint8)
        self._held, self._used = held, used

    def drop(self, count: int) -> None:
        """Forget so many of the oldest; what remains is copied."""
        rest = slice(count, self._held)
        first = int(self._starts[count]) if count < self._held else self._used
        self._data = np.concatenate((self._data[first : self._used], np.empty(_LEAST, np.uint8)))
        self._starts, self._sizes = self._starts[rest] - first, self._sizes[rest].copy()
        self._held, self._used = self._held - count, self._used - first

    def packed(self, part: slice) -> msgspec.Raw:
        """The texts of ``part`` as a list in MessagePack, as it stands in slabs."""
        starts, sizes = self._starts[: self._held][part], self._sizes[: self._held][part]
        loops = compiled()
        if loops is None:
            texts = Texts(self._data[: self._used].tobytes(), starts, sizes)
            return msgspec.Raw(msgspec.msgpack.encode(list(texts)))
        into = np.empty(int(sizes.sum()) + _LONGEST_HEAD * (len(sizes) + 1), np.uint8)
        return msgspec.Raw(into[: loops.pack_texts(self._data, starts, sizes, into)].tobytes())
