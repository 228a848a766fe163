"""A seeded stream of card payments and transfers, with labelled fraud in it."""

import hashlib
from dataclasses import dataclass

import numpy as np
import orjson

from agents.events import Outgoing, Records
from load.campaigns import CampaignConfig, Campaigns
from load.faults import Faults, Sent, disturb, spoil
from load.ordinary import ordinary
from load.population import populate
from load.rows import COPY, Encoder, Rows, in_order, new_rows

_NO_FAULTS = Faults()
_SOME_FRAUD = CampaignConfig()
_DAY_MS = 86_400_000
_BLOCK_RECORDS = 4_000
_MAX_BLOCK_MS = 1_000
_MIN_BLOCK_MS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentsConfig:
    """What to generate.

    Args:
        rate_per_s: Ordinary records a second of event time; campaigns and copies come on top.
        seed: Of all chance.
        start_ms: Event time at which the stream starts, Unix ms.
        accounts: How many accounts pay. An account pays every ``accounts / rate_per_s`` seconds on average; at more
            than one payment a second, bursts are hard to tell from the usual.
        merchants: How many merchants there are.
        topic: Where records go; the ground truth goes to ``<topic>.truth``.
        campaigns: The fraud; ``None`` for none.
        faults: What goes wrong on the way.
        ramp_ms: The rate rises from 0 to ``rate_per_s`` over so long.
        day_swing: How much more than on average is paid at 15:00 UTC, and less at 03:00, 0-1.

    Raises:
        ValueError: If a number is out of range.
    """

    rate_per_s: float
    seed: int
    start_ms: int
    accounts: int = 10_000
    merchants: int = 2_000
    topic: str = "payments"
    campaigns: CampaignConfig | None = _SOME_FRAUD
    faults: Faults = _NO_FAULTS
    ramp_ms: int = 0
    day_swing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.rate_per_s <= 10_000_000:
            raise ValueError(f"rate must be above 0 and at most 10,000,000 records/s, got {self.rate_per_s}")
        if self.seed < 0 or self.start_ms < 0 or self.ramp_ms < 0:
            numbers = f"{self.seed}, {self.start_ms}, {self.ramp_ms}"
            raise ValueError(f"seed, start and ramp must not be negative, got {numbers}")
        if not (50 <= self.accounts <= 10_000_000 and 20 <= self.merchants <= 1_000_000):
            numbers = f"{self.accounts} and {self.merchants}"
            raise ValueError(f"there must be 50 to 10,000,000 accounts and 20 to 1,000,000 merchants, got {numbers}")
        if not 0 <= self.day_swing <= 1:
            raise ValueError(f"day swing must be from 0 to 1, got {self.day_swing}")

    @property
    def truth_topic(self) -> str:
        """Where the ground truth goes."""
        return f"{self.topic}.truth"

    def rate_at(self, time_ms: float) -> float:
        """Ordinary records a second at that event time."""
        ramp = 1.0 if self.ramp_ms == 0 else min(1.0, (time_ms - self.start_ms) / self.ramp_ms)
        swing = 1 - self.day_swing * np.cos(2 * np.pi * (time_ms / _DAY_MS - 0.125))
        return float(self.rate_per_s * ramp * swing)


