"""Two configurations over the same records: which alerts one gains and which it loses."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from agents.events import Alert
from pipeline.alerts import explain


def compare(
    before: Sequence[Alert], after: Sequence[Alert], *, fraud: frozenset[str] | None, most: int
) -> dict[str, Any]:
    """Alerts gained and lost, by rule, with examples.

    An alert is the same in both if a rule of the same name fired for the same key at the same record, or for the same
    closed window. Ids would not do: they follow from the rule's definition.

    Args:
        before: Of the first configuration.
        after: Of the second.
        fraud: Ids of the records that are fraud; ``None`` if nobody knows.
        most: Examples of each kind.
    """
    old, new = ({_identity(alert): alert for alert in alerts} for alerts in (before, after))
    gained = [alert for identity, alert in new.items() if identity not in old]
    lost = [alert for identity, alert in old.items() if identity not in new]
    rules = sorted({alert.rule for alert in (*before, *after)})
    counts = {name: Counter(alert.rule for alert in alerts) for name, alerts in (("gained", gained), ("lost", lost))}
    return {
        "same": len(new) - len(gained),
        "gained": _part(gained, fraud, most),
        "lost": _part(lost, fraud, most),
        "rules": {rule: {name: counted[rule] for name, counted in counts.items()} for rule in rules},
    }


def _identity(alert: Alert) -> tuple[object, ...]:
    if alert.source.id is None:  # the end of a window, or a record of a stream without ids
        return (alert.rule, alert.key, alert.event_time_ms, alert.window_start_ms)
    return (alert.rule, alert.key, alert.source)


def _part(alerts: Sequence[Alert], fraud: frozenset[str] | None, most: int) -> dict[str, Any]:
    told: dict[str, Any] = {"alerts": len(alerts)}
    if fraud is not None:
        told["fraud"] = sum(alert.source.id in fraud for alert in alerts)
    return told | {"examples": list(_examples(alerts, fraud, most))}


def _examples(alerts: Sequence[Alert], fraud: frozenset[str] | None, most: int) -> Iterable[dict[str, Any]]:
    """The first alerts of each rule, the rules taking turns."""
    turn: Counter[str] = Counter()
    ranked = []
    for alert in alerts:
        ranked.append((turn[alert.rule], alert))
        turn[alert.rule] += 1
    for _, alert in sorted(ranked, key=lambda pair: pair[0])[:most]:
        told = {"rule": alert.rule, "key": alert.key, "record_id": alert.source.id, "why": explain(alert)}
        yield told if fraud is None else told | {"fraud": alert.source.id in fraud}
