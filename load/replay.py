"""Replay recorded data as JSON records, paced like a generator or as fast as they can be read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from agents.events import Int64, Outgoing, Records
from load.cells import CASTS, EXPECTED, TIME_CASTS, CellType, TimeUnit, guess, times_ms, values
from load.readers import Block, ReplayError, read

_SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayConfig:
    """What to replay and how.

    Args:
        path: A ``.csv``, ``.ndjson``, ``.jsonl`` or ``.npz`` file; rows in time order (one that goes back is sent at
            once, with the time it has).
        topic: Where records go.
        mapping: Field of the record to column of the file, or to a constant, written ``=text``.
        time: Field with the event time; becomes Unix ms.
        unit: Of the time column: ``s`` or ``ms`` since 1970, or ``iso`` for ISO 8601, UTC unless it says otherwise.
        key: Field that is the record's key; ``None`` for none.
        types: Of other fields; without one, a text that is a number in JSON becomes that number.
        rebase_ms: The time that the first record shall claim, the others following; ``None`` keeps recorded times.
        speed: Rebased times follow each other so many times faster; pass the same to ``OpenLoop``.
        series: NPZ files of many series: which ones; all when empty.

    Raises:
        ValueError: If the time or key field is not mapped, a type or unit is unknown, or the speed is not positive.
    """

    path: Path
    topic: str
    mapping: Mapping[str, str]
    time: str = "ts"
    unit: TimeUnit = "iso"
    key: str | None = None
    types: Mapping[str, CellType] = field(default_factory=dict)
    rebase_ms: int | None = None
    speed: float = 1.0
    series: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.mapping.get(self.time, "=").startswith("="):
            raise ValueError(f"the time field {self.time!r} must be mapped to a column, got {dict(self.mapping)}")
        for name in (*self.types, *([self.key] if self.key else [])):
            if name not in self.mapping:
                raise ValueError(f"field {name!r} is not mapped, there is {', '.join(self.mapping)}")
        for found, known in ((self.types.values(), CASTS), ([self.unit], TIME_CASTS)):
            for name in set(found) - set(known):
                raise ValueError(f"unknown type or unit {name!r}, expected one of {', '.join(known)}")
        if not self.speed > 0:
            raise ValueError(f"speed must be positive, got {self.speed}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """Records of one block that are not given yet; ``due_ms`` never goes back."""

    due_ms: Int64
    keys: list[bytes | None]
    values: list[bytes]


_EMPTY = _Ready(due_ms=np.empty(0, np.int64), keys=[], values=[])


class Replay:
    """Give recorded rows as JSON records.

    Event time is that of the recording: ``until`` takes recorded times, also when the records claim rebased ones. To
    iterate gives all that is left, a block at a time, unpaced.

    Args:
        config: What and how.

    Raises:
        ReplayError: If the file can't be read, has no rows, or a row is broken; a broken row further on is found when
            its block is read.

    Cost: about 4 us a row of CSV with ISO times, 1.5 us of NPZ; memory of one block, for NPZ of the wanted arrays.

    >>> mapping = {"ts": "timestamp", "value": "value", "series": "=nyc_taxi"}
    >>> replay = Replay(ReplayConfig(path=sample_paths()["nyc_taxi"], topic="measurements", mapping=mapping))
    >>> [outgoing] = replay.until(replay.start_ms + 3_600_000)
    >>> outgoing.records.values[-1]
    b'{"ts":1404174600000,"value":8127,"series":"nyc_taxi"}'
    """

    def __init__(self, config: ReplayConfig) -> None:
        self._config = config
        columns = {column for column in config.mapping.values() if not column.startswith("=")}
        self._blocks = read(config.path, sorted(columns), config.series)
        first = next(self._blocks, None)
        if first is None:
            raise ReplayError(f"{config.path}: has no rows to replay")
        recorded_ms = self._recorded_ms(first)
        self._start_ms = self._newest_ms = int(recorded_ms[0])
        self._ready = self._prepare(first, recorded_ms)

    @property
    def start_ms(self) -> int:
        """Recorded time of the first row."""
        return self._start_ms

    @property
    def finished(self) -> bool:
        """Whether all rows have been given."""
        return not self._fill()

    def until(self, time_ms: int) -> list[Outgoing]:
        """The rows recorded before ``time_ms`` and not given yet, in order of the file."""
        keys: list[bytes | None] = []
        values: list[bytes] = []
        while self._fill():
            ready = self._ready
            stop = int(np.searchsorted(ready.due_ms, time_ms))
            keys += ready.keys[:stop]
            values += ready.values[:stop]
            self._ready = _Ready(due_ms=ready.due_ms[stop:], keys=ready.keys[stop:], values=ready.values[stop:])
            if self._ready.values:
                break
        return self._outgoing(keys, values)

    def __iter__(self) -> Iterator[list[Outgoing]]:
        while self._fill():
            ready, self._ready = self._ready, _EMPTY
            yield self._outgoing(ready.keys, ready.values)

    def _fill(self) -> bool:
        """Read on if nothing is ready; whether something is."""
        if not self._ready.values:
            block = next(self._blocks, None)
            if block is not None:
                self._ready = self._prepare(block, self._recorded_ms(block))
        return bool(self._ready.values)

    def _outgoing(self, keys: list[bytes | None], values: list[bytes]) -> list[Outgoing]:
        if not values:
            return []
        return [Outgoing(self._config.topic, None, Records(values=values, keys=keys or None))]

    def _recorded_ms(self, block: Block) -> Int64:
        config = self._config
        return times_ms(config.path, block, config.mapping[config.time], config.unit)

    def _prepare(self, block: Block, recorded_ms: Int64) -> _Ready:
        config = self._config
        due_ms = np.maximum.accumulate(np.maximum(recorded_ms, self._newest_ms))
        self._newest_ms = int(due_ms[-1])
        fields = {name: self._field(name, block) for name in config.mapping if name != config.time}
        fields[config.time] = self._claimed_ms(recorded_ms)
        rows = zip(*(fields[name] for name in config.mapping), strict=True)
        payloads = [orjson.dumps(dict(zip(config.mapping, row, strict=True))) for row in rows]
        keys: list[bytes | None] = []
        if config.key is not None:
            keys = [None if cell is None else str(cell).encode() for cell in fields[config.key]]
        return _Ready(due_ms=due_ms, keys=keys, values=payloads)

    def _claimed_ms(self, recorded_ms: Int64) -> list[int]:
        claimed_ms = recorded_ms
        if self._config.rebase_ms is not None:
            since_ms = np.floor((recorded_ms - self._start_ms) / self._config.speed).astype(np.int64)
            claimed_ms = self._config.rebase_ms + since_ms
        as_list: list[int] = claimed_ms.tolist()
        return as_list

    def _field(self, name: str, block: Block) -> list[Any]:
        column, kind = self._config.mapping[name], self._config.types.get(name)
        cast, expected = (guess, "a value") if kind is None else (CASTS[kind], EXPECTED[kind])
        if column.startswith("="):
            place = range(1)
            constant = Block(columns={column: [column[1:]]}, places=place)
            return list(repeat(values(self._config.path, constant, column, cast, expected)[0], len(block.places)))
        return values(self._config.path, block, column, cast, expected)


class Together:
    """Replay several recordings side by side, each from its own beginning, on one clock that starts at 0.

    Args:
        replays: At least one; of equal speed if they are rebased.

    Raises:
        ValueError: If there is none.
    """

    def __init__(self, replays: Sequence[Replay]) -> None:
        if not replays:
            raise ValueError("there must be at least one recording to replay, got none")
        self._replays = replays

    @property
    def start_ms(self) -> int:
        """The beginning of all of them."""
        return 0

    @property
    def finished(self) -> bool:
        """Whether all rows of all have been given."""
        return all(replay.finished for replay in self._replays)

    def until(self, time_ms: int) -> list[Outgoing]:
        """The rows recorded within ``time_ms`` of the beginning of their recording and not given yet."""
        return [outgoing for replay in self._replays for outgoing in replay.until(replay.start_ms + time_ms)]


def sample_paths() -> dict[str, Path]:
    """The recordings that come along, by name: CSV files with columns ``timestamp`` and ``value``.

    >>> sorted(sample_paths())[:2]
    ['ec2_cpu_utilization_fe7f93', 'ec2_request_latency_system_failure']
    """
    return {path.stem: path for path in sorted(_SAMPLES.glob("*.csv"))}
