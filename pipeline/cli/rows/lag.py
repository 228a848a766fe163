"""Lag as rows."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from rich.text import Text

from pipeline.cli.human import NOTHING, number, printable, rate, share, short_topic, span
from pipeline.cli.output import Output, table
from pipeline.cli.runtime import now_ms, opened
from pipeline.config import AppConfig
from pipeline.health import TABLES, LagRow, Skew, Status, read_lag, skew, with_measured, with_rates
from pipeline.log import Log
from pipeline.plan import source_topics
from pipeline.views import TableReader

_BETWEEN_LOOKS_S: Final = 1.0
_MEASURED: Final = TABLES[1]
_STYLES: Final = {Status.OK: "green", Status.WARN: "yellow"}


async def show_lag(config: AppConfig, group: str | None, output: Output, *, rates: bool) -> None:
    """Show the lag of ``group``, or of all groups."""
    async with opened(config) as log:
        topics = sorted(source_topics(config)) if group == config.name else []
        rows = await read_lag(log, group, now_ms(), topics)
        if rates:
            await asyncio.sleep(_BETWEEN_LOOKS_S)
            rows = with_rates(rows, await read_lag(log, group, now_ms(), topics))
        if config.health and group in (None, config.name):
            rows = with_measured(rows, config.name, await _measured(config, log))
    _show(rows, output, config, group)


async def _measured(config: AppConfig, log: Log) -> Any:
    """What the workers measured; of the tables only those of health are read."""
    reader = TableReader(log, replace(config, streams={}, tables={}, rules={}, detectors={}))
    await reader.refresh()
    return reader.view(_MEASURED)


def _show(rows: Sequence[LagRow], output: Output, config: AppConfig, group: str | None) -> None:
    one = group is not None
    shown = table(
        *([] if one else ["group"]), "topic", ">part", ">lag", ">waiting", ">in", ">out", ">gone in", "status"
    )
    for row in rows:
        status = Text(row.status.name, style=_STYLES.get(row.status, "bold red"))
        shown.add_row(
            *([] if one else [row.group]),
            short_topic(row.topic, config.name),
            str(row.partition),
            number(row.lag_records),
            span(row.lag_ms) if row.lag_ms else "0",
            rate(row.produce_per_s),
            rate(row.consume_per_s),
            _eta(row),
            status if row.status == Status.OK else Text.assemble(status, " ", row.reason),
        )
    uneven = {(each.group, each.topic): each for each in skew(rows) if each.partitions > 1}
    objects = [_object(row, uneven.get((row.group, row.topic))) for row in rows]
    output.rows(shown, objects, nothing="no consumer group has committed anything yet")
    if not output.json:
        for each in uneven.values():
            output.line(skew_line(each, config.name, named=not one))


def _object(row: LagRow, of_topic: Skew | None) -> dict[str, Any]:
    """A row for programs: every line is a partition, so what holds for its topic stands in each of them."""
    told = None
    if of_topic is not None:
        told = {name: getattr(of_topic, name) for name in ("partitions", "lag_ratio", "busiest", "share")}
    return {**asdict(row), "status": row.status.name, "skew": told}


def skew_line(found: Skew, app: str, *, named: bool) -> Text:
    """How evenly a topic's partitions are loaded, for people.

    Args:
        found: The skew of a topic with more than one partition.
        app: The application, whose name internal topics are shown without.
        named: Whether the group is said too.
    """
    topic = printable(short_topic(found.topic, app))
    who = f"{printable(found.group)} {topic}" if named else topic
    return Text(
        f"skew of {who}: partition {found.busiest} gets {share(found.share)} of the records "
        f"({share(1 / found.partitions)} if even), the largest lag is {found.lag_ratio:.1f} times the mean",
        style="dim",
    )


def _eta(row: LagRow) -> str:
    if row.lag_records == 0 or row.eta_ms is None:
        return NOTHING
    return "never" if row.eta_ms < 0 else span(row.eta_ms)
