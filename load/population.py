"""Who pays: accounts with habits, merchants with prices. Drawn once from the seed."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.events import Int64

Floats = NDArray[np.float64]

_EURO = ("DE", "FR", "IT", "ES", "NL", "BE", "AT", "PT", "FI", "IE", "GR")
_OTHERS = {
    "PL": "PLN",
    "SE": "SEK",
    "DK": "DKK",
    "CZ": "CZK",
    "RO": "RON",
    "GB": "GBP",
    "CH": "CHF",
    "NO": "NOK",
    "US": "USD",
    "CA": "CAD",
    "TR": "TRY",
    "BR": "BRL",
    "AE": "AED",
    "TH": "THB",
    "NG": "NGN",
}
COUNTRIES: Final = (*_EURO, *_OTHERS)
CURRENCIES: Final = tuple(_OTHERS.get(country, "EUR") for country in COUNTRIES)
HOME_COUNTRIES = 16  # nobody of this bank lives in the others

FAVOURITES = 8
PAYEES = 3
MAX_DEVICES = 3
REPLACEMENT_SLOT = MAX_DEVICES  # device slots 0-2 are an account's own, 3 is the phone that replaces the first
COLLECTORS = 3  # payees with a steady flow from everybody: a landlord, a charity, a club
MIN_CENTS, MAX_CENTS = 50, 2_000_000

_LOG_25_EUR = float(np.log(2_500))
_NEVER_MS = 1 << 60
_BUSY_SHOPS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Population:
    """Habits of ``a`` accounts and ``m`` merchants.

    A payee of a transfer has the index ``m + account``, in the same column as the merchants. What a rule must not
    mistake for fraud is in here too: travellers, replaced phones, busy shops, popular payees.

    Args:
        account_cdf: Cumulative share of payments, shape ``(a,)``.
        merchant_cdf: Cumulative share of card payments, shape ``(m,)``.
        merchant_share: Share of card payments, shape ``(m,)``.
        home: Country index, shape ``(a,)``.
        devices: Number of devices, 1-3, shape ``(a,)``.
        level: Log of the median amount in cents, shape ``(a,)``.
        spread: Standard deviation of the log amount, shape ``(a,)``.
        price: Log of the merchant's price level relative to the others, shape ``(m,)``.
        favourites: Merchants, the first most often, shape ``(a, FAVOURITES)``.
        payees: Whom transfers go to, shape ``(a, PAYEES)``.
        trip_country: Where a traveller goes; the home country of everybody else, shape ``(a,)``.
        trip_phase_ms: Shifts the trips, shape ``(a,)``.
        trip_every_ms: From one trip to the next, shape ``(a,)``.
        trip_ms: How long a trip lasts, shape ``(a,)``.
        replaced_ms: When the first device is replaced, since the start, shape ``(a,)``.
        busy_shop: The shop that has a sale in each span of time, cyclic.
        busy_factor: By how much its payments then increase.
        busy_ms: Length of such a span.
    """

    account_cdf: Floats
    merchant_cdf: Floats
    merchant_share: Floats
    home: Int64
    devices: Int64
    level: Floats
    spread: Floats
    price: Floats
    favourites: Int64
    payees: Int64
    trip_country: Int64
    trip_phase_ms: Int64
    trip_every_ms: Int64
    trip_ms: Int64
    replaced_ms: Int64
    busy_shop: Int64
    busy_factor: Floats
    busy_ms: int = 20_000

    @property
    def accounts(self) -> int:
        """How many there are."""
        return len(self.home)

    @property
    def merchants(self) -> int:
        """How many there are."""
        return len(self.price)

    def draw_accounts(self, rng: np.random.Generator, n: int) -> Int64:
        """``n`` accounts by their share of payments."""
        return _draw(rng, self.account_cdf, n)

    def draw_merchants(self, rng: np.random.Generator, n: int) -> Int64:
        """``n`` merchants by their share of payments."""
        return _draw(rng, self.merchant_cdf, n)

    def country(self, account: Int64, elapsed_ms: Int64) -> Int64:
        """Where the holder of each account is at that time since the start, shape ``(n,)``."""
        at = (elapsed_ms + self.trip_phase_ms[account]) % self.trip_every_ms[account]
        return np.where(at < self.trip_ms[account], self.trip_country[account], self.home[account])


def populate(rng: np.random.Generator, accounts: int, merchants: int, interval_ms: float) -> Population:
    """Draw a population.

    Args:
        rng: Source of all chance.
        accounts: How many.
        merchants: How many.
        interval_ms: Mean time between payments of one account; trips and replacements are scaled by it, so that an
            account has habits before it changes them, at any rate.

    Cost: about 2 us an account.
    """
    account_share = rng.permutation(_zipf(accounts, skew=0.5, shift=20))
    merchant_share = rng.permutation(_zipf(merchants, skew=0.7, shift=5))
    home = _draw(rng, np.cumsum(_zipf(HOME_COUNTRIES, skew=1.0, shift=0)), accounts)
    travels = rng.random(accounts) < 0.02
    abroad = (home + rng.integers(1, len(COUNTRIES), accounts)) % len(COUNTRIES)
    trip_every_ms = (interval_ms * rng.uniform(100, 400, accounts)).astype(np.int64) + 1
    replaces = rng.random(accounts) < 0.05
    replaced_ms = (interval_ms * rng.uniform(4, 400, accounts)).astype(np.int64)
    payees = rng.integers(0, accounts, (accounts, PAYEES))
    gives = rng.random(accounts) < 0.03
    payees[gives, 0] = rng.integers(0, accounts, COLLECTORS)[rng.integers(0, COLLECTORS, int(gives.sum()))]
    busy = np.argsort(-merchant_share)[: max(1, merchants // 10)]
    merchant_cdf = np.cumsum(merchant_share)
    return Population(
        account_cdf=np.cumsum(account_share),
        merchant_cdf=merchant_cdf,
        merchant_share=merchant_share,
        home=home,
        devices=rng.choice(np.arange(1, MAX_DEVICES + 1), accounts, p=(0.6, 0.3, 0.1)),
        level=rng.normal(_LOG_25_EUR, 0.5, accounts),
        spread=rng.uniform(0.2, 0.45, accounts),
        price=rng.normal(0.0, 0.25, merchants),
        favourites=_draw(rng, merchant_cdf, accounts * FAVOURITES).reshape(accounts, FAVOURITES),
        payees=payees + merchants,
        trip_country=np.where(travels, abroad, home),
        trip_phase_ms=(rng.random(accounts) * trip_every_ms).astype(np.int64),
        trip_every_ms=trip_every_ms,
        trip_ms=(interval_ms * rng.uniform(10, 40, accounts)).astype(np.int64),
        replaced_ms=np.where(replaces, replaced_ms, _NEVER_MS),
        busy_shop=busy[rng.integers(0, len(busy), _BUSY_SHOPS)],
        busy_factor=rng.uniform(2, 4, _BUSY_SHOPS),
    )


def _zipf(n: int, *, skew: float, shift: float) -> Floats:
    """Shares by Zipf and Mandelbrot's law; ``shift`` keeps the first few from dwarfing the rest."""
    weight = (np.arange(1, n + 1) + shift) ** -skew
    return np.asarray(weight / weight.sum(), np.float64)


def _draw(rng: np.random.Generator, cdf: Floats, n: int) -> Int64:
    # a random number may exceed the last entry by a rounding error
    return np.minimum(np.searchsorted(cdf, rng.random(n), side="right"), len(cdf) - 1)
