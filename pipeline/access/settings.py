"""How the web view is reached and who may enter, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.access.roles import Role

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signatures that can be allowed: asymmetric ones only, so that who can check a token can't make one."""

DEFAULT_ALGORITHMS = ("RS256",)


@dataclass(frozen=True, kw_only=True, slots=True)
class OidcSettings:
    """Whose bearer tokens count.

    Args:
        issuer: What ``iss`` must say, to the letter.
        audience: What ``aud`` must name.
        jwks: Address of the issuer's public keys.
        algorithms: Signatures that count; the token's own header chooses among these only.
        name_claim: Claim that names the user.
        role_claim: Claim that names roles or groups; dots lead into objects, as in ``realm_access.roles``.
        roles: Role for each value of the role claim; empty takes values that are called as roles are.
        leeway_s: By how much clocks may differ, in seconds.
    """

    issuer: str
    audience: str
    jwks: str
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    name_claim: str = "sub"
    role_claim: str = "roles"
    roles: Mapping[str, Role] = field(default_factory=dict)
    leeway_s: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSettings:
    """Settings of the web view beside its address.

    Args:
        login: Whether users must log in; ``None`` says yes unless only this machine can reach it.
        users: File of users, keys, sessions and the audit log; ``None`` is ``var/web/APP-access.db``.
        session_ms: How long a login lasts.
        hosts: Names by which the view may be asked for; empty takes any, on a loopback address only this machine's.
        proxies: Addresses or networks of proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.
        cert_file: PEM file of the server's certificate: with it the view speaks https.
        key_file: PEM file of its key; ``None`` if ``cert_file`` holds it.
        audit_key: Seals the audit log, so that nobody who only has its file can rewrite it unnoticed.
        oidc: Whose bearer tokens count; ``None`` for nobody's.
        store: URL of the database that keeps alerts for longer; ``None`` for none.
    """

    login: bool | None = None
    users: str | None = None
    session_ms: int = 12 * 3_600_000
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    cert_file: str | None = None
    key_file: str | None = None
    audit_key: str | None = field(default=None, repr=False)
    oidc: OidcSettings | None = None
    store: str | None = None

    def is_exposed(self) -> bool:
        """Whether others are meant to reach it even if it listens on a loopback address."""
        return bool(self.hosts or self.proxies)
