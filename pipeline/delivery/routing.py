"""Which destinations a message goes to."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agents.spec import SEVERITIES
from pipeline.delivery.messages import Message
from pipeline.delivery.settings import Route

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_routed(message: Message, destination: str, routes: Iterable[Route]) -> bool:
    """Whether some route leads the message to ``destination``."""
    return any(destination in route.to and matches(route, message) for route in routes)


def matches(route: Route, message: Message) -> bool:
    """Whether a route takes the message, by what it is and when it was raised."""
    body = message.body
    least = 0 if route.severity is None else SEVERITIES.index(route.severity)
    return (
        SEVERITIES.index(body["severity"]) >= least
        and (not route.rules or body["rule"] in route.rules)
        and (not route.keys or body["key"] in route.keys)
        and is_within(route, message.time_ms)
    )


def is_within(route: Route, time_ms: int) -> bool:
    """Whether a moment lies in the route's time of day, by the clock on the wall there."""
    local = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(ZoneInfo(route.zone))
    minute = local.hour * 60 + local.minute
    if route.from_minute < route.until_minute:
        return route.from_minute <= minute < route.until_minute and local.weekday() in route.days
    if minute >= route.from_minute:
        return local.weekday() in route.days
    return minute < route.until_minute and (local.weekday() - 1) % 7 in route.days
