"""Campaigns of what one account, or one merchant, does more, oftener or otherwise than it used to."""

from collections.abc import Callable
from typing import Final

import numpy as np

from load.patterns.world import (
    ACCOUNTS,
    DAY_MS,
    HOUR_MS,
    MERCHANTS,
    MINUTE_MS,
    NIGHT_MS,
    Record,
    World,
    moments,
)

Shape = Callable[[World, np.random.Generator, int, int], list[Record]]


def _account_takeover(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """New details, and within half an hour a payout."""
    then_ms = start_ms + int(rng.integers(MINUTE_MS, 30 * MINUTE_MS))
    return [
        world.payment(rng, victim, start_ms, type="details_changed"),
        world.payment(rng, victim, then_ms, type="payout"),
    ]


def _amount_outlier(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One payment of 20 to 60 times the usual."""
    amount = int(np.exp(world.level[victim]) * rng.uniform(20, 60))
    return [world.payment(rng, victim, start_ms, amount_cents=amount)]


def _card_testing(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """6 to 15 payments of up to 3 within five minutes, then one of 250 to 2,000."""
    times = moments(rng, start_ms, 5 * MINUTE_MS, int(rng.integers(6, 16)))
    small = [world.payment(rng, victim, time_ms, amount_cents=int(rng.integers(50, 300))) for time_ms in times]
    large = int(rng.integers(25_000, 200_000))
    return [*small, world.payment(rng, victim, times[-1] + MINUTE_MS, amount_cents=large)]


def _distinct_burst(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """12 to 20 devices of one account within half an hour."""
    times = moments(rng, start_ms, 30 * MINUTE_MS, int(rng.integers(12, 21)))
    return [world.payment(rng, victim, time_ms, device=f"x{at}") for at, time_ms in enumerate(times)]


def _dormant(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One payment of 400 to 2,000 after weeks without any."""
    return [world.payment(rng, victim, start_ms, amount_cents=int(rng.integers(40_000, 200_000)))]


def _fan_in(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """15 to 40 accounts pay one receiver within half an hour."""
    senders = rng.permutation(ACCOUNTS)[: int(rng.integers(15, 41))].tolist()
    times = moments(rng, start_ms, 30 * MINUTE_MS, len(senders))
    return [
        world.payment(rng, sender, time_ms, type="payment", merchant=f"mule{victim}")
        for sender, time_ms in zip(senders, times, strict=True)
    ]


def _fan_out(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One account pays 15 to 40 receivers within half an hour."""
    times = moments(rng, start_ms, 30 * MINUTE_MS, int(rng.integers(15, 41)))
    return [world.payment(rng, victim, time_ms, merchant=f"new{victim}-{at}") for at, time_ms in enumerate(times)]


def _new_value(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One payment of 600 to 3,000 with a device that the account never had."""
    return [world.payment(rng, victim, start_ms, device=f"x{victim}", amount_cents=int(rng.integers(60_000, 300_000)))]


def _refund_ratio(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """8 to 15 refunds within three hours."""
    times = moments(rng, start_ms, 3 * HOUR_MS, int(rng.integers(8, 16)))
    return [world.payment(rng, victim, time_ms, type="refund") for time_ms in times]


def _round_amounts(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """7 to 12 multiples of 100 within four hours."""
    times = moments(rng, start_ms, 4 * HOUR_MS, int(rng.integers(7, 13)))
    return [world.payment(rng, victim, each, amount_cents=10_000 * int(rng.integers(1, 10))) for each in times]


def _silence(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """A sensor that reports each few minutes for half a day, then not for four to eight hours, then again."""
    gaps = rng.exponential(5 * MINUTE_MS, 144)
    gaps[-1] = rng.integers(4 * HOUR_MS, 8 * HOUR_MS)
    times = start_ms + np.cumsum(gaps).astype(np.int64)
    return [world.payment(rng, victim, int(each)) | {"account": f"sensor{victim}"} for each in times]


def _spending(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """10 to 20 payments of 500 to 1,500 within eight hours."""
    times = moments(rng, start_ms, 8 * HOUR_MS, int(rng.integers(10, 21)))
    return [world.payment(rng, victim, each, amount_cents=int(rng.integers(50_000, 150_000))) for each in times]


def _spike(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """80 to 200 accounts pay at one merchant within ten minutes."""
    buyers = rng.integers(0, ACCOUNTS, int(rng.integers(80, 201))).tolist()
    times = moments(rng, start_ms, 10 * MINUTE_MS, len(buyers))
    return [
        world.payment(rng, buyer, time_ms, merchant=f"m{victim % MERCHANTS}")
        for buyer, time_ms in zip(buyers, times, strict=True)
    ]


def _structuring(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """4 to 8 amounts from 9,000 to just below 10,000 within three days."""
    times = moments(rng, start_ms, 3 * DAY_MS, int(rng.integers(4, 9)))
    return [world.payment(rng, victim, each, amount_cents=int(rng.integers(900_000, 999_999))) for each in times]


def _unusual_hour(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One or two payments in a night of somebody who sleeps then."""
    night_ms = start_ms - start_ms % DAY_MS
    return [world.payment(rng, victim, each) for each in moments(rng, night_ms, NIGHT_MS, int(rng.integers(1, 3)))]


def _velocity(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """25 to 80 ordinary payments within five minutes."""
    times = moments(rng, start_ms, 5 * MINUTE_MS, int(rng.integers(25, 81)))
    return [world.payment(rng, victim, time_ms) for time_ms in times]


def _velocity_of_device(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """40 to 80 payments of many accounts from one device within ten minutes."""
    times = moments(rng, start_ms, 10 * MINUTE_MS, int(rng.integers(40, 81)))
    who = rng.integers(0, ACCOUNTS, len(times)).tolist()
    return [world.payment(rng, each, at, device=f"x{victim}") for each, at in zip(who, times, strict=True)]


def _velocity_of_day(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """80 to 150 ordinary payments within six hours."""
    times = moments(rng, start_ms, 6 * HOUR_MS, int(rng.integers(80, 151)))
    return [world.payment(rng, victim, each) for each in times]


def _velocity_of_minute(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """25 to 60 ordinary payments within 40 seconds."""
    times = moments(rng, start_ms, 40_000, int(rng.integers(25, 61)))
    return [world.payment(rng, victim, each) for each in times]


def _new_country(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One payment of 600 to 3,000 from a country that the account never paid from."""
    return [world.payment(rng, victim, start_ms, country="zz", amount_cents=int(rng.integers(60_000, 300_000)))]


def _new_payee(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One payment of 600 to 3,000 to somebody whom the account never paid."""
    amount = int(rng.integers(60_000, 300_000))
    return [world.payment(rng, victim, start_ms, merchant=f"p{victim}", amount_cents=amount)]


def _guessed_password(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """6 to 12 failed logins within ten minutes, then one that succeeds."""
    times = moments(rng, start_ms, 10 * MINUTE_MS, int(rng.integers(6, 13)))
    failed = [world.payment(rng, victim, each, type="login_failed") for each in times]
    return [*failed, world.payment(rng, victim, times[-1] + int(rng.integers(1_000, 60_000)), type="login")]


SHAPES: Final[dict[str, Shape]] = {
    "account_takeover": _account_takeover,
    "amount_outlier": _amount_outlier,
    "amount_outlier_mad": _amount_outlier,
    "card_testing": _card_testing,
    "distinct_burst": _distinct_burst,
    "dormant_then_active": _dormant,
    "fan_in": _fan_in,
    "fan_out": _fan_out,
    "guessed_password": _guessed_password,
    "new_country": _new_country,
    "new_payee": _new_payee,
    "new_value": _new_value,
    "refund_ratio": _refund_ratio,
    "round_amounts": _round_amounts,
    "silence": _silence,
    "spending": _spending,
    "spike": _spike,
    "structuring": _structuring,
    "unusual_hour": _unusual_hour,
    "velocity": _velocity,
    "velocity_of_day": _velocity_of_day,
    "velocity_of_device": _velocity_of_device,
    "velocity_of_minute": _velocity_of_minute,
}
