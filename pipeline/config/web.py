"""``[web]``: where the web view listens, how it is reached, and who may enter."""

import ipaddress
import re
from typing import Any, Final

from agents.language.expression import closest, listed
from pipeline.access.roles import ROLES, Role, parse_role
from pipeline.access.settings import ALGORITHMS, DEFAULT_ALGORITHMS, OidcSettings, WebSettings
from pipeline.config.report import Report, show
from pipeline.config.section import Section

_NEEDED: Final = ("oidc_issuer", "oidc_audience", "oidc_jwks")
_OIDC: Final = (*_NEEDED, "oidc_algorithms", "oidc_name_claim", "oidc_role_claim", "oidc_roles")
_TLS: Final = ("cert_file", "key_file")
KEYS: Final = (
    "host", "port", "login", "users", "session", "hosts", "proxies", *_TLS, "audit_key", *_OIDC, "store",
)  # fmt: skip
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]|\d+(\.\d+){3}")
_LOCAL: Final = re.compile(r"http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?(/\S*)?")
_SHORTEST_KEY: Final = 32
_LOW_MS: Final = 60_000
_DEFAULT: Final = WebSettings()


def read_web(report: Report, values: dict[str, Any]) -> tuple[str, int, WebSettings]:
    """Address, port, and everything else that the section says."""
    section = Section(report, ("web",), values.get("web", {}), KEYS)
    settings = WebSettings(
        login=section.flag("login", default=True) if section.has("login") else None,
        users=_text(section, "users"),
        session_ms=section.duration("session", None, low_ms=_LOW_MS) or _DEFAULT.session_ms,
        hosts=_hosts(section),
        proxies=_proxies(section),
        cert_file=_text(section, "cert_file"),
        key_file=_text(section, "key_file"),
        audit_key=_audit_key(section),
        oidc=_oidc(section),
        store=_text(section, "store"),
    )
    if section.has("key_file") and not section.has("cert_file"):
        report.key((*section.path, "key_file"), "key_file belongs to a certificate; name that in cert_file")
    if settings.login is False and settings.is_exposed():
        key = "hosts" if settings.hosts else "proxies"
        section.wrong("login", f"login is false, but {key} lets others in; leave one of them out")
    return section.text("host", "127.0.0.1"), section.whole("port", 8_080, 0, 65_535), settings


def _text(section: Section, key: str) -> str | None:
    """A text that is not empty, if it is given."""
    if not section.has(key):
        return None
    value = section.text(key)
    if section.values[key] == "":
        section.wrong(key, f"{key} is empty; say what it is, or leave it out")
    return value or None


def _texts(section: Section, key: str) -> tuple[str, ...]:
    given = section.values.get(key, [])
    if not isinstance(given, list) or not all(isinstance(each, str) and each for each in given):
        section.wrong(key, f"{key} must be a list of texts, found {show(given)}")
        return ()
    if section.has(key) and not given:
        section.wrong(key, f"{key} is empty; say what it is, or leave it out")
    return tuple(given)


def _hosts(section: Section) -> tuple[str, ...]:
    hosts = _texts(section, "hosts")
    for host in hosts:
        if not _HOST.fullmatch(host):
            section.wrong("hosts", f"{show(host)} is no host name; write it as a browser would, without port or scheme")
    return hosts


def _proxies(section: Section) -> tuple[str, ...]:
    proxies = _texts(section, "proxies")
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            section.wrong("proxies", f"{show(proxy)} is no address and no network; write 10.0.0.7 or 10.0.0.0/24")
    return proxies


def _audit_key(section: Section) -> str | None:
    key = section.secret("audit_key")
    if key is not None and len(key) < _SHORTEST_KEY:
        section.wrong(
            "audit_key",
            f"audit_key must have at least {_SHORTEST_KEY} characters; `openssl rand -base64 32` makes them",
        )
        return None
    return key


def _oidc(section: Section) -> OidcSettings | None:
    if not any(section.has(key) for key in _OIDC):
        return None
    for key in _NEEDED:
        if not section.has(key):
            section.report.key(section.path, f"[web] lacks {key!r}, without which no bearer token counts")
    return OidcSettings(
        issuer=_text(section, "oidc_issuer") or "",
        audience=_text(section, "oidc_audience") or "",
        jwks=_jwks(section),
        algorithms=_algorithms(section),
        name_claim=_text(section, "oidc_name_claim") or "sub",
        role_claim=_text(section, "oidc_role_claim") or "roles",
        roles=_roles(section),
    )


def _jwks(section: Section) -> str:
    """Only an address that nobody on the way can answer for: what it gives decides who may enter."""
    url = _text(section, "oidc_jwks")
    if url is not None and not re.fullmatch(r"https://[^\s/]+\S*", url) and not _LOCAL.fullmatch(url):
        section.wrong("oidc_jwks", f"{show(url)} is no address of keys that can be trusted; write https://HOST/PATH")
    return url or ""


def _algorithms(section: Section) -> tuple[str, ...]:
    algorithms = _texts(section, "oidc_algorithms")
    for algorithm in algorithms:
        if algorithm not in ALGORITHMS:
            guess = closest(algorithm, ALGORITHMS)
            section.wrong(
                "oidc_algorithms",
                f"oidc_algorithms has {show(algorithm)}; allowed are {listed(ALGORITHMS, 20)}{guess}",
            )
    return algorithms or DEFAULT_ALGORITHMS


def _roles(section: Section) -> dict[str, Role]:
    given = section.values.get("oidc_roles", {})
    if not isinstance(given, dict):
        section.wrong(
            "oidc_roles", f'oidc_roles must be a table such as {{ "sg-admins" = "admin" }}, not {show(given)}'
        )
        return {}
    for value, role in given.items():
        if role not in ROLES:
            guess = closest(role, ROLES) if isinstance(role, str) else ""
            section.report.value(
                (*section.path, "oidc_roles", value), f"{show(role)} is no role; there are {listed(ROLES)}{guess}"
            )
    return {value: parse_role(role) for value, role in given.items() if role in ROLES}
