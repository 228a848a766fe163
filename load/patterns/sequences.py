"""Campaigns that are told by what follows what: money from account to account, places, entries of lists."""

from typing import Final

import numpy as np

from load.patterns.shapes import SHAPES, Shape
from load.patterns.world import ACCOUNTS, DAY_MS, HOUR_MS, MINUTE_MS, Record, World, moments

INNOCENT: Final = "innocent"
"""A record with this key is staged, and belongs to no campaign."""


def _circular_flow(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """200 to 5,000 through two or three other accounts and back, within hours, each of whom keeps up to 5 %."""
    others = rng.permutation(np.delete(np.arange(ACCOUNTS), victim))[: int(rng.integers(2, 4))].tolist()
    amount, time_ms, rows = float(rng.integers(20_000, 500_000)), start_ms, []
    for sender, receiver in zip([victim, *others], [*others, victim], strict=True):
        change: dict[str, str | float] = {"type": "transfer", "merchant": f"a{receiver}", "amount_cents": int(amount)}
        rows.append(world.payment(rng, sender, time_ms, **change))
        amount *= rng.uniform(0.95, 1.0)
        time_ms += int(rng.integers(5 * MINUTE_MS, 90 * MINUTE_MS))
    return rows


def _pass_through(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """2,000 to 9,000 come by one to three transfers, and 85 to 98 % of it goes by one to four within three hours."""
    total = rng.uniform(200_000, 900_000)
    rows, time_ms = [], start_ms
    for at, share in enumerate(rng.dirichlet(np.full(int(rng.integers(1, 4)), 8.0))):
        row = world.payment(rng, victim, time_ms, type="transfer", merchant=f"a{victim}")
        rows.append(row | {"account": f"x{victim}-{at}", "amount_cents": int(total * share)})
        time_ms += int(rng.integers(MINUTE_MS, 10 * MINUTE_MS))
    total *= rng.uniform(0.85, 0.98)
    for at, share in enumerate(rng.dirichlet(np.full(int(rng.integers(1, 5)), 8.0))):
        time_ms += int(rng.integers(2 * MINUTE_MS, 40 * MINUTE_MS))
        paid: dict[str, str | float] = {
            "type": "transfer",
            "merchant": f"y{victim}-{at}",
            "amount_cents": int(total * share),
        }
        rows.append(world.payment(rng, victim, time_ms, **paid))
    return rows


def _impossible_travel(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """A payment where the account is, and within the hour one at least 25 degrees further south or north."""
    here = world.payment(rng, victim, start_ms)
    shift = float(rng.uniform(25, 60)) * (-1.0 if here["latitude"] > 10 else 1.0)
    there = world.payment(rng, victim, start_ms + int(rng.integers(5 * MINUTE_MS, HOUR_MS)))
    return [here, there | {"latitude": here["latitude"] + shift, "longitude": float(rng.uniform(-180, 180))}]


def _new_account(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """An account that nobody knows pays little, and within twelve hours 600 to 3,000."""
    own = {"account": f"n{victim}", "device": f"n{victim}"}
    later_ms = start_ms + int(rng.integers(10 * MINUTE_MS, 12 * HOUR_MS))
    large = world.payment(rng, victim, later_ms, amount_cents=int(rng.integers(60_000, 300_000)))
    return [world.payment(rng, victim, start_ms) | own, large | own]


def _declined_then_large(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """6 to 15 declined payments within 20 minutes, then one of 250 to 2,000 that is not."""
    times = moments(rng, start_ms, 20 * MINUTE_MS, int(rng.integers(6, 16)))
    refused = [world.payment(rng, victim, each, type="declined") for each in times]
    amount = int(rng.integers(25_000, 200_000))
    return [*refused, world.payment(rng, victim, times[-1] + MINUTE_MS, amount_cents=amount)]


def _block_list(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """An account is listed for two days and pays within one; another one's entry has ended before it pays."""
    until_ms = start_ms + 2 * DAY_MS
    entry = {"type": "list", "list": "found", "until": until_ms, "reason": "chargeback", INNOCENT: True}
    paid_ms = start_ms + int(rng.integers(MINUTE_MS, DAY_MS))
    over = {"type": "list", "list": "found", "until": start_ms + HOUR_MS, INNOCENT: True}
    return [
        world.payment(rng, victim, start_ms) | entry,
        world.payment(rng, victim, paid_ms),
        world.payment(rng, victim, start_ms) | {"account": f"z{victim}"} | over,
        world.payment(rng, victim, start_ms + 2 * HOUR_MS) | {"account": f"z{victim}", INNOCENT: True},
    ]


def _allow_list(world: World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """The same burst twice: of an account that is allowed to, and of one that was until an hour before."""
    burst, rows = SHAPES["velocity"], []
    for name, until_ms, innocent in (
        (f"t{victim}", start_ms + DAY_MS, True),
        (f"w{victim}", start_ms - HOUR_MS, False),
    ):
        entry = {"type": "list", "list": "trusted", "until": until_ms, INNOCENT: True, "account": name}
        rows.append(world.payment(rng, victim, start_ms - 2 * HOUR_MS) | entry)
        own = {"account": name} | ({INNOCENT: True} if innocent else {})
        rows += [row | own for row in burst(world, rng, victim, start_ms)]
    return rows


ALL_SHAPES: Final[dict[str, Shape]] = {
    **SHAPES,
    "allow_list": _allow_list,
    "block_list": _block_list,
    "circular_flow": _circular_flow,
    "declined_then_large": _declined_then_large,
    "impossible_travel": _impossible_travel,
    "new_account": _new_account,
    "pass_through": _pass_through,
}
"""The shape of each campaign, by name."""
