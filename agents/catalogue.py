"""Patterns of fraud by key, ready to be named in a configuration: each is a table and a rule over it.

A pattern is data. Its measures and its condition are written in the language of ``agents.expression``, with the names
of fields, settings and measures in braces.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agents.spec import Severity

Setting = int | float | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """One kind of pattern.

    Args:
        doc: What it finds, for people.
        assumes: When it works and when not.
        fields: Fields that must be named besides ``by``, and the types that they may have.
        settings: Numbers and texts with what they are when nothing is said; ``None`` must be given. Those that end in
            ``_ms`` are durations, and called without that in a configuration.
        window: Length of the sliding window.
        measures: Of the table, by name.
        when: The condition.
        severity: Of the alert.
    """

    doc: str
    assumes: str
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Setting | None] = field(default_factory=dict)
    window: str = "10m"
    measures: Mapping[str, str] = field(default_factory=dict)
    when: str
    severity: Severity = "medium"


_NUMBER = ("int", "float")
_AMOUNT: Final = {"amount": _NUMBER}
_OF: Final = {"of": ("str",)}

PATTERNS: Final[dict[str, Pattern]] = {
    "account_takeover": Pattern(
        doc="Something that prepares a theft, so often, then the theft: failed logins then a login, new details then a "
        "payout",
        assumes="All steps are records of one stream, told apart by the field `of`.",
        fields=_OF,
        settings={"first": None, "then": None, "count": 1},
        window="1h",
        measures={"prepared": "count({of} == {first})"},
        when="{prepared} >= {count} and {of} == {then}",
        severity="high",
    ),
    "amount_outlier": Pattern(
        doc="An amount far beyond all that the key had within the window",
        assumes="Keys with a dozen amounts in the window, of a similar size; the first ones are never odd.",
        fields=_AMOUNT,
        settings={"count": 12, "deviations": 12, "times": 8},
        window="30d",
        measures={"n": "count()", "mean": "mean({amount})"},
        when="{n} > {count} and outlier({amount}) >= {deviations} "
        "and {amount} >= {times} * ({n} * {mean} - {amount}) / ({n} - 1)",
    ),
    "card_testing": Pattern(
        doc="Many small payments, to see whether the card works, then a large one",
        assumes="Small and large are known in the currency of the amount; the defaults are cents.",
        fields=_AMOUNT,
        settings={"small": 500, "large": 20_000, "count": 5},
        measures={"small_ones": "count({amount} < {small})"},
        when="{small_ones} >= {count} and {amount} >= {large}",
        severity="high",
    ),
    "distinct_burst": Pattern(
        doc="Far more different values, such as cards at one address, than the key usually has at a time",
        assumes="At any usual rate the number of values within the window is small or steady.",
        fields=_OF,
        settings={"count": 6, "surprise": 4},
        window="1h",
        measures={"values": "distinct({of})"},
        when="{values} >= {count} and burst({of}) >= {surprise}",
    ),
    "dormant_then_active": Pattern(
        doc="A large amount of a key that was quiet for long",
        assumes="The key is still known: it is kept for three times `quiet`.",
        fields=_AMOUNT,
        settings={"quiet_ms": 30 * 86_400_000, "large": 20_000},
        measures={"last": "last_seen()"},
        when="{time} - {last} >= {quiet_ms} and {amount} >= {large}",
        severity="high",
    ),
    "fan_in": Pattern(
        doc="Many different senders to one receiver, all at once: a money mule collects",
        assumes="`by` is the receiver and `of` the sender; a receiver who gets many steadily is left alone.",
        fields=_OF,
        settings={"count": 12, "surge": 3},
        window="6h",
        measures={"senders": "distinct({of})", "start": "min({time})"},
        when="{senders} >= {count} and (surge({time}) >= {surge} or {time} - {start} < 3600000)",
        severity="critical",
    ),
    "fan_out": Pattern(
        doc="One sender to many different receivers, all at once: stolen money is spread",
        assumes="`by` is the sender and `of` the receiver; a sender who pays many steadily is left alone.",
        fields=_OF,
        settings={"count": 10, "surge": 3},
        window="6h",
        measures={"receivers": "distinct({of})", "start": "min({time})"},
        when="{receivers} >= {count} and (surge({time}) >= {surge} or {time} - {start} < 3600000)",
        severity="high",
    ),
    "new_value": Pattern(
        doc="A large amount with a device, country or payee that the key never had within the window",
        assumes="Keys that are known already; most large amounts come with values that are not new.",
        fields={**_OF, **_AMOUNT},
        settings={"large": 50_000, "count": 5},
        window="30d",
        measures={"n": "count()"},
        when="first_seen({of}) and {amount} >= {large} and {n} > {count}",
    ),
    "refund_ratio": Pattern(
        doc="Refunds are much of what the key does",
        assumes="Refunds are records of the same stream, told apart by the field `of`.",
        fields=_OF,
        settings={"refund": "refund", "count": 4, "share": 0.4},
        window="6h",
        measures={"refunds": "count({of} == {refund})", "n": "count()"},
        when="{refunds} >= {count} and {refunds} >= {share} * {n} and {of} == {refund}",
    ),
    "round_amounts": Pattern(
        doc="One round amount after the other",
        assumes="Usual amounts are rarely multiples of `unit`; the default is 100 in cents.",
        fields=_AMOUNT,
        settings={"unit": 10_000, "count": 4, "share": 0.5},
        window="6h",
        measures={"round_ones": "count({amount} % {unit} == 0)", "n": "count()"},
        when="{round_ones} >= {count} and {round_ones} >= {share} * {n} and {amount} % {unit} == 0",
    ),
    "silence": Pattern(
        doc="A key that reported steadily did not for a surprisingly long time",
        assumes="Fires at the first record after the gap, which is shorter than the window.",
        settings={"surprise": 8},
        window="1d",
        when="silence({time}) >= {surprise}",
        severity="low",
    ),
    "spending": Pattern(
        doc="The amounts of the key add up to more than they may",
        assumes="`limit` is well above what is usual within the window.",
        fields=_AMOUNT,
        settings={"limit": None},
        window="1d",
        measures={"spent": "sum({amount})"},
        when="{spent} >= {limit} and {spent} - {amount} < {limit}",
    ),
    "spike": Pattern(
        doc="A merchant or terminal multiplies what it usually does: stolen cards are being cashed",
        assumes="A merchant that is busy all the time does not speed up; one that was silent until now may.",
        settings={"count": 60, "surge": 6},
        window="6h",
        measures={"n": "count()", "start": "min({time})"},
        when="{n} >= {count} and (surge({time}) >= {surge} or {time} - {start} < 3600000)",
        severity="high",
    ),
    "structuring": Pattern(
        doc="Amounts just below a limit from which they would be reported, again and again",
        assumes="Few usual amounts lie between `from` and `limit`.",
        fields=_AMOUNT,
        settings={"limit": None, "from": None, "count": 3},
        window="7d",
        measures={"near": "count({amount} >= {from} and {amount} < {limit})"},
        when="{near} >= {count} and {amount} >= {from} and {amount} < {limit}",
        severity="high",
    ),
    "unusual_hour": Pattern(
        doc="Something at night, by a key that hardly ever does anything then",
        assumes="`from` and `to` are hours of the day, UTC; the key has a history within the window.",
        settings={"from": 0, "to": 6, "count": 20, "share": 0.05},
        window="30d",
        measures={"n": "count()", "then": "count(hour({time}) >= {from} and hour({time}) < {to})"},
        when="hour({time}) >= {from} and hour({time}) < {to} and {n} >= {count} and {then} <= {share} * {n}",
        severity="low",
    ),
    "velocity": Pattern(
        doc="Far more records of the key than it usually has, all at once",
        assumes="A key that is busy all the time does not speed up; one that was silent until now may.",
        settings={"count": 15, "surge": 3},
        window="1h",
        measures={"n": "count()", "start": "min({time})"},
        when="{n} >= {count} and (surge({time}) >= {surge} or {time} - {start} < 600000)",
    ),
}
