"""How often somebody may try to log in: by address, by name, and by both."""

import ipaddress
import math
import time
from typing import Final, NamedTuple

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

BOTH: Final = RateLimitItemPerMinute(5)
ADDRESS: Final = RateLimitItemPerMinute(20)
NAME: Final = RateLimitItemPerMinute(60, 10)
PROOF: Final = RateLimitItemPerMinute(30)
_TOLD: Final = RateLimitItemPerMinute(1)


class Wait(NamedTuple):
    """Somebody has to wait.

    Args:
        seconds: Until the next try is possible, at least 1.
        is_first: Whether this was not said to the same one within the last minute, so that it is worth a record.
    """

    seconds: int
    is_first: bool


class Throttle:
    """Counts tries over moving windows, in memory: five a minute for a name from an address, twenty from an address,
    sixty in ten minutes for a name. An IPv6 address counts with its whole network of 64 bits.
    """  # noqa: D205 - one sentence

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def login(self, address: str, name: str) -> Wait | None:
        """Count a try to log in; ``None`` if it may go on."""
        network, name = network_of(address), name.casefold()[:100]
        for limit, who in ((BOTH, ("both", network, name)), (ADDRESS, ("from", network)), (NAME, ("name", name))):
            if not self._limiter.hit(limit, *who):
                return self._wait(limit, *who)
        return None

    def succeeded(self, address: str, name: str) -> None:
        """Forget the tries that led to a login."""
        self._limiter.clear(BOTH, "both", network_of(address), name.casefold()[:100])

    def proof(self, address: str) -> Wait | None:
        """Whether an address gave too many keys or tokens that do not count."""
        who = ("proof", network_of(address))
        return None if self._limiter.test(PROOF, *who) else self._wait(PROOF, *who)

    def bad_proof(self, address: str) -> bool:
        """Count a key or token that does not count; whether that is worth a record, which is so once a minute."""
        network = network_of(address)
        self._limiter.hit(PROOF, "proof", network)
        return self._limiter.hit(_TOLD, "bad", network)

    def _wait(self, limit: RateLimitItem, *who: str) -> Wait:
        stats = self._limiter.get_window_stats(limit, *who)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        return Wait(seconds, self._limiter.hit(_TOLD, "told", *who))


def network_of(address: str) -> str:
    """What counts as one address.

    >>> network_of("192.0.2.7"), network_of("2001:db8::1:2:3:4"), network_of("?")
    ('192.0.2.7', '2001:db8::/64', '?')
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
