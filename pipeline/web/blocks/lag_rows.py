"""A partition in a table: where a group stands, how fast it goes, and who works on it."""

from typing import Final

from pipeline.health.burrow import Status
from pipeline.health.lag import LagRow
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.parts import human
from pipeline.web.parts.elements import Tag, numbers, spark, when

KEEPS_UP_MS: Final = 5_000
STATUSES: Final = tuple(status.name.lower() for status in Status)
COLUMNS: Final = [
    ("Partition", ""),
    ("Status", ""),
    ("Waiting", "r"),
    ("For", "r"),
    ("Trend", ""),
    ("Produced", "r"),
    ("Processed", "r"),
    ("Done in", "r"),
    ("Watermark", "r"),
    ("Committed", "r"),
    ("Owner", ""),
]


def name_of(row: LagRow) -> str:
    """Unique among the rows of all groups."""
    return f"{row.group} {row.topic}/{row.partition}"


class PartitionRow:
    """One row of a table with ``COLUMNS``."""

    def __init__(self, name: str, whole: str) -> None:
        with Tag("tr") as self.row:
            Tag("th", name, "strong", {"scope": "row", "title": whole})
            with Tag("td"):
                self._status = Tag("span", "", "sg-pill")
            self._waiting, self._age = Tag("td", "", "r"), Tag("td", "", "r")
            with Tag("td"):
                self._trend = spark(f"Waiting records of {name}")
            self._rates = [Tag("td", "", "r") for _ in range(3)]
            with Tag("td", classes="r"):
                self._watermark = when(None)
            with Tag("td", classes="r"):
                self._committed = when(None, ago=True)
            self._owner = Tag("td", "")

    def show(self, row: LagRow, trend: list[float | None], watermark_ms: int | None) -> None:
        """Bring it up to date.

        Args:
            row: Where the group stands.
            trend: Waiting records over the last minutes, oldest first.
            watermark_ms: Newest event time that is in the state; ``None`` where no table follows the topic.
        """
        self._status.put(row.status.name)
        self._status.mark_as(row.status.name.lower(), STATUSES)
        self._status.set("title", row.reason)
        self._waiting.put(human.number(row.lag_records))
        self._age.put(human.duration(row.lag_ms))
        self._trend.set("values", numbers(trend))
        for cell, text in zip(
            self._rates, (human.rate(row.produce_per_s), human.rate(row.consume_per_s), eta(row)), strict=True
        ):
            cell.put(text)
        self._watermark.set("ms", watermark_ms or "")
        self._committed.set("ms", "" if row.committed_ms is None else row.committed_ms)
        owner = row.owner if row.lease == "held" else None
        self._owner.put(short(owner) if owner else human.NOTHING)
        self._owner.set("title", owner)


def eta(row: LagRow) -> str:
    """When the lag is gone. What waits for less than a few commits is no lag to speak of: it keeps up."""
    if row.eta_ms is None:
        return human.NOTHING
    if row.status is Status.OK and row.lag_ms < KEEPS_UP_MS:
        return "keeps up"
    return "never" if row.eta_ms < 0 else human.duration(row.eta_ms)


def short(member: str) -> str:
    """Name, machine and process of a worker; what follows only makes it unique.

    >>> short("payments:host-1:4711:9f")
    'payments:host-1'
    """
    return ":".join(member.split(":")[:2])


def live_rows(model: ReadModel, body: Tag) -> LiveRows[LagRow]:
    """Rows of partitions that are kept up to date."""

    def make(row: LagRow) -> Made[LagRow]:
        made = PartitionRow(f"{model.short(row.topic)}/{row.partition}", f"{row.topic}/{row.partition}")
        return Made(made.row, lambda now: made.show(now, model.trends.of(now), watermark_ms(model, now)))

    return LiveRows[LagRow](body, key=name_of, make=make)


def watermark_ms(model: ReadModel, row: LagRow) -> int | None:
    """Newest event time that is in the committed state of a partition; ``None`` where there is no such state."""
    found = (
        part.watermark_ms
        for part in model.tables.freshness(row.topic)
        if row.group == model.config.name and part.partition == row.partition
    )
    return next(found, None) or None
