"""``streamgauge incidents``: what is open, and taking care of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.options import ConfigFile, Format, OutputFormat

app = typer.Typer(help="Show incidents; acknowledge, resolve and snooze them.")

_Names = Annotated[list[str], typer.Argument(metavar="ID...", help="Of incidents, or how they begin.")]
_By = Annotated[str | None, typer.Option(metavar="NAME", help="Who; by default the user.")]
_Note = Annotated[str, typer.Option(metavar="TEXT", help="For others to read.")]


@app.callback(invoke_without_command=True)
def incidents(
    context: typer.Context,
    config: ConfigFile = None,
    every: Annotated[bool, typer.Option("--all", help="Those that were resolved of late too.")] = False,
    form: OutputFormat = None,
) -> None:
    """List live incidents, worst first, and snoozes."""
    context.obj = (config, form)
    if context.invoked_subcommand is not None:
        return
    from pipeline.cli.output import Output
    from pipeline.cli.rows.incidents import list_incidents
    from pipeline.cli.runtime import read_config, run

    run(list_incidents(read_config(config), Output(form), every=every))


@app.command()
def acknowledge(
    context: typer.Context,
    names: _Names,
    config: ConfigFile = None,
    by: _By = None,
    note: _Note = "",
    form: OutputFormat = None,
) -> None:
    """Say that somebody takes care; notices follow only if it gets worse."""
    from pipeline.incidents import Acknowledge

    _send(Acknowledge, names, by, note, _given(context, config, form))


@app.command()
def resolve(
    context: typer.Context,
    names: _Names,
    config: ConfigFile = None,
    by: _By = None,
    note: _Note = "",
    form: OutputFormat = None,
) -> None:
    """Say that it is over."""
    from pipeline.incidents import Resolve

    _send(Resolve, names, by, note, _given(context, config, form))


@app.command()
def snooze(
    context: typer.Context,
    *,
    length: Annotated[str, typer.Option("--for", metavar="DURATION", help="For how long, such as 2h.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    rule: Annotated[str | None, typer.Option(metavar="NAME", help="Alerts of this rule or detector.")] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Alerts of this key; of both if both are given.")
    ] = None,
    config: ConfigFile = None,
    by: _By = None,
    form: OutputFormat = None,
) -> None:
    """Tell nobody about a rule, a key, or a rule at a key for a while; alerts are recorded all the same."""
    from pipeline.cli.options import parse_length
    from pipeline.cli.rows.incidents import send_command, user
    from pipeline.cli.runtime import now_ms, run
    from pipeline.errors import UsageError
    from pipeline.incidents import Snooze
    from pipeline.incidents.sending import new_id
    from pipeline.subscribe import AlertFilter

    if rule is None and key is None:
        raise UsageError("a snooze needs --rule, --key or both")
    settings, output = _given(context, config, form)
    AlertFilter(rules=(rule,) if rule else ()).check(settings)
    until_ms = now_ms() + parse_length("--for", length)
    who = user() if by is None else by
    command = Snooze(id=new_id(), rule=rule, key=key, until_ms=until_ms, reason=reason, by=who)
    run(send_command(settings, command, output))


@app.command()
def unsnooze(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="Of the snooze.")],
    config: ConfigFile = None,
    by: _By = None,
    form: OutputFormat = None,
) -> None:
    """End a snooze early."""
    from pipeline.cli.rows.incidents import send_command, user
    from pipeline.cli.runtime import run
    from pipeline.incidents import Unsnooze
    from pipeline.incidents.sending import new_id

    settings, output = _given(context, config, form)
    who = user() if by is None else by
    run(send_command(settings, Unsnooze(id=new_id(), snooze=name, by=who), output))


def _send(kind: Callable[..., Any], names: Sequence[str], by: str | None, note: str, given: tuple[Any, Any]) -> None:
    """A command of a kind for each incident."""
    from pipeline.cli.rows.incidents import send_to_incidents, user
    from pipeline.cli.runtime import run

    settings, output = given
    who = user() if by is None else by
    run(send_to_incidents(settings, names, lambda own, name: kind(id=own, incident=name, by=who, note=note), output))


def _given(context: typer.Context, config: Path | None, form: Format | None) -> tuple[Any, Any]:
    """Configuration and output; what stands before the name of the command counts too."""
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import read_config

    before: tuple[Path | None, Format | None] = context.obj
    return read_config(config or before[0]), Output(form or before[1])
