"""Fetch responses whose record batches stay where they stand: the client library makes a copy of each partition's."""

from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.types import Array, Bytes, Int32, Schema


class Region(NamedTuple):
    """A part of some bytes."""

    data: bytes
    start: int
    stop: int


def whole(data: bytes) -> Region:
    """All of some bytes."""
    return Region(data, 0, len(data))


class _InPlace(Bytes):  # type: ignore[misc]  # the library has no types, here and below
    """Bytes as a ``Region`` of the response."""

    @classmethod
    def decode(cls, data: BytesIO) -> Region:
        """The next one; an empty one for none."""
        size = max(Int32.decode(data), 0)
        response, start = data.getvalue(), data.tell()  # no copy: these are the bytes that the reader was made of
        if start + size > len(response):
            raise ValueError("a fetch response ends within record batches")
        data.seek(start + size)
        return Region(response, start, start + size)


class FetchInPlace(FetchRequest):  # type: ignore[misc]  # the library has no types
    """The library's request, with record batches as ``Region`` in what comes back."""

    def build(self, request_struct_class: Any) -> Any:
        """The request as it goes over the wire."""
        request = super().build(request_struct_class)
        request.RESPONSE_TYPE = _in_place(request.RESPONSE_TYPE)
        return request


@cache
def _in_place(response: Any) -> Any:
    return type(response.__name__, (response,), {"SCHEMA": _replaced(response.SCHEMA)})


def _replaced(kind: Any) -> Any:
    if isinstance(kind, Schema):
        return Schema(*((name, _replaced(each)) for name, each in zip(kind.names, kind.fields, strict=True)))
    if isinstance(kind, Array):
        parts = _replaced(kind.array_of)
        return Array(*zip(parts.names, parts.fields, strict=True)) if isinstance(parts, Schema) else Array(parts)
    return _InPlace if kind is Bytes else kind
