"""Incidents as rows, and commands for them."""

import contextlib
import getpass
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec
from rich.text import Text

from pipeline.cli.human import clock, number, printable
from pipeline.cli.output import SEVERITY_STYLES, Output, table
from pipeline.cli.rows.access import Desk
from pipeline.cli.runtime import opened
from pipeline.config import AppConfig
from pipeline.errors import UsageError
from pipeline.incidents import Incident, State
from pipeline.incidents.events import Acknowledge, Command, Resolve, Snooze, Unsnooze
from pipeline.incidents.model import Snoozed
from pipeline.incidents.reading import read_state
from pipeline.incidents.sending import incident_settings, new_id, send_commands
from pipeline.log import Log

_NOTED: Final[dict[type, tuple[str, str]]] = {
    Acknowledge: ("incident.acknowledge", "incident"),
    Resolve: ("incident.resolve", "incident"),
    Snooze: ("snooze.add", "id"),
    Unsnooze: ("snooze.end", "snooze"),
}
"""By kind of command: what the audit log calls it, and the field that says to what."""
_NOT_SAID: Final = {"id", "kind", "incident", "snooze", "by"}


async def list_incidents(config: AppConfig, output: Output, *, every: bool) -> None:
    """Show what is live, worst first, and the snoozes; with ``every`` also what was resolved of late."""
    settings = incident_settings(config)
    async with opened(config) as log:
        state = await read_state(log, config.name, settings)
    found = sorted(
        (each for each in state.incidents.values() if every or each.is_live),
        key=lambda each: (not each.is_live, -list(SEVERITY_STYLES).index(each.severity), each.opened_ms, each.id),
    )
    snoozes = sorted(state.snoozes.values(), key=lambda each: (each.until_ms, each.id))
    shown = table("id", "severity", "state", ">alerts", "since", "last", "why")
    for each in found:
        shown.add_row(*_cells(each))
    output.rows(shown, [msgspec.to_builtins(each) for each in found], nothing="no incidents")
    if output.json:
        output.objects(msgspec.to_builtins(each) for each in snoozes)
    else:
        for snooze in snoozes:
            output.line(_snooze(snooze))


def _cells(incident: Incident) -> list[str | Text]:
    who = incident.acknowledged_by if incident.is_live else incident.resolved_by
    state = f"{incident.state} by {printable(who)}" if who else incident.state
    return [
        incident.id[:12],
        Text(incident.severity, style=SEVERITY_STYLES[incident.severity]),
        f"{state}, snoozed" if incident.muted_until_ms is not None else state,
        number(incident.count),
        clock(incident.opened_ms)[:19],
        clock(incident.last_alert_ms)[:19],
        printable(incident.why),
    ]


def _snooze(snooze: Snoozed) -> Text:
    scope = " at ".join(filter(None, (snooze.rule, snooze.key)))
    by = f" by {snooze.by}" if snooze.by else ""
    said = f"snoozed until {clock(snooze.until_ms)[:19]}{by}: {scope} ({snooze.reason}), {snooze.id}"
    return Text(printable(said), style="dim")


async def send_to_incidents(
    config: AppConfig, names: Sequence[str], make: Callable[[str, str], Command], output: Output
) -> None:
    """Append a command for each incident that a name begins; a worker does them.

    Args:
        config: The application.
        names: Ids of incidents, or how they begin.
        make: From the command's own id and that of an incident to the command.
        output: Says what was sent.

    Raises:
        UsageError: If a name begins no incident, or several.
    """
    settings = incident_settings(config)
    async with opened(config) as log:
        state = await read_state(log, config.name, settings)
        await _send(config, log, [make(new_id(), _whole(state, name)) for name in names], output)


async def send_command(config: AppConfig, command: Command, output: Output) -> None:
    """Append a command that names no incident."""
    incident_settings(config)
    async with opened(config) as log:
        await _send(config, log, [command], output)


def user() -> str:
    """Who is logged in here; empty where nobody can tell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


async def _send(config: AppConfig, log: Log, commands: Sequence[Command], output: Output) -> None:
    async with _noted(config, output, commands):
        await send_commands(config, log, commands)
    if output.json:
        output.objects(msgspec.to_builtins(command) for command in commands)
    else:
        for command in commands:
            kind = type(command).__name__.lower()
            output.line(Text(f"{kind} {command.id} was sent; a worker does it", style="dim"))


@contextlib.asynccontextmanager
async def _noted(config: AppConfig, output: Output, commands: Sequence[Command]) -> AsyncIterator[None]:
    """Into the audit log, if this machine has the application's access file: what is asked, and what became of it."""
    desk = Desk(config, output)
    if not desk.database.exists():
        yield
        return
    try:
        async with contextlib.AsyncExitStack() as stack:
            for command in commands:
                action, subject = _NOTED[type(command)]
                details = msgspec.to_builtins(command)
                said = {name: value for name, value in details.items() if name not in _NOT_SAID}
                said |= {"change": command.id, "named": command.by}  # by whom it was done, says who did it
                noted = desk.audit.around(desk.by, action, details[subject], **said)
                await stack.enter_async_context(noted)
            yield
    finally:
        desk.database.close()


def _whole(state: State, name: str) -> str:
    found = sorted(each.id for each in state.incidents.values() if each.is_live and each.id.startswith(name))
    if len(found) != 1:
        what = "begins several live incidents" if found else "begins no live incident"
        raise UsageError(f"{name!r} {what}; `streamgauge incidents` lists them")
    return found[0]
