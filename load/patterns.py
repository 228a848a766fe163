"""Weeks of ordinary records, and campaigns that each pattern of the catalogue is there to find, with the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.events import Int64

START_MS: Final = 1_700_000_000_000
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_NIGHT_MS = 6 * _HOUR_MS  # from midnight, UTC
_ACCOUNTS, _MERCHANTS, _COUNTRIES = 200, 100, 12
_RECORDS = 24_000
_DAYS, _HISTORY_DAYS = 12, 6  # campaigns start when everybody has a history
_SLOW = {"amount_outlier", "dormant_then_active", "new_value", "structuring", "unusual_hour"}  # seen over weeks
_SLOWER = 4

Record = dict[str, Any]


class Staged(NamedTuple):
    """Records in the order of time, and which of them, by id, belong to which campaign."""

    records: list[Record]
    truth: dict[str, str]


@dataclass(frozen=True, slots=True)
class _World:
    """Who there is: usual amount, home and merchants of each account."""

    level: NDArray[np.float64]
    home: Int64
    favourites: Int64

    def payments(self, rng: np.random.Generator, account: Int64, time_ms: Int64) -> list[Record]:
        """What these accounts usually do at these times."""
        n = len(account)
        favourite = self.favourites[account, rng.integers(0, self.favourites.shape[1], n)]
        columns = (
            np.where(rng.random(n) < 0.02, "refund", "payment"),
            time_ms,
            account,
            np.where(rng.random(n) < 0.9, favourite, rng.integers(0, _MERCHANTS, n)),
            rng.random(n) < 0.2,
            self.home[account],
            np.exp(self.level[account] + rng.normal(0.0, 0.5, n)).astype(np.int64),
        )
        return [
            {
                "type": kind,
                "ts": ts,
                "account": f"a{who}",
                "merchant": f"m{merchant}",
                "device": f"d{who}-{int(second)}",
                "country": f"k{home}",
                "amount_cents": cents,
            }
            for kind, ts, who, merchant, second, home, cents in zip(*(each.tolist() for each in columns), strict=True)
        ]

    def payment(self, rng: np.random.Generator, account: int, time_ms: int, **changes: str | int) -> Record:
        """What the account usually does, but for the changes."""
        return self.payments(rng, np.array([account]), np.array([time_ms]))[0] | changes


Shape = Callable[[_World, np.random.Generator, int, int], list[Record]]


def staged(kind: str, *, share: float, seed: int) -> Staged:
    """Twelve days of 200 accounts, or seven weeks if need be, with campaigns of one kind, each against another account.

    Args:
        kind: Of ``SHAPES``.
        share: Of all records, that are to belong to campaigns, as far as half of the accounts suffice; there is one
            campaign at least.
        seed: Of all chance.
    """
    slower = _SLOWER if kind in _SLOW else 1
    days, history_days = slower * _DAYS, slower * _HISTORY_DAYS
    world, ordinary = _ordinary(seed, days)
    rng = np.random.default_rng((seed, 1))
    away: dict[str, int] = {}  # since when nothing comes of an account
    asleep: set[str] = set()  # accounts that do nothing at night
    marked: list[tuple[str, Record]] = []
    for number, victim in enumerate(rng.permutation(_ACCOUNTS)[: _ACCOUNTS // 2].tolist()):
        if number and len(marked) >= share * len(ordinary):
            break
        start_ms = START_MS + int(rng.integers(history_days * 5 // 4, days) * _DAY_MS + rng.integers(_DAY_MS // 2))
        if kind == "dormant_then_active":
            away[f"a{victim}"] = start_ms - history_days * _DAY_MS
        if kind == "unusual_hour":
            asleep.add(f"a{victim}")
        marked += [(f"{kind}-{number}", row) for row in SHAPES[kind](world, rng, victim, start_ms)]
    usual = [("", row) for row in ordinary if _may_be(row, away, asleep)]
    everything = sorted([*usual, *marked], key=lambda each: each[1]["ts"])
    records = [{"id": f"r{at}", **record} for at, (_, record) in enumerate(everything)]
    return Staged(records, {f"r{at}": name for at, (name, _) in enumerate(everything) if name})


def _may_be(row: Record, away: dict[str, int], asleep: set[str]) -> bool:
    """Whether an ordinary record agrees with what the campaigns need."""
    is_night = row["ts"] % _DAY_MS < _NIGHT_MS
    return bool(row["ts"] < away.get(row["account"], row["ts"] + 1)) and not (is_night and row["account"] in asleep)


@lru_cache(maxsize=2)
def _ordinary(seed: int, days: int) -> tuple[_World, list[Record]]:
    rng = np.random.default_rng((seed, 0))
    world = _World(
        level=rng.normal(np.log(2_500), 0.6, _ACCOUNTS),
        home=rng.integers(0, _COUNTRIES, _ACCOUNTS),
        favourites=rng.integers(0, _MERCHANTS, (_ACCOUNTS, 5)),
    )
    who = rng.integers(0, _ACCOUNTS, _RECORDS)
    return world, world.payments(rng, who, START_MS + rng.integers(0, days * _DAY_MS, _RECORDS))


def _times(rng: np.random.Generator, start_ms: int, span_ms: int, n: int) -> list[int]:
    return [int(each) for each in np.sort(start_ms + rng.integers(0, span_ms, n))]


def _account_takeover(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """New details, and within half an hour a payout."""
    then_ms = start_ms + int(rng.integers(_MINUTE_MS, 30 * _MINUTE_MS))
    return [
        world.payment(rng, victim, start_ms, type="details_changed"),
        world.payment(rng, victim, then_ms, type="payout"),
    ]


def _amount_outlier(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One payment of 20 to 60 times the usual."""
    amount = int(np.exp(world.level[victim]) * rng.uniform(20, 60))
    return [world.payment(rng, victim, start_ms, amount_cents=amount)]


