"""How a worker's process handles memory: columns of megabytes come and go with every chunk."""

import ctypes
import gc
from typing import Final

_M_TRIM_THRESHOLD: Final = -1  # <malloc.h>
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 64 << 20
_LARGE_BYTES: Final = 32 << 20  # the most that glibc takes


def tune_memory() -> None:
    """Keep what is freed for the next chunk, and look for garbage rarely.

    - glibc gives the end of its heap and every large block back to the system, which then has to clear the same pages
      again, some thousands a second. It may keep up to 64 MiB; other C libraries do as they do.
    - Columns are no garbage cycles: those are looked for a hundred times less often than Python does by default.
    """
    gc.freeze()
    gc.set_threshold(70_000, 20, 20)
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        allocator.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
