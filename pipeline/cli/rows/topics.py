"""Topics of a log as rows, and what of them is not as wanted."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from rich.text import Text

from pipeline.cli.human import NOTHING, number, printable, size, span
from pipeline.cli.output import Output, table
from pipeline.cli.runtime import opened
from pipeline.config import AppConfig
from pipeline.errors import TopicMismatchError
from pipeline.log import Copies, Difference, PartitionInfo, TopicSpec
from pipeline.mending import mendable, wanting

_COMMAND: Final = "streamgauge topics mend"
_KEPT_HERE: Final = (">partitions", ">records", ">size")
_COPIED: Final = (">partitions", ">records", ">replicas", ">min ISR")  # a log that keeps copies does not tell sizes


class _Row(NamedTuple):
    spec: TopicSpec
    partitions: Mapping[int, PartitionInfo]
    copies: Copies | None
    wrong: Sequence[Difference] | None


async def list_topics(config: AppConfig, output: Output, *, every: bool) -> None:
    """Show the topics that the application needs, also those that there are not, or every topic of the log."""
    async with opened(config) as log:
        there, copies, needed = await log.topics(), await log.copies(), await wanting(log, config)
        wrong = {spec.name: differences for spec, differences in needed.items()}
        specs = {spec.name: there.get(spec.name, spec) for spec in needed} | (there if every else {})
        rows = [
            _Row(spec, await log.partitions(name) if name in there else {}, copies.get(name), wrong.get(name))
            for name, spec in sorted(specs.items())
        ]
    shown = table(*(_COPIED if copies else _KEPT_HERE), ">kept", "topic", "as wanted")
    for row in rows:
        shown.add_row(*_cells(row, has_copies=bool(copies)))
    output.rows(shown, [_object(row) for row in rows], nothing="the log has no topics yet")
    if not output.json and any(mendable(row.wrong or ()) for row in rows):
        output.line(Text(f"`{_COMMAND}` mends what is not as wanted", style="dim"))


async def mend_topics(config: AppConfig, output: Output, *, dry_run: bool) -> None:
    """Make the topics as wanted, or only show what would change.

    Raises:
        TopicMismatchError: If some of it can't be mended; the rest is.
    """
    async with opened(config, create=not dry_run) as log:
        needed = await wanting(log, config)
        for spec, differences in needed.items():
            changes = mendable(differences)
            if changes and not dry_run:
                await log.mend(spec, changes)
    found = [difference for differences in needed.values() for difference in differences]
    shown = table("topic", "setting", "found", "wanted", "what is done" if not dry_run else "what would be done")
    for each in found:
        shown.add_row(printable(each.topic), each.setting, each.found or NOTHING, each.wanted, _done(each))
    objects = [{**each._asdict(), "mended": each.advice is None and not dry_run} for each in found]
    output.rows(shown, objects, nothing="every topic is as wanted")
    _refuse(found)


def _refuse(found: Collection[Difference]) -> None:
    """Name one mistake that stays; all of them were shown."""
    for topic, setting, value, wanted, advice in found:
        if advice is not None:
            raise TopicMismatchError(f"topic {topic!r} has {setting} {value}, wanted is {wanted}: {advice}")


def _done(difference: Difference) -> str:
    if difference.advice is not None:
        return f"nothing: {difference.advice}"
    return "made" if difference.found is None and difference.setting == "partitions" else "set"


def _cells(row: _Row, *, has_copies: bool) -> list[str | Text]:
    spec, partitions, copies, wrong = row
    if has_copies:
        held = [NOTHING, NOTHING] if copies is None else [str(copies.replicas), str(copies.min_isr)]
    else:
        held = [size(sum(info.size_bytes for info in partitions.values())) if partitions else NOTHING]
    return [
        number(spec.partitions),
        number(_records(partitions)) if partitions else NOTHING,
        *held,
        _kept(spec),
        printable(spec.name),
        _verdict(wrong),
    ]


def _verdict(wrong: Sequence[Difference] | None) -> Text:
    """Nothing for topics that the application does not need."""
    if wrong is None:
        return Text("")
    if not wrong:
        return Text("yes", style="green")
    said = ", ".join(
        "missing" if each.found is None and each.setting == "partitions" else _said(each) for each in wrong
    )
    return Text(f"no: {said}", style="yellow")


def _said(difference: Difference) -> str:
    return f"{difference.setting} {difference.found or NOTHING}, not {difference.wanted}"


def _records(partitions: Mapping[int, PartitionInfo]) -> int:
    return sum(info.end - info.start for info in partitions.values())


def _kept(spec: TopicSpec) -> str:
    if spec.cleanup == "compact":
        return "newest of each key"
    bounds = [span(spec.retention_ms)] if spec.retention_ms is not None else []
    bounds += [size(spec.retention_bytes)] if spec.retention_bytes is not None else []
    return " or ".join(bounds) or "for ever"


def _object(row: _Row) -> dict[str, Any]:
    spec, partitions, copies, wrong = row
    return {
        "topic": spec.name,
        "exists": bool(partitions),
        "cleanup": spec.cleanup,
        "retention_ms": spec.retention_ms if spec.cleanup == "delete" else None,
        "retention_bytes": spec.retention_bytes if spec.cleanup == "delete" else None,
        "replicas": None if copies is None else copies.replicas,
        "min_isr": None if copies is None else copies.min_isr,
        "needed": wrong is not None,
        "differences": [
            {name: value for name, value in each._asdict().items() if name != "topic"} for each in wrong or ()
        ],
        "partitions": [{"partition": number, **info._asdict()} for number, info in sorted(partitions.items())],
    }
