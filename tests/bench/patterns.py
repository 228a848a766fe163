"""``python -m tests.bench.patterns``: recall and precision of every kind of pattern, with its defaults.

Each line is a campaign, over seeds that were not looked at when the defaults were set.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agents.events import TopicPartition
from load.patterns import staged
from pipeline.config import load_config
from tests.pipeline.shards import build_shard, chunk_of, payload

STREAM = """\
[app]
name = "shop"
health = false

[streams.payments]
partitions = 1
key = "account"
time = "ts"
max_ahead = "90000d"

[streams.payments.fields]
id = "str"
type = "str"
ts = "int"
account = "str"
merchant = "str"
device = "str"
country = "str"
amount_cents = "int"
latitude = "float?"
longitude = "float?"
list = "str?"
until = "int?"
reason = "str?"
"""
BASE = f'{STREAM}\n[patterns.found]\nstream = "payments"\n'
_ACCOUNT = 'by = "account"\n'
_AMOUNT = 'by = "account"\namount = "amount_cents"\n'
_FLOW = 'by = "account"\nof = "merchant"\namount = "amount_cents"\n'
_ENTRIES = 'list = "list"\nuntil = "until"\nreason = "reason"\n'
_TRUSTED = f"""\
[patterns.trusted]
kind = "allow_list"
stream = "payments"
suppresses = ["found"]
{_ACCOUNT}{_ENTRIES}"""
CASES = {  # by campaign: the kind, and what has to be said, or is said to look at something else
    "account_takeover": (
        "account_takeover",
        'by = "account"\nof = "type"\nfirst = "details_changed"\nthen = "payout"\n',
    ),
    "allow_list": (
        "velocity",
        f"{_ACCOUNT}{_TRUSTED}",
    ),
    "amount_outlier": ("amount_outlier", _AMOUNT),
    "amount_outlier_mad": ("amount_outlier_mad", _AMOUNT),
    "block_list": ("block_list", f'{_ACCOUNT}{_ENTRIES}entries = ["a999"]\n'),
    "card_testing": ("card_testing", _AMOUNT),
    "circular_flow": ("circular_flow", _FLOW),
    "declined_then_large": ("declined_then_large", f'{_AMOUNT}of = "type"\n'),
    "distinct_burst": ("distinct_burst", 'by = "account"\nof = "device"\n'),
    "dormant_then_active": ("dormant_then_active", f'{_AMOUNT}quiet = "19d"\n'),
    "fan_in": ("fan_in", 'by = "merchant"\nof = "account"\n'),
    "fan_out": ("fan_out", 'by = "account"\nof = "merchant"\n'),
    "guessed_password": (
        "account_takeover",
        'by = "account"\nof = "type"\nfirst = "login_failed"\nthen = "login"\ncount = 5\n',
    ),
    "impossible_travel": ("impossible_travel", f'{_ACCOUNT}latitude = "latitude"\nlongitude = "longitude"\n'),
    "new_account": ("new_account", _AMOUNT),
    "new_country": ("new_value", f'{_AMOUNT}of = "country"\n'),
    "new_payee": ("new_value", f'{_AMOUNT}of = "merchant"\n'),
    "new_value": ("new_value", f'{_AMOUNT}of = "device"\n'),
    "pass_through": ("pass_through", _FLOW),
    "refund_ratio": ("refund_ratio", 'by = "account"\nof = "type"\n'),
    "round_amounts": ("round_amounts", _AMOUNT),
    "silence": ("silence", _ACCOUNT),
    "spending": ("spending", f"{_AMOUNT}limit = 450000\n"),
    "spike": ("spike", 'by = "merchant"\n'),
    "structuring": ("structuring", f"{_AMOUNT}limit = 1000000\nfrom = 850000\n"),
    "unusual_hour": ("unusual_hour", _ACCOUNT),
    "velocity": ("velocity", _ACCOUNT),
    "velocity_of_day": ("velocity", f'{_ACCOUNT}window = "24h"\ncount = 50\n'),
    "velocity_of_device": ("velocity", 'by = "device"\n'),
    "velocity_of_minute": ("velocity", f'{_ACCOUNT}window = "1m"\n'),
}
SHARES = (0.001, 0.01, 0.05)


class Found(NamedTuple):
    """What a run gave: how many campaigns there were and were caught, and how many alerts there were and were right."""

    campaigns: int
    caught: int
    alerts: int
    right: int

    @property
    def recall(self) -> float:
        return self.caught / self.campaigns if self.campaigns else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.alerts if self.alerts else 1.0


def config_of(folder: Path, case: str, more: str = "") -> Path:
    """A configuration with the pattern of a case."""
    kind, asked = CASES[case]
    path = folder / "app.toml"
    path.write_text(f'{BASE}kind = "{kind}"\n{asked}{more}')
    return path


def evaluate(folder: Path, case: str, share: float, seeds: Sequence[int]) -> Found:
    """Campaigns of a case through a shard, over several seeds."""
    config = load_config(config_of(folder, case), {})
    total = Found(0, 0, 0, 0)
    for seed in seeds:
        records, truth = staged(case, share=share, seed=seed)
        shard = build_shard(config, TopicPartition("payments", 0))
        alerts = shard.process(chunk_of([payload(record) for record in records])).alerts
        right = [truth[alert.source.id] for alert in alerts if alert.source.id in truth]
        one = Found(len(set(truth.values())), len(set(right)), len(alerts), len(right))
        total = Found(*(a + b for a, b in zip(total, one, strict=True)))
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first", type=int, default=1_001, help="the first of them")
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(sorted(CASES))}")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    print("campaign             share  campaigns  recall  alerts  precision")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in asked.cases or sorted(CASES):
            for share in SHARES:
                found = evaluate(Path(folder), case, share, seeds)
                good = found.recall >= 0.95 and found.precision >= 0.8
                failed += not good
                print(
                    f"{case:20} {share:5.1%}  {found.campaigns:9}  {found.recall:6.3f}  {found.alerts:6}  "
                    f"{found.precision:9.3f}{'' if good else '  too little'}",
                    flush=True,
                )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
