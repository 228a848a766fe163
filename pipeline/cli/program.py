"""The command group: every error becomes one line on standard error and an exit code.

==== ==================================================================================================
0    done; or a command that runs until it is told to stop was told so, and committed what it had
1    something failed that no other code names; ``--debug`` shows where
2    the command line or the configuration is wrong
3    the event log can't be opened, read or written, or has no such topic
4    a worker can't go on: its partitions are stopped, or another worker owns them
5    stored state or a record can't be read by this version
6    an alert was computed again, and is not as it was raised
7    the audit log is not as it was written
75   a worker's partition does not move, also after it was opened again: a supervisor should start it again
130  interrupted before the end by Ctrl-C or SIGTERM; a second one ends on the spot
141  whoever read the output went away, as ``head`` does
==== ==================================================================================================
"""

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Final

import typer
from typer.core import TyperGroup

from pipeline.errors import StreamgaugeError

FAILED: Final = 1
MISMATCH: Final = 6
ALTERED: Final = 7
INTERRUPTED: Final = 130
CLOSED: Final = 141

EXIT_CODES: Final = """\
[bold]Exit codes[/]  0 done or stopped in order · 1 failed · 2 wrong command line or configuration · 3 event log · \
4 worker can't go on · 5 unreadable state · 6 an alert is not as it was · \
7 the audit log is not as it was · \
75 worker stuck, start it again · 130 interrupted before the end · 141 the reader of the output went away"""


class Program(TyperGroup):
    """Runs a command and turns what it raises into a line and a code.

    ``--debug`` is understood anywhere on the command line, so that it can be added to the end of the last command.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        *_: Any,
        **extra: Any,
    ) -> Any:
        """Run and exit."""
        given = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in given
        if debug:
            given.remove("--debug")
        try:
            code = super().main(given, prog_name, complete_var, **{**extra, "standalone_mode": False})
            sys.stdout.flush()
        except BrokenPipeError:
            code = CLOSED
        except Exception as error:  # noqa: BLE001 - whatever it is, people get a line and a code
            code = report(error, debug=debug)
        if code == CLOSED:
            _discard_output()
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a reader that went away is no error, before the library makes it one."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise typer.Exit(CLOSED) from error


def report(error: BaseException, *, debug: bool) -> int:
    """Say what went wrong; the exit code."""
    if debug:
        traceback.print_exception(error)
    if type(error).__name__ == "NoArgsIsHelpError":  # the help was shown instead
        return 2
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    if isinstance(error, StreamgaugeError):
        message, code = str(error), error.exit_code
    elif isinstance(error, typer.TyperException):
        message, code = _usage(error), error.exit_code
    else:
        hint = "" if debug else "; --debug shows where"
        message, code = f"unexpected {type(error).__name__}: {error}{hint}", FAILED
    try:
        sys.stderr.write(f"streamgauge: {message}\n")
    except OSError:
        return CLOSED
    return code


def tolerate_any_encoding() -> None:
    """Let a terminal that can't show a character show its code instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    text = error.format_message().replace("\n", " ").strip()
    path = "streamgauge" if context is None else context.command_path
    end = "" if text.endswith("?") else ";"
    return f"{text.rstrip('.')}{end} `{path} --help` says what is allowed"


def _discard_output() -> None:
    """What is still in the buffers has no reader: the flush at exit must not complain about it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
