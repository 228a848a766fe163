"""What people pay on an ordinary day, some of it odd enough to look like fraud."""

import numpy as np

from agents.events import Int64
from load.population import FAVOURITES, MAX_CENTS, MIN_CENTS, PAYEES, REPLACEMENT_SLOT, Floats, Population
from load.rows import TRANSFER, Rows, new_rows

_TRANSFERS = 0.08
_LOYALTY = 0.8
_BIG_PURCHASES = 0.0002


def ordinary(population: Population, rng: np.random.Generator, due_ms: Int64, start_ms: int) -> Rows:
    """One row for each of ``due_ms``; ``start_ms`` is the start of the run.

    Cost: about 0.4 us a row.
    """
    rows, n = new_rows(due_ms), len(due_ms)
    elapsed_ms = due_ms - start_ms
    account = population.draw_accounts(rng, n)
    country = population.country(account, elapsed_ms)
    is_transfer = rng.random(n) < _TRANSFERS
    merchant = _merchants(population, rng, account, elapsed_ms)
    payee = population.payees[account, rng.integers(0, PAYEES, n)]
    rows["account"] = account
    rows["country"] = country
    rows["type"] = is_transfer * TRANSFER
    rows["merchant"] = np.where(is_transfer, payee, merchant)
    rows["slot"] = _slots(population, rng, account, elapsed_ms)
    log_factor = np.where(is_transfer, 0.4, population.price[merchant])
    log_factor += np.where(country == population.home[account], 0.0, 0.3)
    rows["amount_cents"] = amounts(population, rng, account, log_factor)
    big = np.flatnonzero(rng.random(n) < _BIG_PURCHASES)
    rows["amount_cents"][big] = (rows["amount_cents"][big] * rng.uniform(3, 8, len(big))).astype(np.int64)
    return rows


def amounts(population: Population, rng: np.random.Generator, account: Int64, log_factor: Floats | float) -> Int64:
    """What each account usually pays, in cents, times ``exp(log_factor)``."""
    log_cents = population.level[account] + population.spread[account] * rng.standard_normal(len(account)) + log_factor
    return np.clip(np.exp(log_cents), MIN_CENTS, MAX_CENTS).astype(np.int64)


def _merchants(population: Population, rng: np.random.Generator, account: Int64, elapsed_ms: Int64) -> Int64:
    n = len(account)
    favourite = population.favourites[account, (FAVOURITES * rng.random(n) ** 2).astype(np.int64)]
    merchant = np.where(rng.random(n) < _LOYALTY, favourite, population.draw_merchants(rng, n))
    span = elapsed_ms // population.busy_ms % len(population.busy_shop)
    shop = population.busy_shop[span]
    more = population.merchant_share[shop] * (population.busy_factor[span] - 1)
    return np.where(rng.random(n) < more, shop, merchant)


def _slots(population: Population, rng: np.random.Generator, account: Int64, elapsed_ms: Int64) -> Int64:
    slot = (population.devices[account] * rng.random(len(account))).astype(np.int64)
    replaced = (slot == 0) & (elapsed_ms >= population.replaced_ms[account])
    return np.where(replaced, REPLACEMENT_SLOT, slot)
