"""Options that several commands share, and what they stand for."""

import contextlib
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from pipeline.errors import UsageError

DEFAULT_FILE: Final = Path("streamgauge.toml")
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)([kM]?)(?:/s)?")
_SCALES: Final = {"": 1.0, "k": 1e3, "M": 1e6}

Format = Literal["table", "json"]

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Configuration; [bold]streamgauge.toml[/] here by default."),
]
OutputFormat = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="[bold]table[/] is for people, [bold]json[/] for programs, one object a line. "
        "By default table on a terminal, else json.",
    ),
]


def config_path(file: Path | None) -> Path:
    """The configuration file to read.

    Raises:
        UsageError: If none was given and there is none in the working directory.
    """
    if file is not None:
        return file
    if not DEFAULT_FILE.is_file():
        raise UsageError(
            f"there is no {DEFAULT_FILE} in this directory; name a configuration with -c FILE, "
            "such as -c examples/payments.toml"
        )
    return DEFAULT_FILE


def parse_rate(text: str) -> float:
    """Records a second.

    Raises:
        UsageError: If it is none.

    >>> parse_rate("5k"), parse_rate("1.5M/s"), parse_rate("200")
    (5000.0, 1500000.0, 200.0)
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no rate; write records a second, such as 200, 5k or 1.5M")
    return float(match[1]) * _SCALES[match[2]]


def parse_length(option: str, text: str) -> int:
    """A length of time in ms.

    Raises:
        UsageError: If it is none; names the option.

    >>> parse_length("--duration", "1m")
    60000
    """
    from pipeline.config.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def parse_moment(text: str, now_ms: int) -> int:
    """A moment as Unix ms: ``10m`` is ten minutes ago, ``@1700000000000`` Unix ms, else ISO 8601 in local time.

    Raises:
        UsageError: If it is none of these.

    >>> parse_moment("2m", 1_000_000), parse_moment("@17", 0), parse_moment("2026-01-01T00:00:00Z", 0)
    (880000, 17, 1767225600000)
    """
    if text.startswith("@") and text[1:].isdecimal():
        return int(text[1:])
    with contextlib.suppress(UsageError):
        return now_ms - parse_length("", text)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1_000)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no moment; write how long ago, such as 10m, a time like 2026-01-31T12:00, or @ and Unix ms"
        ) from error


def parse_mapping(texts: Iterable[str]) -> dict[str, str]:
    """Fields and what they are taken from.

    Raises:
        UsageError: If one is no ``FIELD=COLUMN``, or a field occurs twice.

    >>> parse_mapping(["ts=timestamp", "series==taxi"])
    {'ts': 'timestamp', 'series': '=taxi'}
    """
    found: dict[str, str] = {}
    for text in texts:
        field, separator, column = text.partition("=")
        if not (separator and field and column) or field in found:
            why = "maps the same field again" if field in found else "is no mapping"
            raise UsageError(f"--map {text!r} {why}; write FIELD=COLUMN once for each field, or FIELD==TEXT")
        found[field] = column
    return found


def parse_malformed(texts: Iterable[str]) -> dict[str, float]:
    """Shares of malformed records by kind: ``KIND=SHARE``, or a share that all kinds have alike.

    Raises:
        UsageError: If a share is no number.

    >>> parse_malformed(["null=0.25"])
    {'null': 0.25}
    """
    from load import MALFORMED

    found: dict[str, float] = {}
    for text in texts:
        kind, separator, share = text.rpartition("=")
        try:
            value = float(share)
        except ValueError as error:
            raise UsageError(f"--malformed {text!r} is no share; write 0.01, or KIND=0.01") from error
        kinds = [kind] if separator else MALFORMED
        found |= {name: found.get(name, 0.0) + value / len(kinds) for name in kinds}
    return found
