"""The shape of each kind of fraud. All numbers are drawn from ranges that know nothing of any rule's threshold."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from agents.events import Int64
from load.ordinary import amounts
from load.population import COUNTRIES, FAVOURITES, Population
from load.rows import SLOTS, TRANSFER, Rows, new_rows

_UNKNOWN_SLOT = 16  # from here on a device has never been the account's own
_RECENT = 512


class Campaign(NamedTuple):
    """What a campaign's records have in common; ``key`` is an account, or the merchant or payee it is about."""

    id: str
    kind: str
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What a campaign is staged in.

    Args:
        population: The people.
        history: Payments of each account so far, shape ``(a,)``.
        start_ms: Start of the run.
        stretch: Factor on how long a campaign takes.
        recent: Accounts of the latest campaigns; nobody suffers twice at a time.
    """

    population: Population
    history: Int64
    start_ms: int
    stretch: float
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def victim(self, rng: np.random.Generator, at_least: int) -> int:
        """An account that has paid ``at_least`` so often; if there is none, the one that has paid most often."""
        known = np.flatnonzero(self.history >= at_least)
        known = known[~np.isin(known, np.array(self.recent, np.int64))]
        victim = int(rng.choice(known)) if len(known) else int(np.argmax(self.history))
        self.recent.append(victim)
        return victim

    def times(self, rng: np.random.Generator, start_ms: int, seconds: tuple[float, float], n: int) -> Int64:
        """``n`` times from ``start_ms`` on, within a span of so many seconds, stretched."""
        span_ms = rng.uniform(*seconds) * 1_000 * self.stretch
        offsets = np.sort(rng.random(n) * span_ms)
        due_ms: Int64 = start_ms + (offsets - offsets[0]).astype(np.int64)
        return due_ms

    def card_rows(self, rng: np.random.Generator, due_ms: Int64, account: Int64) -> Rows:
        """Payments as the accounts usually make them."""
        rows = new_rows(due_ms)
        rows["account"] = account
        rows["country"] = self.population.country(account, due_ms - self.start_ms)
        rows["merchant"] = self.population.favourites[account, rng.integers(0, FAVOURITES, len(rows))]
        rows["amount_cents"] = amounts(self.population, rng, account, 0.0)
        return rows


class Staged(NamedTuple):
    """The rows of a campaign, and the index of its account, or of its merchant if ``by_merchant``."""

    key: int
    by_merchant: bool
    rows: Rows


Shape = Callable[[Scene, np.random.Generator, int], Staged]


def velocity_burst(scene: Scene, rng: np.random.Generator, start_ms: int) -> Staged:
    """30-100 ordinary-looking payments of one account within 3-6 s."""
    victim = scene.victim(rng, 3)
    due_ms = scene.times(rng, start_ms, (3, 6), int(rng.integers(30, 101)))
    return Staged(victim, False, scene.card_rows(rng, due_ms, _same(victim, due_ms)))


def card_testing(scene: Scene, rng: np.random.Generator, start_ms: int) -> Staged:
    """5-15 payments of 0.50 to 3 from an unknown device within 2-5 s, then one of 200 to 2,000."""
    victim = scene.victim(rng, 3)
    due_ms = scene.times(rng, start_ms, (2, 5), int(rng.integers(6, 17)))
    rows = scene.card_rows(rng, due_ms, _same(victim, due_ms))
    rows["slot"] = rng.integers(_UNKNOWN_SLOT, SLOTS)
    rows["merchant"] = scene.population.draw_merchants(rng, 3)[rng.integers(0, 3, len(rows))]
    rows["amount_cents"] = rng.integers(50, 301, len(rows))
    rows["amount_cents"][-1] = _log_uniform(rng, 20_000, 200_000, 1)[0]
    return Staged(victim, False, rows)


def amount_outlier(scene: Scene, rng: np.random.Generator, start_ms: int) -> Staged:
    """One payment of 15-60 times the usual, of an account with at least 12 payments before."""
    victim = scene.victim(rng, 12)
    rows = scene.card_rows(rng, np.array([start_ms]), np.array([victim]))
    factor = _log_uniform(rng, 15, 60, 1)[0]
    rows["amount_cents"] = int(np.exp(scene.population.level[victim]) * factor)
    return Staged(victim, False, rows)


def new_device(scene: Scene, rng: np.random.Generator, start_ms: int) -> Staged:
    """3-5 payments of 150 to 3,000 within 2-6 s, from a country and a device that the account never used."""
    victim = scene.victim(rng, 3)
    due_ms = scene.times(rng, start_ms, (2, 6), int(rng.integers(3, 6)))
    rows = scene.card_rows(rng, due_ms, _same(victim, due_ms))
    usual = [int(scene.population.home[victim]), int(scene.population.trip_country[victim])]
    rows["country"] = rng.choice(np.delete(np.arange(len(COUNTRIES)), usual))
    rows["slot"] = rng.integers(_UNKNOWN_SLOT, SLOTS)
    rows["merchant"] = scene.population.draw_merchants(rng, len(rows))
    rows["amount_cents"] = _log_uniform(rng, 15_000, 300_000, len(rows))
    return Staged(victim, False, rows)


def mule_fan_in(scene: Scene, rng: np.random.Generator, start_ms: int) -> Staged:
    """15-40 distinct accounts transfer 50 to 900 each to one payee within 3-7 s."""
    population = scene.population
    senders = min(int(rng.integers(15, 41)), population.accounts - 1)
    account = rng.choice(population.accounts, senders + 1, replace=False)
    mule, account = int(account[0]), account[1:]
    rows = scene.card_rows(rng, scene.times(rng, start_ms, (3, 7), senders), account)
    rows["type"] = TRANSFER
    rows["merchant"] = population.merchants + mule
    rows["amount_cents"] = _log_uniform(rng, 5_000, 90_000, senders)
    return Staged(population.merchants + mule, True, rows)


def merchant_spike(scene: Scene, rng: np.random.Generator, start_ms: int) -> Staged:
    """150-400 payments of many accounts within 3-7 s at a merchant of the less busy half."""
    population = scene.population
    quiet = np.argsort(population.merchant_share)[: (population.merchants + 1) // 2]
    merchant = int(rng.choice(quiet))
    n = int(rng.integers(150, 401))
    account = population.draw_accounts(rng, n)
    rows = scene.card_rows(rng, scene.times(rng, start_ms, (3, 7), n), account)
    rows["merchant"] = merchant
    rows["amount_cents"] = amounts(population, rng, account, float(population.price[merchant]))
    return Staged(merchant, True, rows)


SHAPES: Final[dict[str, Shape]] = {
    "amount-outlier": amount_outlier,
    "card-testing": card_testing,
    "merchant-spike": merchant_spike,
    "mule-fan-in": mule_fan_in,
    "new-device": new_device,
    "velocity-burst": velocity_burst,
}
KINDS: Final = tuple(SHAPES)


def _same(account: int, due_ms: Int64) -> Int64:
    return np.full(len(due_ms), account)


def _log_uniform(rng: np.random.Generator, low: float, high: float, n: int) -> Int64:
    return np.exp(rng.uniform(np.log(low), np.log(high), n)).astype(np.int64)
