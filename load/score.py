"""How good the alerts were: compared with the ground truth of a generated stream."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

_BY_KEY: Final = frozenset({"merchant-spike", "mule-fan-in"})
_NAN: Final = float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleScore:
    """How good the alerts of one rule were.

    Args:
        alerts: How many there were.
        right: How many of them touch a campaign.
        caught: Campaigns that the rule caught, by kind, none left out.
    """

    alerts: int
    right: int
    caught: Mapping[str, int]

    @property
    def precision(self) -> float:
        """Share of alerts that are right; NaN without alerts."""
        return self.right / self.alerts if self.alerts else _NAN


@dataclass(frozen=True, kw_only=True, slots=True)
class KindScore:
    """How well campaigns of one kind were caught.

    Args:
        campaigns: How many there were.
        caught: How many of them an alert of any rule touches.
        delay_p50_ms: Median event time from a campaign's first record to the first alert that touches it; NaN if none.
        delay_max_ms: The longest.
    """

    campaigns: int
    caught: int
    delay_p50_ms: float
    delay_max_ms: float

    @property
    def recall(self) -> float:
        """Share of campaigns that were caught."""
        return self.caught / self.campaigns


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Alerts against ground truth.

    Args:
        rules: By name, of those that raised an alert.
        kinds: By name, of those that there were campaigns of.
        missed: Ids of the campaigns that nobody caught, sorted.
    """

    rules: Mapping[str, RuleScore]
    kinds: Mapping[str, KindScore]
    missed: Sequence[str]

    @property
    def precision(self) -> float:
        """Share of all alerts that are right; NaN without alerts."""
        alerts = sum(score.alerts for score in self.rules.values())
        return sum(score.right for score in self.rules.values()) / alerts if alerts else _NAN

    @property
    def recall(self) -> float:
        """Share of all campaigns that were caught; NaN without campaigns."""
        campaigns = sum(score.campaigns for score in self.kinds.values())
        return sum(score.caught for score in self.kinds.values()) / campaigns if campaigns else _NAN


@dataclass(slots=True)
class _Campaign:
    kind: str
    key: str
    first_ms: int
    last_ms: int
    caught_ms: int | None = None
    caught_by: set[str] = field(default_factory=set)


def match(alerts: Iterable[Mapping[str, Any]], truth: Iterable[Mapping[str, Any]], *, slack_ms: int = 10_000) -> Report:
    """Score alerts of the stream that the ground truth belongs to.

    An alert touches a campaign when

    - the record that fired it is one of the campaign's, or
    - one of its contributing records is, and the alert's key is the campaign's, or at least half of its contributing
      records are (a table by device or country has other keys), or
    - for ``merchant-spike`` and ``mule-fan-in``: the alert's key is the campaign's merchant or payee, and its event
      time lies from the campaign's first record to ``slack_ms`` after its last one, both included.

    The second clause does not take a single record of a campaign as proof, since in the window of a busy merchant one
    stands by chance. An alert that touches a campaign is right; a campaign that an alert touches is caught.

    Args:
        alerts: As on the alerts topic: ``rule``, ``key``, ``event_time_ms``, ``source`` with ``id``, ``records`` each
            with ``id``. Those of other streams are to be left out by the caller.
        truth: As on the ground truth topic: ``id``, ``campaign``, ``kind``, ``key``, ``ts``.
        slack_ms: Of the third clause, for alerts of a window that closes after the campaign.

    Cost: about 1 us for each id named.
    """
    campaigns, owner = _campaigns(truth)
    by_key: dict[str, list[str]] = defaultdict(list)
    for name in sorted(campaigns, key=lambda name: campaigns[name].first_ms):
        if campaigns[name].kind in _BY_KEY:
            by_key[campaigns[name].key].append(name)
    totals: dict[str, int] = defaultdict(int)
    right: dict[str, int] = defaultdict(int)
    for alert in alerts:
        totals[alert["rule"]] += 1
        touched = _touched(alert, campaigns, owner) | _in_time(alert, campaigns, by_key[alert["key"]], slack_ms)
        right[alert["rule"]] += bool(touched)
        for name in touched:
            campaign, time_ms = campaigns[name], alert["event_time_ms"]
            campaign.caught_by.add(alert["rule"])
            campaign.caught_ms = time_ms if campaign.caught_ms is None else min(campaign.caught_ms, time_ms)
    return _report(campaigns, totals, right)


def _campaigns(truth: Iterable[Mapping[str, Any]]) -> tuple[dict[str, _Campaign], dict[str, str]]:
    campaigns: dict[str, _Campaign] = {}
    owner: dict[str, str] = {}
    for label in truth:
        name, time_ms = label["campaign"], label["ts"]
        owner[label["id"]] = name
        campaign = campaigns.setdefault(name, _Campaign(label["kind"], label["key"], time_ms, time_ms))
        campaign.first_ms = min(campaign.first_ms, time_ms)
        campaign.last_ms = max(campaign.last_ms, time_ms)
    return campaigns, owner


def _touched(alert: Mapping[str, Any], campaigns: Mapping[str, _Campaign], owner: Mapping[str, str]) -> set[str]:
    """By the first and the second clause."""
    source = owner.get(alert["source"]["id"])
    touched = set() if source is None else {source}
    owners = [owner.get(record["id"]) for record in alert["records"]]
    for name in {name for name in owners if name is not None}:
        if campaigns[name].key == alert["key"] or 2 * owners.count(name) >= len(owners):
            touched.add(name)
    return touched


def _in_time(
    alert: Mapping[str, Any], campaigns: Mapping[str, _Campaign], names: Sequence[str], slack_ms: int
) -> set[str]:
    """By the third clause; ``names`` are in order of their first record."""
    time_ms = alert["event_time_ms"]
    begun = bisect_right(names, time_ms, key=lambda name: campaigns[name].first_ms)
    return {name for name in names[:begun] if time_ms <= campaigns[name].last_ms + slack_ms}


def _report(campaigns: Mapping[str, _Campaign], totals: Mapping[str, int], right: Mapping[str, int]) -> Report:
    kinds = {}
    for kind in sorted({campaign.kind for campaign in campaigns.values()}):
        of_kind = [campaign for campaign in campaigns.values() if campaign.kind == kind]
        delays = [campaign.caught_ms - campaign.first_ms for campaign in of_kind if campaign.caught_ms is not None]
        kinds[kind] = KindScore(
            campaigns=len(of_kind),
            caught=len(delays),
            delay_p50_ms=float(median(delays)) if delays else _NAN,
            delay_max_ms=float(max(delays)) if delays else _NAN,
        )
    rules = {}
    for rule in sorted(totals):
        caught = dict.fromkeys(kinds, 0)
        for campaign in campaigns.values():
            caught[campaign.kind] += rule in campaign.caught_by
        rules[rule] = RuleScore(alerts=totals[rule], right=right[rule], caught=caught)
    missed = sorted(name for name, campaign in campaigns.items() if campaign.caught_ms is None)
    return Report(rules=rules, kinds=kinds, missed=missed)
