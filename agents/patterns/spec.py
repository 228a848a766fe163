"""What flows and lists are. Values only."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from agents.spec import Severity

FlowKind = Literal["circular_flow", "pass_through"]
FAN = 16
"""As many transfers of an account are looked at, in each direction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowSpec:
    """What to find among transfers from account to account.

    Args:
        name: Unique in the app.
        kind: What to find.
        stream: Its records are transfers.
        sender: Text field with the account that pays.
        receiver: Text field with the account that is paid.
        amount: Field with the amount; a record without a positive one is no transfer.
        window_ms: Transfers further apart have nothing to do with each other.
        least: Circular flow: smaller transfers are left out. Pass-through: less coming in is left alone.
        share: Circular flow: the smallest amount of a circle is at least this share of the largest. Pass-through: at
            least this share of what came in goes out.
        most: Pass-through: at most this share of what came in goes out.
        hops: Circular flow: most transfers of a circle.
        max_transfers: Most transfers that are remembered; beyond it the oldest go.
        cooldown_ms: An account raises no second alert within this time.
        severity: Of alerts.
        description: What it means, for people.
    """

    name: str
    kind: FlowKind
    stream: str
    sender: str
    receiver: str
    amount: str
    window_ms: int
    least: float
    share: float
    most: float = 1.0
    hops: int = 4
    max_transfers: int = 1 << 18
    cooldown_ms: int
    severity: Severity
    description: str = ""

    @property
    def by(self) -> str:
        """Field with the key of its alerts."""
        return self.sender

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the stream that it reads, besides the id."""
        return self.sender, self.receiver, self.amount

    @property
    def version(self) -> str:
        """Hash of the definition, 8 hexadecimal digits."""
        parts = (self.learned_as, self.kind, self.share, self.most, self.hops, self.cooldown_ms, self.severity)
        return _digest((*parts, self.least))

    @property
    def learned_as(self) -> str:
        """Hash of all that decides what is remembered, 8 hexadecimal digits; part of the state's key."""
        least = self.least if self.kind == "circular_flow" else 0.0
        return _digest((self.stream, self.fields, self.window_ms, least, self.max_transfers))


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of a list.

    Args:
        value: What is listed.
        until_ms: Event time from which on it is not any more; ``None`` for ever.
        reason: Why, for people.
    """

    value: str
    until_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListSpec:
    """A list of values of a field, which records of the stream may add to and take from.

    Args:
        name: Unique in the app; what a record names the list by.
        blocks: Whether records of a listed value raise an alert; otherwise ``suppresses`` do not.
        stream: The stream.
        by: Text field whose values are listed.
        entries: From the configuration.
        suppresses: Names of rules and patterns that raise no alert for a listed value.
        list_field: Text field in which a record names the list that it is an entry of; empty if no records are.
        until_field: Field with the Unix ms until which the entry holds; empty if there is none.
        reason_field: Text field that says why; empty if there is none.
        keep_ms: How long an entry of a record without ``until`` holds.
        max_entries: Most entries from records; beyond it those that expire first go.
        cooldown_ms: A value raises no second alert within this time.
        severity: Of alerts.
        description: What it means, for people.
    """

    name: str
    blocks: bool
    stream: str
    by: str
    entries: tuple[Entry, ...] = ()
    suppresses: tuple[str, ...] = ()
    list_field: str = ""
    until_field: str = ""
    reason_field: str = ""
    keep_ms: int
    max_entries: int = 1_000_000
    cooldown_ms: int = 0
    severity: Severity = "high"
    description: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the stream that it reads, besides the id."""
        return tuple(filter(None, (self.by, self.list_field, self.until_field, self.reason_field)))

    @property
    def texts(self) -> tuple[str, ...]:
        """Fields of which it wants the text itself."""
        return tuple(filter(None, (self.by, self.reason_field)))

    @property
    def version(self) -> str:
        """Hash of the definition, 8 hexadecimal digits; what is on the list is no part of it."""
        return _digest((self.learned_as, self.blocks, self.suppresses, self.cooldown_ms, self.severity))

    @property
    def learned_as(self) -> str:
        """Hash of all that decides what is remembered, 8 hexadecimal digits; part of the state's key."""
        return _digest((self.stream, self.fields, self.keep_ms, self.max_entries))


def _digest(parts: tuple[object, ...]) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=4).hexdigest()
