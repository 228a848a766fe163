"""Alerts as they stand in the log: which, and how they are shown."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from agents.expression import closest, listed
from agents.spec import SEVERITIES, Severity
from pipeline.alerts import decode_alert
from pipeline.cli.human import clock, printable
from pipeline.cli.output import SEVERITY_STYLES, Output
from pipeline.cli.reading import Record, ensure_topic, find_span, read_records
from pipeline.cli.runtime import now_ms, opened
from pipeline.config import AppConfig
from pipeline.errors import StateError, UsageError
from pipeline.plan import complete


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertFilter:
    """Which alerts; what is empty or ``None`` lets all through.

    Args:
        rules: Names of rules, series detectors and risk scores.
        severity: The least severity.
        keys: Keys.
    """

    rules: Sequence[str] = ()
    severity: Severity | None = None
    keys: Sequence[str] = ()

    def check(self, config: AppConfig) -> None:
        """Refuse what can never match.

        Raises:
            UsageError: If there is no rule, detector or score of a name.
        """
        full = complete(config)
        known = [*full.rules, *full.detectors, *full.scores]
        for name in self.rules:
            if name not in known:
                raise UsageError(f"no rule or detector {name!r}; there are {listed(known, 30)}{closest(name, known)}")

    def passes(self, alert: Mapping[str, Any]) -> bool:
        """Whether a decoded alert is wanted."""
        least = 0 if self.severity is None else SEVERITIES.index(self.severity)
        return (
            (not self.rules or alert["rule"] in self.rules)
            and (not self.keys or alert["key"] in self.keys)
            and SEVERITIES.index(alert["severity"]) >= least
        )


async def show_alerts(config: AppConfig, wanted: AlertFilter, output: Output, *, since: str, on: bool) -> None:
    """Show the alerts that pass, in the order of their commits, and with ``on`` those that come."""
    wanted.check(config)
    async with opened(config, create=on) as log:
        topic = config.alerts_topic
        if on:
            await ensure_topic(config, log, topic)  # a subscriber may come before the first worker
        elif topic not in await log.topics():
            if not output.json:  # the first worker makes the topic, so before it nothing was raised
                output.show(Text("no alerts yet", style="dim"))
            return
        span = await find_span(log, topic, since, now_ms())
        shown = 0
        async for records in read_records(log, topic, span, on=on):
            alerts = [alert for alert in _decoded(topic, records) if wanted.passes(alert)]
            shown += len(alerts)
            if output.json:
                output.objects(alerts)
            else:
                for alert in alerts:
                    output.line(alert_line(alert))
        if not shown and not output.json:
            output.show(Text("no alerts", style="dim"))


def alert_line(alert: Mapping[str, Any]) -> Text:
    """An alert for people: when it was detected, how bad, and the sentence that says why."""
    severity = alert["severity"]
    line = Text()
    line.append(f"{clock(alert['detected_ms'], date=False)} ", style="dim")
    line.append(f"{severity:<8}", style=SEVERITY_STYLES[severity])
    line.append(f" {printable(alert['why'])}")
    return line


def _decoded(topic: str, records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Anybody can write to a topic: what is no alert is said and passed over."""
    for record in records:
        try:
            yield decode_alert(record.value)
        except StateError as error:
            sys.stderr.write(f"streamgauge: {topic}/{record.partition} at {record.offset}: {error}\n")
