"""The stored form of a shard besides its tables: where it stands, and what its series detectors have learned."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.series import SeriesAgent
from tables.keys import NEVER
from tables.slab import Slab, decode_slab, encode_slab

META = b"meta"


class Meta(msgspec.Struct, frozen=True):
    """The slab that holds where a shard stands.

    Args:
        position: Offset of the next record to apply.
        head_ms: Newest event time seen.
        closed_ms: Event time up to which windows were closed.
        origins: Clock of each partition that feeds a repartitioned one.
        definitions: Version of each table and detector, by name.
        counts: Records, late ones, rejects, evicted and expired keys since the state began.
    """

    position: int
    head_ms: int
    closed_ms: int
    origins: dict[int, int]
    definitions: dict[str, str]
    counts: dict[str, int]


def read_meta(slabs: Mapping[bytes, bytes]) -> Meta:
    """Where the shard stood that wrote these slabs; a fresh one if there are none."""
    if META not in slabs:
        return Meta(0, NEVER, NEVER, {}, {}, {})
    return msgspec.json.decode(slabs[META], type=Meta)


def slabs_at(position: int) -> dict[bytes, bytes]:
    """The state of a shard that knows nothing yet, and begins at ``position``."""
    return {META: msgspec.json.encode(Meta(position, NEVER, NEVER, {}, {}, {}))}


def encode_series(agent: SeriesAgent, applied: int) -> bytes:
    """Everything that a series agent has learned, as a slab."""
    state = agent.state()
    arrays: dict[str, NDArray[Any]] = {name: column for name, column in state.items() if isinstance(column, np.ndarray)}
    lists = {name: column for name, column in state.items() if not isinstance(column, np.ndarray)}
    return encode_slab(Slab(applied=applied, arrays=arrays, extra=lists))


def decode_series(data: bytes) -> dict[str, Any]:
    """What ``SeriesAgent.restore`` takes."""
    slab = decode_slab(data)
    return {**slab.arrays, **slab.extra}
