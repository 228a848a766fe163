"""Weeks of ordinary records, and campaigns of one kind among them, with the truth."""

from typing import Final, NamedTuple

import numpy as np

from load.patterns.sequences import ALL_SHAPES, INNOCENT
from load.patterns.world import ACCOUNTS, DAY_MS, NEWCOMERS, NIGHT_MS, START_MS, Record, World, ordinary

_DAYS, _HISTORY_DAYS = 12, 6  # campaigns start when everybody has a history
_SLOW: Final = {  # seen over weeks
    *("amount_outlier", "amount_outlier_mad", "dormant_then_active", "new_account", "new_country", "new_payee"),
    *("new_value", "structuring", "unusual_hour"),
}
_SLOWER = 4
_MONEY: Final = {"circular_flow", "pass_through"}
_STEPS: Final = {"account_takeover": ("details_changed", "payout"), "guessed_password": ("login_failed", "login")}
_LISTED_DAYS = 2


class Staged(NamedTuple):
    """Records in the order of time, and which of them, by id, belong to which campaign."""

    records: list[Record]
    truth: dict[str, str]


def staged(shape: str, *, share: float, seed: int) -> Staged:
    """Twelve days of 200 accounts, or seven weeks if need be, with campaigns of one shape, each of another account.

    Args:
        shape: Of ``ALL_SHAPES``.
        share: Of all records, that are to belong to campaigns, as far as half of the accounts suffice; there is one
            campaign at least.
        seed: Of all chance.
    """
    slower = _SLOWER if shape in _SLOW else 1
    days, history_days = slower * _DAYS, slower * _HISTORY_DAYS
    world, usual = ordinary(seed, days)
    rng = np.random.default_rng((seed, 1))
    usual = usual + _more(shape, world, rng, days)
    quiet = _Quiet(rng, shape, days)
    marked: list[tuple[str, Record]] = []
    for number, victim in enumerate(rng.permutation(ACCOUNTS)[: ACCOUNTS // 2].tolist()):
        if number and sum(1 for name, _ in marked if name) >= share * len(usual):
            break
        start_ms = START_MS + int(rng.integers(history_days * 5 // 4, days) * DAY_MS + rng.integers(DAY_MS // 2))
        quiet.prepare(f"a{victim}", f"{shape}-{number}", start_ms, history_days)
        for row in ALL_SHAPES[shape](world, rng, victim, start_ms):
            innocent = row.pop(INNOCENT, False)
            marked.append(("" if innocent else f"{shape}-{number}", row))
    everything = [(quiet.claimed(row), row) for row in usual if quiet.may_be(row)]
    everything = sorted([*everything, *marked], key=lambda each: each[1]["ts"])
    records = [{"id": f"r{at}", **record} for at, (_, record) in enumerate(everything)]
    return Staged(records, {f"r{at}": name for at, (name, _) in enumerate(everything) if name})


def _more(shape: str, world: World, rng: np.random.Generator, days: int) -> list[Record]:
    """Ordinary records that look like the campaign's."""
    if shape in _MONEY:
        return world.transfers(rng, days)
    rows = []
    for kind, n in zip(_STEPS.get(shape, ()), (ACCOUNTS // 4, ACCOUNTS), strict=False):
        who = rng.integers(0, ACCOUNTS, n).tolist()
        times = START_MS + rng.integers(0, days * DAY_MS, len(who))
        rows += [world.payment(rng, account, at, type=kind) for account, at in zip(who, times.tolist(), strict=True)]
    return rows


class _Quiet:
    """Which ordinary records there must not be for campaigns to be what they are, and which belong to them."""

    def __init__(self, rng: np.random.Generator, shape: str, days: int) -> None:
        self._shape = shape
        self._away: dict[str, int] = {}  # since when nothing comes of an account
        self._asleep: set[str] = set()  # accounts that do nothing at night
        self._listed: dict[str, tuple[int, str]] = {}  # since when an account is listed, and its campaign
        self._comes: dict[str, int] = {}  # before when nothing comes of an account
        if shape == "new_account":
            for account in range(ACCOUNTS - NEWCOMERS, ACCOUNTS):
                self._comes[f"a{account}"] = START_MS + int(rng.integers(days // 2, days)) * DAY_MS

    def prepare(self, account: str, name: str, start_ms: int, history_days: int) -> None:
        """Note the victim of a campaign."""
        if self._shape == "dormant_then_active":
            self._away[account] = start_ms - history_days * DAY_MS
        if self._shape == "unusual_hour":
            self._asleep.add(account)
        if self._shape == "block_list":
            self._listed[account] = start_ms, name

    def may_be(self, row: Record) -> bool:
        """Whether an ordinary record agrees with what the campaigns need."""
        account, ts = row["account"], row["ts"]
        if ts % DAY_MS < NIGHT_MS and account in self._asleep:
            return False
        return bool(self._comes.get(account, ts) <= ts < self._away.get(account, ts + 1))

    def claimed(self, row: Record) -> str:
        """The campaign that an ordinary record belongs to: all that a listed account does is to be found."""
        since_ms, name = self._listed.get(row["account"], (row["ts"], ""))
        return name if since_ms < row["ts"] < since_ms + _LISTED_DAYS * DAY_MS else ""
