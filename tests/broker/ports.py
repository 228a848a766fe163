"""Ports for brokers."""

import random
import socket
from contextlib import ExitStack

HOST = "127.0.0.1"
# Below what systems hand out to outgoing connections (32,768 and up): a client that keeps knocking at a dead node would
# otherwise be given the node's own port some day, and the node could not come back.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 1_000


def free_ports(count: int) -> list[int]:
    """So many different ports that nobody listens on: all are held before the first is let go."""
    draw = random.Random()
    found: list[int] = []
    with ExitStack() as held:
        for _ in range(_TRIES):
            if len(found) == count:
                return found
            tried = held.enter_context(socket.socket())
            port = draw.randint(_FIRST, _LAST)
            try:
                tried.bind((HOST, port))
            except OSError:
                continue
            found.append(port)
    raise OSError(f"found {len(found)} of {count} free ports between {_FIRST} and {_LAST}")
