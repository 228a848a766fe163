"""Users, API keys and the audit log as rows, and changing them from the command line."""

import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from pipeline.access.audit import Actor, AuditLog
from pipeline.access.chain import parse_head
from pipeline.access.database import Database, need, path_of
from pipeline.access.keys import Keys
from pipeline.access.passwords import Passwords
from pipeline.access.roles import parse_role
from pipeline.access.users import Users
from pipeline.cli.human import clock, number, printable
from pipeline.cli.options import Format
from pipeline.cli.output import Output, table
from pipeline.cli.program import ALTERED
from pipeline.cli.runtime import now_ms, read_config
from pipeline.config import AppConfig
from pipeline.errors import UsageError


class Desk:
    """The access file of an application, for a command.

    Args:
        config: The application.
        output: Where results go.
    """

    def __init__(self, config: AppConfig, output: Output) -> None:
        self.output = output
        self.database = Database(path_of(config.web, config.name))
        key = config.web.audit_key
        self.audit = AuditLog(self.database, clock_ms=now_ms, key=key.encode() if key else None)
        self.users = Users(self.database, self.audit, Passwords(), clock_ms=now_ms)
        self.keys = Keys(self.database, self.audit, clock_ms=now_ms)
        self.by = Actor(who=_user(), how="cli")

    def say(self, done: dict[str, Any], sentence: str) -> None:
        """Tell what was done."""
        if self.output.json:
            self.output.objects([done])
        else:
            self.output.line(Text(printable(sentence)))


@contextlib.contextmanager
def desk(config: Path | None, form: Format | None, *, needed: bool = False) -> Iterator[Desk]:
    """The access file of a configuration; with ``needed`` it must be there already."""
    opened = Desk(read_config(config), Output(form))
    if needed:
        need(opened.database)
    try:
        yield opened
    finally:
        opened.database.close()


def list_users(at: Desk) -> None:
    """Every user with role and times."""
    found = at.users.all()
    shown = table("name", "role", "added", "changed")
    for each in found:
        shown.add_row(each.name, each.role.label, clock(each.created_ms)[:19], clock(each.changed_ms)[:19])
    rows = [{**each._asdict(), "role": each.role.label} for each in found]
    at.output.rows(shown, rows, nothing="no users")


def add_user(at: Desk, name: str, role: str) -> None:
    """Add a user; asks for the password."""
    wanted = parse_role(role)
    if at.users.get(name) is not None:
        raise UsageError(f"there is a user {name!r} already; `streamgauge users passwd` or `role` changes it")
    at.users.add(name, wanted, read_password(), by=at.by)
    at.say({"added": name, "role": role}, f"added {name}, {role}")


def set_password(at: Desk, name: str) -> None:
    """Change a password; asks for it."""
    if at.users.get(name) is None:
        raise UsageError(f"there is no user {name!r}; `streamgauge users list` shows those there are")
    at.users.set_password(name, read_password(), by=at.by)
    at.say({"changed": name}, f"{name} has a new password and must log in again")


def list_keys(at: Desk) -> None:
    """Every key with owner, scope and end."""
    found = at.keys.all()
    shown = table("id", "owner", "scope", "label", "expires", "used")
    for each in found:
        ended = " (ended)" if each.expires_ms <= now_ms() else ""
        used = clock(each.used_ms)[:16] if each.used_ms is not None else "never"
        end = f"{clock(each.expires_ms)[:16]}{ended}"
        shown.add_row(each.id, each.owner, each.scope, printable(each.label), end, used)
    at.output.rows(shown, [each._asdict() for each in found], nothing="no keys")


def add_key(at: Desk, owner: str, scope: str, label: str, lifetime_ms: int) -> None:
    """Make a key and show it this once."""
    key, text = at.keys.add(owner, scope, label=label, lifetime_ms=lifetime_ms, by=at.by)
    if at.output.json:
        at.output.objects([{**key._asdict(), "key": text}])
        return
    at.output.line(Text(text))
    until = f"key {key.id} of {owner}, scope {scope}, until {clock(key.expires_ms)[:16]}; it is not shown again"
    at.output.line(Text(until, style="dim"))


def show_audit(at: Desk, limit: int) -> None:
    """The newest records, oldest of them first."""
    found = at.audit.newest(limit)[::-1]
    shown = table(">number", "time", "who", "how", "action", "subject", "outcome", "details")
    for each in found:
        shown.add_row(*_cells(each))
    at.output.rows(shown, found, nothing="no records")


def verify_audit(at: Desk, heads: list[str]) -> None:
    """Check the chain; exits with a code of its own if it is broken."""
    known = [parse_head(text) for text in heads]
    found = at.audit.verify(known)
    head = f"{found.head.number}:{found.head.hash}"
    is_whole = found.broken is None
    row = {"is_whole": is_whole, "head": head, "sealed": found.sealed, "broken": found.broken, "reason": found.reason}
    seals = f", {number(found.sealed)} seals" if found.sealed else ""
    if is_whole:
        at.say(row, f"the audit log is whole: {number(found.head.number)} records{seals}, head {head}")
        return
    if at.output.json:
        at.output.objects([row])
    sys.stderr.write(
        f"streamgauge: audit record {found.broken} is not as it was written: {found.reason}; the records before it "
        f"are whole, head {head}\n"
    )
    raise typer.Exit(ALTERED)


def read_password() -> str:
    """A new password: asked twice without showing it on a terminal, else the first line of standard input.

    Raises:
        UsageError: If nothing was given, or the two are not the same.
    """
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise UsageError("there is no password on standard input; write it as the first line")
        return password
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise UsageError("the two passwords are not the same; try again")
    return password


def _cells(record: dict[str, Any]) -> list[str | Text]:
    details = record.get("details") or {}
    outcome = str(record.get("outcome", ""))
    return [
        str(record.get("number", "")),
        clock(record.get("time_ms", 0))[:19],
        printable(str(record.get("who", "")) or "-"),
        printable(str(record.get("how", ""))),
        printable(str(record.get("action", ""))),
        printable(str(record.get("subject", ""))),
        Text(outcome, style="" if outcome in {"ok", "asked"} else "red"),
        printable(", ".join(f"{name} {value}" for name, value in details.items())),
    ]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in many containers
        return str(os.getuid())
