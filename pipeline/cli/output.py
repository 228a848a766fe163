"""Where a command's results go: tables for people on a terminal, JSON lines for programs."""

import base64
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import Format

SEVERITY_STYLES: Final = {
    "info": "dim",
    "low": "cyan",
    "medium": "yellow",
    "high": "red",
    "critical": "bold white on red",
}
_UNCUT_WIDTH: Final = 240


class _Terminal(Console):
    """A console that says when its reader went away, instead of ending the process."""

    def on_broken_pipe(self) -> None:
        """See ``Console.on_broken_pipe``."""
        raise BrokenPipeError


class Output:
    """Writes results in the format that was asked for, or that fits where they go.

    Args:
        chosen: ``None`` takes ``table`` on a terminal and ``json`` otherwise.
    """

    def __init__(self, chosen: Format | None) -> None:
        is_terminal = sys.stdout.isatty()
        self.json = chosen == "json" or (chosen is None and not is_terminal)
        width = None if is_terminal else _UNCUT_WIDTH
        self.console = _Terminal(file=sys.stdout, width=width, highlight=False, soft_wrap=not is_terminal)

    def objects(self, values: Iterable[Any]) -> None:
        """One JSON object a line, then flush."""
        encoded = [orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE, default=_plain) for value in values]
        if encoded:
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(encoded))
            sys.stdout.buffer.flush()

    def show(self, *parts: RenderableType) -> None:
        """For people."""
        self.console.print(*parts)

    def fits(self, part: RenderableType) -> bool:
        """Whether something can be shown without cutting or folding what must not be."""
        unbounded = self.console.options.update(width=10_000)
        return self.console.measure(part, options=unbounded).minimum <= self.console.width

    def line(self, text: Text) -> None:
        """For people, a line of its own however long it is, at once."""
        self.console.print(text, soft_wrap=True)
        self.console.file.flush()

    def rows(self, table: Table, objects: Sequence[Mapping[str, Any]], *, nothing: str) -> None:
        """The same rows as a table or as objects; ``nothing`` is said to people when there are none."""
        if self.json:
            self.objects(objects)
        elif objects:
            self.show(table)
        else:
            self.show(Text(nothing, style="dim"))


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table; a column whose name begins with ``>`` is aligned to the right."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        if column.startswith(">"):
            made.add_column(column[1:], justify="right", no_wrap=True)
        else:
            made.add_column(column, overflow="fold", min_width=min(12, len(column)))
    return made


def raw(name: str, value: bytes | None) -> dict[str, Any]:
    r"""Bytes as a JSON field: text where they are UTF-8, else base64 under another name, so that nothing is lost.

    >>> raw("value", b"abc"), raw("value", b"\xff"), raw("key", None)
    ({'value': 'abc'}, {'value_base64': '/w=='}, {'key': None})
    """
    if value is None:
        return {name: None}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}


def _plain(value: Any) -> Any:
    """What the JSON encoder does not know: NumPy's scalars, named tuples inside of dataclasses, paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "_asdict"):
        return value._asdict()
    return str(value)
