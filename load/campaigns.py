"""When fraud happens: campaigns of every kind, at random times, each record labelled."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.events import Int64
from load.campaign_kinds import KINDS, SHAPES, Campaign, Scene, Staged
from load.population import Population
from load.rows import Encoder, Rows, in_order, new_rows

_REMEMBERED = 4_096  # campaigns whose name is still known; far more than run at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignConfig:
    """How much fraud, by event time.

    One campaign of each kind starts at a random time within each period: ``[warmup, warmup + period)``,
    ``[warmup + period, warmup + 2 period)`` and so on. With the defaults each kind starts twice between 8 s and 22 s.

    Args:
        kinds: Which kinds, of ``KINDS``.
        warmup_ms: Before this there is none, so that accounts have a history.
        period_ms: Length of a period.
        stretch: Factor on how long a campaign takes; at 1 they take 2 to 7 s, made for a short run.

    Raises:
        ValueError: If a kind is unknown, or a length or factor is not positive.
    """

    kinds: Sequence[str] = KINDS
    warmup_ms: int = 8_000
    period_ms: int = 7_000
    stretch: float = 1.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"unknown kind of campaign {unknown[0]!r}; there are {', '.join(KINDS)}")
        if self.warmup_ms < 0 or self.period_ms <= 0 or self.stretch <= 0:
            lengths = f"{self.warmup_ms} ms, {self.period_ms} ms, {self.stretch}"
            raise ValueError(f"warmup, period and stretch of campaigns must be positive, got {lengths}")


class Campaigns:
    """Stage campaigns as time goes on; driven by the generator, block by block.

    Args:
        config: How much.
        population: Who.
        seed: Of all chance; each campaign has its own generator, so leaving one kind out changes no other's times.
        start_ms: Start of the run, Unix ms.
        encoder: Names the keys.
        run: Start of each campaign's id.
    """

    def __init__(
        self, config: CampaignConfig, population: Population, *, seed: int, start_ms: int, encoder: Encoder, run: str
    ) -> None:
        self._config, self._seed, self._start_ms = config, seed, start_ms
        self._encoder, self._run = encoder, run
        history = np.zeros(population.accounts, np.int64)
        self._scene = Scene(population=population, history=history, start_ms=start_ms, stretch=config.stretch)
        self._started = 0
        self._running: dict[int, Campaign] = {}
        self._waiting = new_rows(np.empty(0, np.int64))
        self._starts: list[tuple[int, int, int]] = []  # start, index of the kind, how many of that kind before
        for kind in sorted(set(config.kinds)):
            self._schedule(KINDS.index(kind), 0)

    def __getitem__(self, index: int) -> Campaign:
        """The campaign of rows that hold ``index``."""
        return self._running[index]

    def learn(self, account: Int64) -> None:
        """Take note of who has paid."""
        np.add.at(self._scene.history, account, 1)

    def until(self, end_ms: int) -> Rows:
        """The rows due before ``end_ms`` and not given yet, by due time."""
        while self._starts and self._starts[0][0] < end_ms:
            start_ms, kind, number = heapq.heappop(self._starts)
            self._stage(start_ms, kind, number)
            self._schedule(kind, number + 1)
        stop = int(np.searchsorted(self._waiting["due_ms"], end_ms))
        due, self._waiting = self._waiting[:stop], self._waiting[stop:]
        return due

    def _schedule(self, kind: int, number: int) -> None:
        rng = np.random.default_rng((self._seed, kind, number, 0))
        at_ms = self._config.warmup_ms + int((number + rng.random()) * self._config.period_ms)
        heapq.heappush(self._starts, (self._start_ms + at_ms, kind, number))

    def _stage(self, start_ms: int, kind: int, number: int) -> None:
        rng = np.random.default_rng((self._seed, kind, number, 1))
        staged = SHAPES[KINDS[kind]](self._scene, rng, start_ms)
        rows = staged.rows
        rows["campaign"] = self._started
        self._running[self._started] = Campaign(f"{self._run}-{KINDS[kind]}-{number}", KINDS[kind], self._key(staged))
        self._running.pop(self._started - _REMEMBERED, None)
        self._started += 1
        self._waiting = in_order(self._waiting, rows)

    def _key(self, staged: Staged) -> str:
        return self._encoder.merchant(staged.key) if staged.by_merchant else self._encoder.account(staged.key)
