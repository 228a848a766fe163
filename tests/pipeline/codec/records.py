"""A stream with fields of every type, payloads for it, and what becomes of them."""

import json

import numpy as np

from agents.events import Chunk
from agents.spec import Field, StreamSpec
from pipeline.codec import Decoder

NOW_MS = 1_700_000_000_000
FIELDS = [
    Field(name="id", type="str"),
    Field(name="ts", type="int"),
    Field(name="amount", type="int"),
    Field(name="price", type="float", unit=0.01),
    Field(name="ok", type="bool"),
    Field(name="hist", type="ints", width=3),
    Field(name="note", type="str", optional=True),
    Field(name="score", type="int", optional=True),
    Field(name="ratio", type="float", optional=True),
    Field(name="flag", type="bool", optional=True),
    Field(name="vec", type="ints", width=2, optional=True),
]
STREAM = StreamSpec(
    name="s", topic="t", partitions=1, key=None, time="ts", id="id", fields={field.name: field for field in FIELDS}
)
GOOD = {"id": "r1", "ts": NOW_MS, "amount": 5, "price": 1.5, "ok": True, "hist": [1, 2, 3]}


def payload(**changes):
    """GOOD with fields replaced; the value is JSON text if it is bytes."""
    parts = {name: json.dumps(value).encode() for name, value in GOOD.items()}
    parts |= {name: v if isinstance(v, bytes) else json.dumps(v).encode() for name, v in changes.items()}
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), part) for name, part in parts.items()) + b"}"


def chunk(values, *, now_ms=NOW_MS, headers=None):
    n = len(values)
    return Chunk(
        topic="t",
        partition=3,
        offsets=np.arange(100, 100 + 2 * n, 2),
        timestamps_ms=np.full(n, now_ms, np.int64),
        keys=[None] * n,
        values=values,
        headers=headers,
        next_offset=100 + 2 * n,
    )


def outcome(value, decoder=None):
    """``None`` if accepted alone, else the reason."""
    batch, rejects = (decoder or Decoder(STREAM)).decode(chunk([value]))
    assert len(batch) + len(rejects) == 1
    return str(rejects[0].reason) if rejects else None


def nested(depth):
    """A record that is ``depth`` levels deep, its own object included."""
    return payload(other=b"[" * (depth - 1) + b"]" * (depth - 1))