def _card_testing(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """6 to 15 payments of up to 3 within five minutes, then one of 250 to 2,000."""
    times = _times(rng, start_ms, 5 * _MINUTE_MS, int(rng.integers(6, 16)))
    small = [world.payment(rng, victim, time_ms, amount_cents=int(rng.integers(50, 300))) for time_ms in times]
    large = int(rng.integers(25_000, 200_000))
    return [*small, world.payment(rng, victim, times[-1] + _MINUTE_MS, amount_cents=large)]


def _distinct_burst(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """12 to 20 devices of one account within half an hour."""
    times = _times(rng, start_ms, 30 * _MINUTE_MS, int(rng.integers(12, 21)))
    return [world.payment(rng, victim, time_ms, device=f"x{at}") for at, time_ms in enumerate(times)]


def _dormant(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One payment of 400 to 2,000 after weeks without any."""
    return [world.payment(rng, victim, start_ms, amount_cents=int(rng.integers(40_000, 200_000)))]


def _fan_in(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """15 to 40 accounts pay one receiver within half an hour."""
    senders = rng.permutation(_ACCOUNTS)[: int(rng.integers(15, 41))].tolist()
    times = _times(rng, start_ms, 30 * _MINUTE_MS, len(senders))
    return [
        world.payment(rng, sender, time_ms, type="payment", merchant=f"mule{victim}")
        for sender, time_ms in zip(senders, times, strict=True)
    ]


def _fan_out(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One account pays 15 to 40 receivers within half an hour."""
    times = _times(rng, start_ms, 30 * _MINUTE_MS, int(rng.integers(15, 41)))
    return [world.payment(rng, victim, time_ms, merchant=f"new{victim}-{at}") for at, time_ms in enumerate(times)]


def _new_value(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One payment of 600 to 3,000 with a device that the account never had."""
    return [world.payment(rng, victim, start_ms, device=f"x{victim}", amount_cents=int(rng.integers(60_000, 300_000)))]


def _refund_ratio(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """8 to 15 refunds within three hours."""
    times = _times(rng, start_ms, 3 * _HOUR_MS, int(rng.integers(8, 16)))
    return [world.payment(rng, victim, time_ms, type="refund") for time_ms in times]


def _round_amounts(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """7 to 12 multiples of 100 within four hours."""
    times = _times(rng, start_ms, 4 * _HOUR_MS, int(rng.integers(7, 13)))
    return [world.payment(rng, victim, each, amount_cents=10_000 * int(rng.integers(1, 10))) for each in times]


def _silence(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """A sensor that reports each few minutes for half a day, then not for four to eight hours, then again."""
    gaps = rng.exponential(5 * _MINUTE_MS, 144)
    gaps[-1] = rng.integers(4 * _HOUR_MS, 8 * _HOUR_MS)
    times = start_ms + np.cumsum(gaps).astype(np.int64)
    return [world.payment(rng, victim, int(each)) | {"account": f"sensor{victim}"} for each in times]


def _spending(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """10 to 20 payments of 500 to 1,500 within eight hours."""
    times = _times(rng, start_ms, 8 * _HOUR_MS, int(rng.integers(10, 21)))
    return [world.payment(rng, victim, each, amount_cents=int(rng.integers(50_000, 150_000))) for each in times]


def _spike(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """80 to 200 accounts pay at one merchant within ten minutes."""
    buyers = rng.integers(0, _ACCOUNTS, int(rng.integers(80, 201))).tolist()
    times = _times(rng, start_ms, 10 * _MINUTE_MS, len(buyers))
    return [
        world.payment(rng, buyer, time_ms, merchant=f"m{victim % _MERCHANTS}")
        for buyer, time_ms in zip(buyers, times, strict=True)
    ]


def _structuring(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """4 to 8 amounts from 9,000 to just below 10,000 within three days."""
    times = _times(rng, start_ms, 3 * _DAY_MS, int(rng.integers(4, 9)))
    return [world.payment(rng, victim, each, amount_cents=int(rng.integers(900_000, 999_999))) for each in times]


def _unusual_hour(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """One or two payments in a night of somebody who sleeps then."""
    night_ms = start_ms - start_ms % _DAY_MS
    return [world.payment(rng, victim, each) for each in _times(rng, night_ms, _NIGHT_MS, int(rng.integers(1, 3)))]


def _velocity(world: _World, rng: np.random.Generator, victim: int, start_ms: int) -> list[Record]:
    """25 to 80 ordinary payments within five minutes."""
    times = _times(rng, start_ms, 5 * _MINUTE_MS, int(rng.integers(25, 81)))
    return [world.payment(rng, victim, time_ms) for time_ms in times]


SHAPES: Final[dict[str, Shape]] = {
    "account_takeover": _account_takeover,
    "amount_outlier": _amount_outlier,
    "card_testing": _card_testing,
    "distinct_burst": _distinct_burst,
    "dormant_then_active": _dormant,
    "fan_in": _fan_in,
    "fan_out": _fan_out,
    "new_value": _new_value,
    "refund_ratio": _refund_ratio,
    "round_amounts": _round_amounts,
    "silence": _silence,
    "spending": _spending,
    "spike": _spike,
    "structuring": _structuring,
    "unusual_hour": _unusual_hour,
    "velocity": _velocity,
}
