"""Records of a topic, shown as they are."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from pipeline.cli.human import clock, readable
from pipeline.cli.output import Output, raw
from pipeline.cli.runtime import now_ms, opened
from pipeline.cli.traffic.reading import Record, ensure_topic, find_span, read_records
from pipeline.config import AppConfig


async def consume_topic(
    config: AppConfig, topic: str, output: Output, *, start: str, on: bool, partition: int | None, limit: int | None
) -> None:
    """Show the records of ``topic`` from ``start``, and with ``on`` those that come; at most ``limit``."""
    async with opened(config, create=on) as log:
        if on:
            await ensure_topic(config, log, topic)  # a subscriber may come before the first record
        span = await find_span(log, topic, start, now_ms(), partition)
        left = limit
        async for records in read_records(log, topic, span, on=on):
            shown = records[:left]
            _show(topic, shown, output)
            if left is not None:
                left -= len(shown)
                if left <= 0:
                    return


def _show(topic: str, records: Sequence[Record], output: Output) -> None:
    if output.json:
        output.objects(as_object(topic, record) for record in records)
        return
    for record in records:
        output.line(as_line(record))


def as_object(topic: str, record: Record) -> dict[str, Any]:
    """A record for programs: what is no UTF-8 stands under another name in base64, so that nothing is lost."""
    return {
        "topic": topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        **raw("key", record.key),
        **raw("value", record.value),
        "headers": [{"name": name, **raw("value", value)} for name, value in record.headers],
    }


def as_line(record: Record) -> Text:
    """A record for people, safe to print."""
    line = Text()
    line.append(f"{record.partition}:{record.offset}", style="cyan")
    line.append(f"  {clock(record.timestamp_ms)}  ", style="dim")
    if record.key is not None:
        line.append(readable(record.key), style="green")
        line.append("  ")
    if record.value is None:
        line.append("(tombstone)", style="dim italic")
    else:
        line.append(readable(record.value))
    for name, value in record.headers:
        line.append(f"  {readable(name.encode())}=", style="dim")
        line.append(readable(value), style="dim")
    return line
