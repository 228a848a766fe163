"""Why an alert fired, and whether it still would."""

from typing import Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from agents.events import Alert
from pipeline.cli.human import number, printable
from pipeline.cli.output import Output
from pipeline.cli.program import MISMATCH
from pipeline.cli.runtime import opened
from pipeline.config import AppConfig
from pipeline.explanation import explanation
from pipeline.recompute import Recomputed, find_alert, recompute


async def explain_alert(config: AppConfig, alert_id: str, output: Output) -> None:
    """Show why an alert fired, compute it again, and say whether it comes out as it was.

    Raises:
        UsageError: If there is no such alert.
        Exit: If it does not come out as it was.
    """
    async with opened(config) as log:
        alert = (await find_alert(log, config.alerts_topic, alert_id)).alert
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("computing again")
            done = await recompute(
                config, log, alert, on_progress=lambda at, total: bar.update(task, completed=at, total=total)
            )
    _show(output, alert, done)
    if not done.matches:
        raise typer.Exit(MISMATCH)


def _show(output: Output, alert: Alert, done: Recomputed) -> None:
    if output.json:
        output.objects([_told(alert, done)])
        return
    output.line(Text(printable(explanation(alert))))
    after = f" after {number(done.records)} records of {done.source}" if done.source else ""
    verdict = ("match", "bold green") if done.matches else ("mismatch", "bold red")
    raised = "raised again just so" if done.matches else "raised again with differences"
    what = raised if done.alert is not None else "not raised again"
    output.line(Text.assemble(verdict, f": {what}{after}", f"; {done.note}" if done.note else ""))
    for name, was, now in done.differences:
        output.line(Text(printable(f"{name} was {was} and is {now}")))


def _told(alert: Alert, done: Recomputed) -> dict[str, Any]:
    return {
        "id": alert.id,
        "explanation": explanation(alert),
        "match": done.matches,
        "raised_again": done.alert is not None,
        "source": None if done.source is None else str(done.source),
        "records": done.records,
        "note": done.note,
        "differences": [{"field": name, "was": was, "is": now} for name, was, now in done.differences],
    }
