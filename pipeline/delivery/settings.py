"""``[deliver]``: where alerts go, and which of them. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agents.spec import Severity

Security = Literal["none", "starttls", "tls"]
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """An HTTP endpoint that takes CloudEvents as JSON.

    Args:
        url: Where to post.
        secret: Signs each request, base64, perhaps behind ``whsec_``; ``None`` signs nothing.
        previous_secret: Signs too, while receivers change over.
    """

    url: str
    secret: str | None = field(default=None, repr=False)
    previous_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slack:
    """An incoming webhook of Slack, or of what understands its form (Mattermost, Rocket.Chat, Discord's ``/slack``).

    Args:
        url: Where to post; whoever knows it can post.
        text: Template of the message.
    """

    url: str = field(repr=False)
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Email:
    """A mailbox.

    Args:
        host: SMTP server.
        port: Its port.
        security: How the connection is encrypted.
        username: To log in with, if at all.
        password: Its password.
        ca: File with the authority that signed the server's certificate; ``None`` for those that the system trusts.
        sender: Address of the sender.
        recipients: Addresses.
        subject: Template of the subject.
        text: Template of the text.
    """

    host: str
    port: int
    security: Security
    username: str | None
    password: str | None = field(repr=False)
    ca: str | None = None
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file that grows by a line of JSON for each message.

    Args:
        path: Relative to the working directory.
    """

    path: str


Target = Webhook | Slack | Email | File


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Where messages go, and how patiently.

    Args:
        name: Unique in the app.
        target: What it is.
        timeout_ms: Longest time for one attempt.
        attempts: After so many the message goes to the dead letters.
        wait_ms: Before the second attempt; doubles with each, with a random part.
        longest_wait_ms: Bound of that.
        failures: After so many in a row, whatever the message, the circuit opens: one attempt each ``pause_ms``.
        pause_ms: See there.
        per_minute: Messages at most; ``None`` for no bound.
    """

    name: str
    target: Target
    timeout_ms: int = 10_000
    attempts: int = 8
    wait_ms: int = 1_000
    longest_wait_ms: int = 60_000
    failures: int = 5
    pause_ms: int = 30_000
    per_minute: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Which messages go to which destinations; what is empty or ``None`` lets all through.

    Args:
        name: Unique in the app.
        to: Names of destinations.
        severity: The least severity.
        rules: Names of rules, those of teams included.
        keys: Keys.
        from_minute: Start of the time of day, inclusive, minutes after midnight.
        until_minute: End, exclusive; the same as the start is the whole day, before it goes on over midnight.
        days: On which days the time starts; 0 is Monday.
        zone: Time zone of the times of day.
    """

    name: str
    to: tuple[str, ...]
    severity: Severity | None = None
    rules: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    from_minute: int = 0
    until_minute: int = 0
    days: frozenset[int] = EVERY_DAY
    zone: str = "UTC"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliverySettings:
    """What is delivered, where to.

    Args:
        of: Alerts, or notices of incidents.
        destinations: By name.
        routes: A message goes to the destinations of every route that it matches, to each once.
    """

    of: Literal["alerts", "notices"]
    destinations: Mapping[str, Destination]
    routes: tuple[Route, ...]