class PaymentsLoad:
    """Generate payments as time goes on.

    The same config gives the same bytes, however time is cut: the stream is made in blocks of fixed length. Nothing
    in it comes from a clock; who calls decides how fast event time goes by.

    Args:
        config: What to generate.

    Cost: about 1.2 us a record at high rates; a block of up to 4,000 records is made at once. About 400 bytes for each
    account.

    >>> load = PaymentsLoad(PaymentsConfig(rate_per_s=100, seed=7, start_ms=1_700_000_000_000))
    >>> [outgoing] = load.until(1_700_000_001_000)
    >>> outgoing.topic, len(outgoing.records)
    ('payments', 100)
    """

    def __init__(self, config: PaymentsConfig) -> None:
        interval_ms = 1_000 * config.accounts / config.rate_per_s
        people, self._flow_rng, self._fault_rng = np.random.default_rng(config.seed).spawn(3)
        self._config = config
        self._population = populate(people, config.accounts, config.merchants, interval_ms)
        run = hashlib.blake2b(f"{config.seed}/{config.start_ms}".encode(), digest_size=3).hexdigest()
        self._encoder = Encoder(run, self._population)
        fraud = config.campaigns or CampaignConfig(kinds=())
        self._campaigns = Campaigns(
            fraud, self._population, seed=config.seed, start_ms=config.start_ms, encoder=self._encoder, run=run
        )
        block_ms = int(1_000 * _BLOCK_RECORDS / config.rate_per_s)
        self._block_ms = min(max(block_ms, _MIN_BLOCK_MS), _MAX_BLOCK_MS)
        self._next_ms = config.start_ms
        self._owed = 0.0
        self._seq = 0
        self._copies = self._ready = new_rows(np.empty(0, np.int64))
        self._keys: list[bytes] = []
        self._values: list[bytes | None] = []
        self._given = 0
        self.sent = Sent()

    @property
    def start_ms(self) -> int:
        """Event time at which the stream starts."""
        return self._config.start_ms

    @property
    def finished(self) -> bool:
        """A generated stream never ends by itself."""
        return False

    def until(self, time_ms: int) -> list[Outgoing]:
        """The records due before ``time_ms`` and not given yet, and the ground truth of those in campaigns."""
        keys: list[bytes] = []
        values: list[bytes | None] = []
        truth: list[tuple[bytes, bytes]] = []
        while self._given < len(self._ready) or self._next_ms < time_ms:
            if self._given == len(self._ready):
                self._make_block()
            start, stop = self._given, int(np.searchsorted(self._ready["due_ms"], time_ms))
            if stop == start < len(self._ready):
                break
            rows = self._ready[start:stop]
            keys += self._keys[start:stop]
            values += self._values[start:stop]
            truth += self._truth(rows)
            self.sent.add(rows)
            self._given = stop
        outgoing = [Outgoing(self._config.topic, None, Records(values=values, keys=keys))] if values else []
        if truth:
            labels = Records(keys=[key for key, _ in truth], values=[value for _, value in truth])
            outgoing.append(Outgoing(self._config.truth_topic, None, labels))
        return outgoing

    def _make_block(self) -> None:
        start_ms, end_ms = self._next_ms, self._next_ms + self._block_ms
        self._owed += self._config.rate_at((start_ms + end_ms) / 2) * self._block_ms / 1_000
        n = int(self._owed + 1e-6)  # sums of fractions fall short of a whole number by a rounding error
        self._owed -= n
        due_ms = start_ms + np.sort((self._flow_rng.random(n) * self._block_ms).astype(np.int64))
        flow = ordinary(self._population, self._flow_rng, due_ms, self._config.start_ms)
        rows = in_order(flow, self._campaigns.until(end_ms))
        self._campaigns.learn(flow["account"])
        rows["seq"] = self._seq + np.arange(len(rows))
        self._seq += len(rows)
        self._next_ms = end_ms
        if self._config.faults != _NO_FAULTS:
            rows = self._with_faults(rows, end_ms)
        self._ready, self._given = rows, 0
        self._keys, payloads = self._encoder.encode(rows)
        self._values = list(payloads)
        for at in np.flatnonzero(rows["malformed"]).tolist():
            self._values[at] = spoil(int(rows["malformed"][at]), payloads[at], int(rows["seq"][at]))

    def _with_faults(self, rows: Rows, end_ms: int) -> Rows:
        copies = disturb(self._config.faults, self._fault_rng, rows)
        rows = in_order(rows, self._copies, copies)
        stop = int(np.searchsorted(rows["due_ms"], end_ms))
        rows, self._copies = rows[:stop], rows[stop:]
        return rows

    def _truth(self, rows: Rows) -> list[tuple[bytes, bytes]]:
        labelled = rows[(rows["campaign"] >= 0) & ((rows["flags"] & COPY) == 0)]
        truth = []
        for index, seq, ts in zip(*(labelled[name].tolist() for name in ("campaign", "seq", "ts")), strict=True):
            campaign = self._campaigns[index]
            label = {"id": self._encoder.record_id(seq), "campaign": campaign.id, "kind": campaign.kind}
            truth.append((campaign.id.encode(), orjson.dumps(label | {"key": campaign.key, "ts": ts})))
        return truth
