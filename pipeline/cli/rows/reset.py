"""A reset step by step: what it would do, or did."""

import sys
from typing import Any

import typer
from rich.text import Text

from pipeline.cli.human import NOTHING, number, printable
from pipeline.cli.options import parse_moment
from pipeline.cli.output import Output, table
from pipeline.cli.runtime import now_ms, opened
from pipeline.config import AppConfig
from pipeline.errors import UsageError
from pipeline.reset import END, START, Reset, plan_reset, reset


async def show_reset(config: AppConfig, output: Output, *, to: str, alerts: bool, dry_run: bool, yes: bool) -> None:
    """Show what a reset does, and do it if that is confirmed.

    Raises:
        UsageError: If ``to`` is not understood, or nobody can be asked.
        LogError: If a worker lives, or the log refuses something.
        Abort: If the answer is no.
    """
    async with opened(config) as log:
        planned = await plan_reset(log, config, _place(to), alerts=alerts)
        if not output.json:
            _show(planned, output)
        if not dry_run:
            if not yes:
                _confirm(config.name)
            await reset(log, config, planned)
        if output.json:
            output.objects({**step, "done": not dry_run} for step in steps(planned))
        else:
            output.show(Text("nothing was changed" if dry_run else "done", style="dim"))


def steps(planned: Reset) -> list[dict[str, Any]]:
    """What a reset does, in its order."""
    found: list[dict[str, Any]] = []
    if planned.forgotten:
        found.append({"step": "forget group", "group": planned.group, "positions": len(planned.forgotten)})
    found += [{"step": "delete topic", "topic": name, "records": count} for name, count in planned.deleted.items()]
    found += [{"step": "make topic", "topic": spec.name, "partitions": spec.partitions} for spec in planned.made]
    for source, offset in planned.starts.items():
        before = planned.forgotten.get(source)
        found.append(
            {
                "step": "start from",
                "topic": source.topic,
                "partition": source.partition,
                "offset": offset,
                "committed": None if before is None else before.offset,
            }
        )
    return found


def _show(planned: Reset, output: Output) -> None:
    shown = table("step", "what", ">records", ">partition", ">from", ">was at")
    for step in steps(planned):
        shown.add_row(
            step["step"],
            printable(step.get("topic") or step["group"]),
            *(_cell(step, name) for name in ("records", "partition", "offset", "committed")),
        )
    output.show(shown)


def _cell(step: dict[str, Any], name: str) -> str:
    if name == "partition":
        return str(step[name]) if name in step else NOTHING
    return number(step.get(name))


def _place(to: str) -> str | int:
    if to in (START, END):
        return to
    try:
        return parse_moment(to, now_ms())
    except UsageError as error:
        raise UsageError(f"--to {error}; or start, or end") from error


def _confirm(app: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("a reset can't be undone: look at it with --dry-run, then say --yes")
    typer.confirm(f"Reset {app}? This can't be undone.", abort=True, err=True)
