"""Comparing what stands in the log with what must stand there."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from pipeline.config.model import AppConfig
from pipeline.log import Log
from tests.crash.local.observed import Observed, observe, read_sources
from tests.crash.local.oracle import Expected, Place, expect
from tests.crash.local.payments import Source
from tests.crash.verdict import Verdict

Alerts = Iterable[tuple[Hashable, Mapping[str, Any]]]


async def check(log: Log, config: AppConfig) -> Verdict:
    """Recompute everything from the source topic and compare it with what the workers wrote.

    Assumes that all workers have ended, and the last one had caught up.
    """
    sources = await read_sources(log, config)
    seen = await observe(log, config)
    versions = {name: rule.version for name, rule in config.rules.items()}
    expected = expect(sources, seen.repartitioned, versions, config.streams["payments"].topic)
    verdict = Verdict(
        records=sum(len(source) + len(source.refused) for source in sources.values()),
        alerts=len(expected.alerts),
        facts={
            "alerts_by_rule": dict(sorted(Counter(rule for rule, _, _ in expected.alerts).items())),
            "closed_windows": len(expected.closed),
            "late": len(expected.late),
            "overtaken": dict(expected.overtaken),
            "rejects": sum(len(source.refused) for source in sources.values()),
        },
    )
    _compare(verdict, sources, expected, seen)
    _compare_health(verdict, config, expected, seen)
    for source, (committed, applied, end) in seen.standing.items():
        if not committed == applied == end:
            verdict.stuck_partitions += 1
            where = f"committed to {committed}, applied to {applied} of {end}"
            verdict.examples.append(f"stuck_partitions: {source} is {where}")
    return verdict


def _compare(verdict: Verdict, sources: Mapping[int, Source], expected: Expected, seen: Observed) -> None:
    refused = {
        Place(partition, offset): record
        for partition, source in sources.items()
        for offset, record in source.refused.items()
    }
    clocks = {
        Place(payment.partition, payment.offset): payment.clock_ms for source in sources.values() for payment in source
    }
    rows = (row for records in seen.repartitioned.values() for record in records for row in record.rows)
    verdict.compare("alert", expected.alerts, _stated(seen.alerts, expected.alerts), "wrong_alerts")
    own = {(key, facts["id"]) for key, facts in seen.alerts}  # a repeated alert was counted above
    ids = Counter(number for _, number in own) + Counter(seen.health_alerts)
    verdict.equal("alert ids that are not unique", {}, {number: n for number, n in ids.items() if n > 1}, "repeated")
    verdict.compare("closed window", expected.closed, seen.closed, "wrong_totals")
    verdict.compare("dead letter", refused, seen.dead, "wrong_totals")
    verdict.compare("late record", expected.late, seen.late, "wrong_totals")
    verdict.compare("repartitioned row", clocks, rows, "wrong_totals")
    merchants = _partitions_of_merchants(sources, seen)
    strays = {merchant: found for merchant, found in merchants.items() if len(found) > 1}
    verdict.equal("merchants in several partitions", {}, strays, "wrong_totals")
    verdict.compare("row of the state", expected.state, seen.state, "wrong_state")
    for shard, counts in expected.counts.items():
        verdict.equal(f"counters of the shard {shard}", counts, seen.counts.get(shard), "wrong_state")


def _stated(found: Alerts, expected: Mapping[Any, Mapping[str, Any]]) -> Alerts:
    """The alerts with those of their values that the oracle states; an alert may say more, such as scores."""
    for key, facts in found:
        stated = expected[key]["values"] if key in expected else facts["values"]
        yield key, {**facts, "values": {name: facts["values"].get(name) for name in stated}}


def _partitions_of_merchants(sources: Mapping[int, Source], seen: Observed) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for partition, records in seen.repartitioned.items():
        for record in records:
            for (origin, offset), _ in record.rows:
                if offset in sources[origin]:
                    found.setdefault(sources[origin].at(offset).merchant, set()).add(partition)
    return found


def _compare_health(verdict: Verdict, config: AppConfig, expected: Expected, seen: Observed) -> None:
    """The meters of all workers together counted each record once, and the health tables lost none of it."""
    topics = {
        "account": config.streams["payments"].topic,
        "merchant": f"{config.name}-payments-by-merchant-repartition",
    }
    flowed = {
        f"{topics[by]}/{partition}": counts["records"] + counts["rejects"]
        for (by, partition), counts in expected.counts.items()
    }
    for way, sums in seen.health.items():
        found = {source: sums[source] for source in flowed}
        verdict.equal(f"records by {way}", flowed, found, "wrong_totals")
    windows = Counter(key for key, _ in seen.health_windows)
    repeated = {key: count for key, count in windows.items() if count > 1}
    verdict.equal("health windows that stand there repeatedly", {}, repeated, "repeated")
