"""``[deliver]``: destinations, routes and teams."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from agents.language.expression import closest, listed
from agents.spec import SEVERITIES, Severity
from pipeline.config.report import Report, show
from pipeline.config.section import Section
from pipeline.delivery.settings import (
    DeliverySettings,
    Destination,
    Email,
    File,
    Route,
    Security,
    Slack,
    Target,
    Webhook,
)
from pipeline.delivery.templates import CHAT, SUBJECT, TEXT, template

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "webhook": ("url", "secret", "previous_secret"),
    "slack": ("url", "text"),
    "email": ("host", "port", "security", "username", "password", "ca", "sender", "recipients", "subject", "text"),
    "file": ("path",),
}
PATIENCE: Final = ("timeout", "attempts", "wait", "longest_wait", "failures", "pause", "per_minute")
ROUTE_KEYS: Final = ("to", "severity", "rules", "teams", "keys", "hours", "days", "zone")
_PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_SECRET = re.compile(r"(whsec_)?[A-Za-z0-9+/]{32,}={0,2}")


def read_deliver(report: Report, values: dict[str, Any]) -> DeliverySettings | None:
    """Where alerts go; ``None`` if the section is not there."""
    if "deliver" not in values:
        return None
    section = Section(report, ("deliver",), values["deliver"], ("of", "destinations", "routes", "teams"))
    has_incidents = "incidents" in values
    of = section.text("of", "notices" if has_incidents else "alerts", choices=("alerts", "notices"))
    if of == "notices" and not has_incidents:
        section.wrong("of", "there are no notices without [incidents]")
    teams = {name: _texts(section, ("teams", name), rules) for name, rules in _tables(section, "teams", list).items()}
    destinations = {
        name: _destination(Section(report, (*section.path, "destinations", name), given, _allowed(given)), name)
        for name, given in _tables(section, "destinations", dict).items()
    }
    routes = [
        _route(Section(report, (*section.path, "routes", name), given, ROUTE_KEYS), name, destinations, teams)
        for name, given in _tables(section, "routes", dict).items()
    ]
    return DeliverySettings(
        of="notices" if of == "notices" else "alerts", destinations=destinations, routes=tuple(routes)
    )


def _tables(section: Section, key: str, kind: type) -> dict[str, Any]:
    given = section.values.get(key, {})
    if not isinstance(given, dict) or not all(isinstance(each, kind) for each in given.values()):
        section.wrong(key, f"{key} must hold {'lists' if kind is list else 'tables'} by name, found {show(given)}")
        return {}
    return given


def _texts(section: Section, path: tuple[str, ...], given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(each, str) and each for each in given):
        section.report.value((*section.path, *path), f"{path[-1]} must be a list of names, found {show(given)}")
        return ()
    return tuple(given)


# ---- destinations


def _allowed(given: Mapping[str, Any]) -> tuple[str, ...]:
    kind = given.get("kind")
    return ("kind", *KINDS.get(kind if isinstance(kind, str) else "", ()), *PATIENCE)


def _destination(section: Section, name: str) -> Destination:
    default = Destination(name=name, target=File(path=""))
    lengths = {
        f"{key}_ms": section.duration(key, None) or getattr(default, f"{key}_ms")
        for key in ("timeout", "wait", "longest_wait", "pause")
    }
    return Destination(
        name=name,
        target=_target(section),
        attempts=section.whole("attempts", default.attempts, 1, 1_000),
        failures=section.whole("failures", default.failures, 1, 1_000),
        per_minute=section.whole("per_minute", 1, 1, 1_000_000) if section.has("per_minute") else None,
        **lengths,
    )


def _target(section: Section) -> Target:
    match section.text("kind", choices=tuple(KINDS)):
        case "webhook":
            return Webhook(
                url=_url(section, section.text("url")),
                secret=_signing(section, "secret"),
                previous_secret=_signing(section, "previous_secret"),
            )
        case "slack":
            section.require("url")
            return Slack(url=_url(section, section.secret("url") or "https://"), text=_template(section, "text", CHAT))
        case "email":
            return _email(section)
        case "file":
            return File(path=section.text("path"))
    return File(path="")


def _email(section: Section) -> Email:
    security = section.text("security", "starttls", choices=tuple(_PORTS)) or "starttls"
    section.require("recipients")
    recipients = section.values.get("recipients", ["nobody"])
    return Email(
        host=section.text("host"),
        port=section.whole("port", _PORTS[security], 1, 65_535),
        security=cast("Security", security),
        username=section.text("username", "") or None,
        password=section.secret("password"),
        ca=section.text("ca", "") or None,
        sender=section.text("sender"),
        recipients=_texts(section, ("recipients",), recipients),
        subject=_template(section, "subject", SUBJECT),
        text=_template(section, "text", TEXT),
    )


def _url(section: Section, url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        section.wrong("url", "url must begin with http:// or https://")
    return url


def _signing(section: Section, key: str) -> str | None:
    secret = section.secret(key)
    if secret is not None and not _SECRET.fullmatch(secret):
        section.wrong(key, f"{key} must be at least 24 random bytes in base64; `openssl rand -base64 32` makes them")
        return None
    return secret


def _template(section: Section, key: str, default: str) -> str:
    source = section.text(key, default)
    try:
        template(source)
    except ValueError as error:
        section.wrong(key, f"{key} is {error}")
    return source


# ---- routes


def _route(
    section: Section, name: str, destinations: Mapping[str, Destination], teams: Mapping[str, tuple[str, ...]]
) -> Route:
    severity = section.text("severity", "info", choices=SEVERITIES) or "info"
    section.require("to")
    rules = set(_names(section, "rules")).union(*(teams[team] for team in _names(section, "teams", teams)))
    start, end = _hours(section)
    zone = section.text("zone", "UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):  # KeyError: no zone of that name
        section.wrong("zone", f"{show(zone)} is no time zone; write a name such as Europe/Berlin")
        zone = "UTC"
    return Route(
        name=name,
        to=_names(section, "to", destinations),
        severity=cast("Severity", severity),
        rules=tuple(sorted(rules)),
        keys=_names(section, "keys"),
        from_minute=start,
        until_minute=end,
        days=frozenset(_DAYS.index(day) for day in _names(section, "days", _DAYS) or _DAYS),
        zone=zone,
    )


def _names(section: Section, key: str, known: Any = None) -> tuple[str, ...]:
    """A list of names, of ``known`` ones if there are such."""
    if not section.has(key):
        return ()
    names = _texts(section, (key,), section.values[key])
    for name in names:
        if known is not None and name not in known:
            guess = closest(name, list(known))
            section.wrong(key, f"{key} names the unknown {show(name)}; there are {listed(list(known))}{guess}")
    return tuple(name for name in names if known is None or name in known)


def _hours(section: Section) -> tuple[int, int]:
    if not section.has("hours"):
        return 0, 0
    match = _HOURS.fullmatch(section.text("hours"))
    if match is None:
        section.wrong("hours", 'hours must be two times of day, such as "22:00-06:00"')
        return 0, 0
    return int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
