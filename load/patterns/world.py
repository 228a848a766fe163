"""Who there is, and what they usually do: weeks of ordinary records, with what makes a campaign hard to tell."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.events import Int64

START_MS: Final = 1_700_000_000_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
NIGHT_MS: Final = 6 * HOUR_MS  # from midnight, UTC
ACCOUNTS: Final = 200
MERCHANTS: Final = 100
NEWCOMERS: Final = 20  # the last accounts, which come when others are known for long
_COUNTRIES, _EMPLOYERS, _RECORDS = 12, 5, 24_000

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """Usual amount, home, merchants and friends of each account.

    Args:
        level: Logarithm of the usual amount, shape ``(a,)``.
        home: Country, shape ``(a,)``.
        favourites: Merchants, shape ``(a, 5)``.
        friends: Accounts that money is sent to, shape ``(a, 4)``.
        place: Latitude and longitude of home, shape ``(a, 2)``.
        journey: Latitude and longitude of where the account travels to, shape ``(a, 2)``.
        away_ms: From when, and until when, shape ``(a, 2)``.
    """

    level: NDArray[np.float64]
    home: Int64
    favourites: Int64
    friends: Int64
    place: NDArray[np.float64]
    journey: NDArray[np.float64]
    away_ms: Int64

    def payments(self, rng: np.random.Generator, account: Int64, time_ms: Int64) -> list[Record]:
        """What these accounts usually do at these times."""
        n = len(account)
        favourite = self.favourites[account, rng.integers(0, self.favourites.shape[1], n)]
        is_away = (time_ms >= self.away_ms[account, 0]) & (time_ms < self.away_ms[account, 1])
        place = np.where(is_away[:, None], self.journey[account], self.place[account])
        columns = (
            rng.choice(["payment", "refund", "declined"], n, p=[0.95, 0.02, 0.03]),
            time_ms,
            account,
            np.where(rng.random(n) < 0.9, favourite, rng.integers(0, MERCHANTS, n)),
            rng.random(n) < 0.2,
            self.home[account],
            np.exp(self.level[account] + rng.normal(0.0, 0.5, n)).astype(np.int64),
            place[:, 0] + rng.normal(0.0, 0.1, n),
            place[:, 1] + rng.normal(0.0, 0.1, n),
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
                "latitude": latitude,
                "longitude": longitude,
            }
            for kind, ts, who, merchant, second, home, cents, latitude, longitude in zip(
                *(each.tolist() for each in columns), strict=True
            )
        ]

    def payment(self, rng: np.random.Generator, account: int, time_ms: int, **changes: str | float) -> Record:
        """What the account usually does, but for the changes; a payment that is not refused."""
        made = self.payments(rng, np.array([account]), np.array([time_ms]))[0]
        return made | {"type": "payment"} | changes

    def transfers(self, rng: np.random.Generator, days: int) -> list[Record]:
        """Money between friends, wages twice a month, and rent, often on the day of the wage."""
        rows = []
        who = rng.integers(0, ACCOUNTS, _RECORDS // 8)
        times = START_MS + rng.integers(0, days * DAY_MS, len(who))
        for account, time_ms in zip(who.tolist(), times.tolist(), strict=True):
            friend = int(rng.choice(self.friends[account]))
            rows.append(self.payment(rng, account, time_ms, type="transfer", merchant=f"a{friend}"))
        for account in range(ACCOUNTS):
            wage = int(rng.integers(150_000, 400_000))
            for payday_ms in range(START_MS + int(rng.integers(14 * DAY_MS)), START_MS + days * DAY_MS, 14 * DAY_MS):
                boss = f"e{account % _EMPLOYERS}"
                rows.append(
                    self.payment(rng, account, payday_ms, type="transfer", merchant=f"a{account}", amount_cents=wage)
                    | {"account": boss, "device": boss}
                )
                rent_ms = payday_ms + int(rng.integers(5 * MINUTE_MS, 3 * DAY_MS))
                rent = int(wage * rng.uniform(0.3, 0.6))
                rows.append(
                    self.payment(rng, account, rent_ms, type="transfer", merchant="landlord", amount_cents=rent)
                )
        return [row for row in rows if row["ts"] < START_MS + days * DAY_MS]

    def is_usual(self, row: Record) -> bool:
        """Whether an ordinary record can be: nobody pays while they travel, and newcomers not before they come."""
        account = int(row["account"][1:]) if row["account"][1:].isdigit() and row["account"][0] == "a" else -1
        if account < 0:
            return True
        return not any(abs(row["ts"] - edge) < DAY_MS for edge in self.away_ms[account].tolist())


@lru_cache(maxsize=2)
def ordinary(seed: int, days: int) -> tuple[World, list[Record]]:
    """The people, and what they do in so many days."""
    rng = np.random.default_rng((seed, 0))
    leaves_ms = START_MS + rng.integers(0, days * DAY_MS, ACCOUNTS)
    world = World(
        level=rng.normal(np.log(2_500), 0.6, ACCOUNTS),
        home=rng.integers(0, _COUNTRIES, ACCOUNTS),
        favourites=rng.integers(0, MERCHANTS, (ACCOUNTS, 5)),
        friends=(np.arange(ACCOUNTS)[:, None] + rng.integers(1, 12, (ACCOUNTS, 4))) % ACCOUNTS,
        place=np.column_stack((rng.uniform(-40, 60, ACCOUNTS), rng.uniform(-180, 180, ACCOUNTS))),
        journey=np.column_stack((rng.uniform(-40, 60, ACCOUNTS), rng.uniform(-180, 180, ACCOUNTS))),
        away_ms=np.column_stack((leaves_ms, leaves_ms + rng.integers(3 * DAY_MS, 8 * DAY_MS, ACCOUNTS))),
    )
    who = rng.integers(0, ACCOUNTS, _RECORDS)
    rows = world.payments(rng, who, START_MS + rng.integers(0, days * DAY_MS, _RECORDS))
    return world, [row for row in rows if world.is_usual(row)]


def moments(rng: np.random.Generator, start_ms: int, span_ms: int, n: int) -> list[int]:
    """``n`` times within ``span_ms`` of ``start_ms``, ascending."""
    return [int(each) for each in np.sort(start_ms + rng.integers(0, span_ms, n))]
