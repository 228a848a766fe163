"""Alerts as they stand in the log: which, and how they are shown."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from pipeline.alerts import decode_alert
from pipeline.cli.human import clock, printable
from pipeline.cli.output import SEVERITY_STYLES, Output
from pipeline.cli.runtime import now_ms, opened
from pipeline.cli.traffic.reading import Record, ensure_topic, find_span, read_records
from pipeline.config import AppConfig
from pipeline.errors import StateError
from pipeline.subscribe import AlertFilter


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
