"""Recorded data as blocks of columns: CSV, NDJSON and NPZ, read as a stream."""

import csv
import difflib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn
from zipfile import BadZipFile

import numpy as np
import orjson
from numpy.typing import NDArray

BLOCK_ROWS = 4_096

Cells = Sequence[Any]


class ReplayError(ValueError):
    """Recorded data can't be replayed: says file, line, what was found and what was expected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Some rows of a file, as columns.

    Args:
        columns: By name, of equal length.
        places: Where each row stands, for messages: line numbers, or indexes of an NPZ file.
    """

    columns: dict[str, Cells]
    places: Sequence[int]


def read(path: Path, wanted: Sequence[str], series: Sequence[str] = ()) -> Iterator[Block]:
    """The columns ``wanted`` of a file, by its suffix: ``.csv``, ``.ndjson`` or ``.jsonl``, ``.npz``.

    Args:
        path: The file.
        wanted: Names of columns.
        series: NPZ only: which series of a file of many; all when empty.

    Raises:
        ReplayError: While iterating, if the file can't be read, a column is missing or a row is broken.

    Cost: CSV and NDJSON hold one block in memory, NPZ the wanted arrays.
    """
    readers = {".csv": _read_csv, ".ndjson": _read_ndjson, ".jsonl": _read_ndjson}
    suffix = path.suffix.lower()
    if suffix != ".npz" and suffix not in readers:
        raise ReplayError(f"{path}: can't tell the format, expected a name in .csv, .ndjson, .jsonl or .npz")
    try:
        yield from read_npz(path, wanted, series) if suffix == ".npz" else readers[suffix](path, wanted)
    except OSError as error:
        raise ReplayError(f"{path}: can't be read: {error.strerror or error}") from error


def no_column(place: str, name: str, known: Sequence[str]) -> NoReturn:
    """Refuse a column that does not exist."""
    close = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ReplayError(f"{place}: no column {name!r}, there is {', '.join(sorted(known)) or 'none'}{hint}")


def _read_csv(path: Path, wanted: Sequence[str]) -> Iterator[Block]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise ReplayError(f"{path}:1: file is empty, expected a header line with the names of the columns")
            for name in wanted:
                if name not in header:
                    no_column(f"{path}:1", name, header)
            index = [header.index(name) for name in wanted]
            numbered = ((reader.line_num, row) for row in reader if row)
            while rows := list(islice(numbered, BLOCK_ROWS)):
                _check_width(path, rows, len(header))
                cells: list[Cells] = list(zip(*(row for _, row in rows), strict=True))
                columns = {name: cells[at] for name, at in zip(wanted, index, strict=True)}
                yield Block(columns=columns, places=[line for line, _ in rows])
        except csv.Error as error:
            raise ReplayError(f"{path}:{reader.line_num}: broken CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise ReplayError(f"{path}: broken text after line {reader.line_num}: expected UTF-8") from error


def _check_width(path: Path, rows: list[tuple[int, list[str]]], width: int) -> None:
    for line, row in rows:
        if len(row) != width:
            raise ReplayError(f"{path}:{line}: row has {len(row)} cells, expected {width} as in the header")


def _read_ndjson(path: Path, wanted: Sequence[str]) -> Iterator[Block]:
    with path.open("rb") as file:
        numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        while lines := list(islice(numbered, BLOCK_ROWS)):
            records = [_record(path, number, line) for number, line in lines]
            columns: dict[str, Cells] = {}
            for name in wanted:
                try:
                    columns[name] = [record[name] for record in records]
                except KeyError:
                    at = next(at for at, record in enumerate(records) if name not in record)
                    no_column(f"{path}:{lines[at][0]}", name, list(records[at]))
            yield Block(columns=columns, places=[number for number, _ in lines])


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ReplayError(f"{path}:{number}: broken JSON: {error}") from error
    if not isinstance(record, dict):
        raise ReplayError(f"{path}:{number}: expected a JSON object, found {type(record).__name__}")
    return record


def read_npz(path: Path, wanted: Sequence[str], series: Sequence[str] = ()) -> Iterator[Block]:
    """Arrays of equal length by name; or many series as ``NAME|t`` and ``NAME|v``, merged by time.

    The latter have the columns ``series``, ``t`` and ``v``; equal times are in order of the names.
    """
    try:
        arrays = _arrays(path, wanted, series)
    except ReplayError:
        raise
    except (ValueError, SyntaxError, EOFError, BadZipFile, zlib.error) as error:
        raise ReplayError(f"{path}: no NPZ archive of plain arrays: {error}") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "biufUO":  # the only objects are the names of series
            raise ReplayError(f"{path}: array {name!r} holds {array.dtype}, expected numbers or text")
    length = len(next(iter(arrays.values()), ()))
    for start in range(0, length, BLOCK_ROWS):
        part = slice(start, min(start + BLOCK_ROWS, length))
        columns = {name: arrays[name][part].tolist() for name in wanted}
        yield Block(columns=columns, places=range(part.start, part.stop))


def _arrays(path: Path, wanted: Sequence[str], series: Sequence[str]) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:  # NumPy leaves a file open that it opened itself and found damaged
        archive = np.load(file, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ReplayError(f"{path}: a single array, expected an NPZ archive")
        names = sorted(name[:-2] for name in archive.files if name.endswith("|t"))
        if names and set(wanted) <= {"series", "t", "v"}:
            return _merged(path, archive, series or names)
        if series:
            raise ReplayError(f"{path}: has no series to choose from, expected arrays NAME|t and NAME|v")
        return _named(path, archive, wanted)


def _named(path: Path, archive: Any, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name in wanted:
        if name not in archive.files:
            no_column(str(path), name, archive.files)
        arrays[name] = archive[name]
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ReplayError(f"{path}: arrays must have one dimension and equal length, found {shapes}")
    return arrays


def _merged(path: Path, archive: Any, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    times, values = [], []
    for name in names:
        for suffix in ("t", "v"):
            if f"{name}|{suffix}" not in archive.files:
                no_column(str(path), f"{name}|{suffix}", archive.files)
        times.append(archive[f"{name}|t"])
        values.append(archive[f"{name}|v"])
        if times[-1].shape != values[-1].shape or times[-1].ndim != 1:
            shapes = f"{times[-1].shape} and {values[-1].shape}"
            raise ReplayError(f"{path}: times and values of {name!r} must be equally long, found {shapes}")
    time = np.concatenate(times)
    order = np.argsort(time, kind="stable")
    owner = np.repeat(np.array(names, object), [len(part) for part in times])
    return {"series": owner[order], "t": time[order], "v": np.concatenate(values)[order]}
