"""``streamgauge users``: who may log in to the web view."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat

app = typer.Typer(help="Who may log in to the web view, and as what.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the user.")]
_ROLES = "viewer, analyst, operator or admin."


@app.command("list")
def show(config: ConfigFile = None, form: OutputFormat = None) -> None:
    """List users and their roles."""
    from pipeline.cli.rows.access import desk, list_users

    with desk(config, form) as opened:
        list_users(opened)


@app.command()
def add(
    name: _Name,
    role: Annotated[str, typer.Option(metavar="ROLE", help=_ROLES)] = "viewer",
    config: ConfigFile = None,
    form: OutputFormat = None,
) -> None:
    """Add a user. Asks for the password; without a terminal it is the first line of standard input."""
    from pipeline.cli.rows.access import add_user, desk

    with desk(config, form) as opened:
        add_user(opened, name, role)


@app.command()
def remove(name: _Name, config: ConfigFile = None, form: OutputFormat = None) -> None:
    """Remove a user with keys and sessions."""
    from pipeline.cli.rows.access import desk

    with desk(config, form, needed=True) as opened:
        opened.users.remove(name, by=opened.by)
        opened.say({"removed": name}, f"removed {name} with keys and sessions")


@app.command()
def passwd(name: _Name, config: ConfigFile = None, form: OutputFormat = None) -> None:
    """Change a password; ends the user's sessions."""
    from pipeline.cli.rows.access import desk, set_password

    with desk(config, form, needed=True) as opened:
        set_password(opened, name)


@app.command()
def role(
    name: _Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=_ROLES)],
    config: ConfigFile = None,
    form: OutputFormat = None,
) -> None:
    """Change a role; ends the user's sessions."""
    from pipeline.access.roles import parse_role
    from pipeline.cli.rows.access import desk

    with desk(config, form, needed=True) as opened:
        opened.users.set_role(name, parse_role(role), by=opened.by)
        opened.say({"changed": name, "role": role}, f"{name} is {role} now and must log in again")
