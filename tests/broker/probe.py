"""The smallest Kafka client: asks a broker which brokers it knows to be alive.

One Metadata request, version 1, over a plain socket: no event loop, so that it works from anywhere, and nothing to
close when a broker is half up.
"""

import socket
import struct

from tests.broker.ports import HOST

_METADATA, _VERSION, _NO_TOPICS = 3, 1, 0
_REQUEST = struct.pack(">hhihi", _METADATA, _VERSION, 1, -1, _NO_TOPICS)


def live_brokers(port: int, *, timeout_s: float = 2.0) -> set[int]:
    """Ids of the brokers that a broker lists; none while it does not answer."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
            (size,) = struct.unpack(">i", _read(connection, 4))
            return set(_ids(_read(connection, size)))
    except OSError:
        return set()


def _read(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            raise ConnectionResetError("the broker hung up")
        got += more
    return got


def _ids(answer: bytes) -> list[int]:
    """From an answer: correlation id, then for each broker its id, host, port and rack."""
    _, count = struct.unpack_from(">ii", answer)
    found, at = [], 8
    for _ in range(count):
        broker, length = struct.unpack_from(">ih", answer, at)
        at += 6 + length + 4
        (rack,) = struct.unpack_from(">h", answer, at)
        at += 2 + max(rack, 0)
        found.append(broker)
    return found
