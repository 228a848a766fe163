"""The stored form of a shard besides its tables: where it stands, and what its series detectors have learned."""

from collections.abc import Mapping

import msgspec

from tables.keys import NEVER

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
        emitted: Up to where (exclusive) all that came of the records is out already, if that is further than the state.
    """

    position: int
    head_ms: int
    closed_ms: int
    origins: dict[int, int]
    definitions: dict[str, str]
    counts: dict[str, int]
    emitted: int = 0


class Progress:
    """Up to where the state of a shard is stored, and up to where all that came of its records is out.

    An alert should be out within milliseconds, and writing all that changed at each one would cost too much. Since a
    shard gives the same for the same records, the source itself is the log of changes: it is enough to store how far
    everything is out. After a restart the records between are processed again and what they give is dropped.

    ::

        source   ──────────●──────────────●────────▶
                       position        emitted
                       state stored    alerts are out: process again from ``position``, drop what comes before here
    """

    def __init__(self) -> None:
        self.emitted = 0
        self._stored: Meta | None = None

    def restored(self, meta: Meta) -> None:
        """Note what was read."""
        self._stored, self.emitted = meta, max(meta.emitted, meta.position)

    def disturbed(self) -> None:
        """Note that something else than records changed the state: processing them again would not give the same."""
        self._stored = None

    def full(self, meta: Meta) -> bytes:
        """The slab for a commit of all state."""
        self.emitted = max(self.emitted, meta.position)
        self._stored = meta
        return msgspec.json.encode(msgspec.structs.replace(meta, emitted=self.emitted))

    def early(self, position: int) -> bytes | None:
        """The slab for a commit of what came of records before ``position``; ``None`` if all has to be stored."""
        if self._stored is None:
            return None
        self.emitted = max(self.emitted, position)
        return msgspec.json.encode(msgspec.structs.replace(self._stored, emitted=self.emitted))


def read_meta(slabs: Mapping[bytes, bytes]) -> Meta:
    """Where the shard stood that wrote these slabs; a fresh one if there are none."""
    if META not in slabs:
        return Meta(0, NEVER, NEVER, {}, {}, {})
    return msgspec.json.decode(slabs[META], type=Meta)


def slabs_at(position: int) -> dict[bytes, bytes]:
    """The state of a shard that knows nothing yet, and begins at ``position``."""
    return {META: msgspec.json.encode(Meta(position, NEVER, NEVER, {}, {}, {}))}
