"""Patterns of fraud by key, ready to be named in a configuration.

Most are a table and a rule over it, written in the language of ``agents.language``, with the names of fields, settings
and measures in braces. Those of another make have an agent or a detector of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from agents.spec import Severity

Setting = int | float | str
Make = Literal["table", "detector", "flow", "list"]


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
        when: The condition; ``{fresh_ms}`` in it is a sixth of the window.
        severity: Of the alert.
        ttl: How long a key that does nothing is remembered; if empty, three times its first duration or its window.
        make: What it is: a table and a rule, a series detector, what ``agents.patterns.flows`` finds, or a list.
        params: Settings of the detector, and its kind.
    """

    doc: str
    assumes: str
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Setting | None] = field(default_factory=dict)
    window: str = "10m"
    measures: Mapping[str, str] = field(default_factory=dict)
    when: str = ""
    severity: Severity = "medium"
    ttl: str = ""
    make: Make = "table"
    params: Mapping[str, Setting] = field(default_factory=dict)


_NUMBER = ("int", "float")
_AMOUNT: Final = {"amount": _NUMBER}
_OF: Final = {"of": ("str",)}
_DAY_MS: Final = 86_400_000

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
    "amount_outlier_mad": Pattern(
        doc="An amount far beyond the median of the key's latest 64, in median absolute deviations",
        assumes="As `amount_outlier`, but earlier outliers do not hide later ones. Not for keys of another partition.",
        fields=_AMOUNT,
        settings={"deviations": 20},
        window="",
        make="detector",
        params={"kind": "robust_z", "window": 64, "warmup": 12, "direction": "up", "clear": 5},
    ),
    "allow_list": Pattern(
        doc="Values for which named rules and patterns raise no alert until the entry expires",
        assumes="The rules look at the same key of the same stream.",
        window="",
        make="list",
    ),
    "block_list": Pattern(
        doc="A record of a value that is on the list, until the entry expires",
        assumes="Entries stand in the file, or are records of the stream, each with its value in `by`.",
        window="",
        severity="high",
        make="list",
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
    "circular_flow": Pattern(
        doc="Money that comes back to where it began by three or four transfers of similar size",
        assumes="`by` is the sender and `of` the receiver; nobody on the way gets more than 16 transfers between two "
        "of these.",
        fields={**_OF, **_AMOUNT},
        settings={"least": 10_000, "share": 0.7, "hops": 4, "max_transfers": 262_144},
        window="1d",
        severity="high",
        make="flow",
    ),
    "declined_then_large": Pattern(
        doc="Many declined payments, then a large one that is not: a card is tested",
        assumes="Declined payments are records of the same stream, told apart by the field `of`.",
        fields={**_OF, **_AMOUNT},
        settings={"declined": "declined", "large": 20_000, "count": 5},
        window="1h",
        measures={"refused": "count({of} == {declined})"},
        when="{refused} >= {count} and {amount} >= {large} and {of} != {declined}",
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
        settings={"quiet_ms": 30 * _DAY_MS, "large": 20_000},
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
        when="{senders} >= {count} and (surge({time}) >= {surge} or {time} - {start} < {fresh_ms})",
        severity="critical",
    ),
    "fan_out": Pattern(
        doc="One sender to many different receivers, all at once: stolen money is spread",
        assumes="`by` is the sender and `of` the receiver; a sender who pays many steadily is left alone.",
        fields=_OF,
        settings={"count": 10, "surge": 3},
        window="6h",
        measures={"receivers": "distinct({of})", "start": "min({time})"},
        when="{receivers} >= {count} and (surge({time}) >= {surge} or {time} - {start} < {fresh_ms})",
        severity="high",
    ),
    "impossible_travel": Pattern(
        doc="Two places between which nobody travels that fast",
        assumes="Positions are in degrees and right to within `distance`, in km; `speed` is in km/h.",
        fields={"latitude": _NUMBER, "longitude": _NUMBER},
        settings={"speed": 1_000, "distance": 100},
        window="1d",
        when="distance({latitude}, {longitude}) >= {distance} and speed({latitude}, {longitude}, {time}) >= {speed}",
        severity="high",
    ),
    "new_account": Pattern(
        doc="A large amount of a key that is known for a short time only",
        assumes="Keys that are seen in the first `learn` of the stream count as old; those that are quiet for 90 "
        "days are forgotten, and new again.",
        fields=_AMOUNT,
        settings={"age_ms": _DAY_MS, "learn_ms": 14 * _DAY_MS, "large": 50_000},
        measures={"first": "first_seen()", "start": "began()"},
        when="{time} - {first} <= {age_ms} and {first} - {start} >= {learn_ms} and {amount} >= {large}",
        ttl="90d",
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
    "pass_through": Pattern(
        doc="Money that comes in and goes out again soon: a money mule passes it on",
        assumes="`by` is the sender and `of` the receiver; who gets or sends more than 16 transfers within the window "
        "is left alone.",
        fields={**_OF, **_AMOUNT},
        settings={"least": 100_000, "share": 0.8, "most": 1.05, "max_transfers": 262_144},
        window="6h",
        severity="critical",
        make="flow",
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
        when="{n} >= {count} and (surge({time}) >= {surge} or {time} - {start} < {fresh_ms})",
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
        when="{n} >= {count} and (surge({time}) >= {surge} or {time} - {start} < {fresh_ms})",
    ),
}
