"""Small recordings, and the configurations that they are run with."""

import asyncio

import numpy as np
import orjson

from pipeline.backtest.engine import Engine
from pipeline.backtest.lines import STEP, Lines
from pipeline.config import load_config

T0 = 1_700_000_000_000

CONFIG = """
[app]
name = "shop"
log = "local://{log}"
health = false

[streams.payments]
partitions = {partitions}
key = "account"
time = "ts"
types = ["card", "transfer"]
retention = "20000d"
fields = {{ id = "str", account = "str", merchant = "str", country = "str", ts = "int", cents = "int" }}

[streams.samples]
partitions = 2
key = "series"
time = "ts"
retention = "20000d"
fields = {{ id = "str", series = "str", ts = "int", value = "float?", calibration = "int" }}

[tables.recent]
stream = "payments"
by = "account"
window = {{ sliding = "10m", pane = "10s", grace = "30s" }}
measures = {{ n = "count()", spent = "sum(cents)", mean = "mean(cents)", sd = "std(cents)" }}

[tables.minutes]
stream = "payments"
by = "account"
window = {{ tumbling = "1m", grace = "5s" }}
measures = {{ n = "count()", spent = "sum(cents)" }}

[tables.shops]
stream = "payments"
by = "merchant"
window = {{ sliding = "5m", pane = "10s" }}
measures = {{ n = "count()", spent = "sum(cents)", accounts = "distinct(account)" }}

[rules.abroad]
table = "recent"
when = "first_seen(country) and n >= 3"
severity = "high"

[rules.large]
table = "recent"
when = "n >= 4 and outlier(cents) >= {outlier}"
severity = "medium"
cooldown = "1m"

[rules.crowd]
table = "shops"
when = "accounts >= 5 and cents > 0"
severity = "low"
cooldown = "1m"

[detectors.odd]
kind = "multiscale"
stream = "samples"
by = "series"
value = "value"
calibration = "calibration"
warmup = 40
threshold = 6
severity = "medium"

[detectors.spend]
kind = "ewma"
table = "minutes"
value = "spent"
threshold = 4
severity = "low"
half_life = 5
warmup = 3
"""


def write_config(folder, name="shop.toml", *, partitions=3, outlier=3, log="shop.db"):
    """The configuration's file."""
    path = folder / name
    path.write_text(CONFIG.format(log=folder / log, partitions=partitions, outlier=outlier))
    return path


def config_of(folder, **changes):
    """The configuration."""
    return load_config(write_config(folder, **changes), {})


def recording(n=1_500, seed=3, *, accounts=None):
    """Payments and samples in order of time, some a little late, as plain records."""
    rng = np.random.default_rng(seed)
    names = accounts or [f"a{i}" for i in range(12)]
    made, ts = [], T0
    for i in range(n):
        ts += int(rng.integers(20, 900))
        if i % 3 == 0:
            value = float(rng.normal()) + 40.0 * (rng.random() < 0.01)
            sample = {"type": "sample", "id": f"s{i}", "series": f"x{i // 3 % 3}", "ts": ts, "calibration": 20}
            made.append({**sample, "value": None if rng.random() < 0.02 else value})
            continue
        odd = rng.random() < 0.02
        made.append(
            {
                "type": "card" if i % 2 else "transfer",
                "id": f"p{i}",
                "account": names[int(rng.integers(len(names)))],
                "merchant": f"m{int(rng.integers(4))}",
                "country": "FR" if odd else "DE",
                "ts": ts - int(rng.integers(0, 45_000)) * (rng.random() < 0.05),
                "cents": int(rng.integers(100, 900)) * (30 if odd else 1),
            }
        )
    return made


def lines_of(records):
    """Records as the lines of a file."""
    return [orjson.dumps(record) + b"\n" for record in records]


def backtest(config, lines, step=STEP):
    """All scores by detector and id, and all alerts in order, of a run in steps of some size."""
    bad = []
    engine = Engine(config)
    steps = [engine.step(feeds) for feeds in Lines(dict(config.streams), bad.append, step=step).steps(lines)]
    steps.append(engine.finish())
    scores = {
        (scored.by, name): score
        for happened in steps
        for scored in happened.scored
        for name, score in zip(scored.ids, scored.score.tolist(), strict=True)
    }
    return scores, [alert for happened in steps for _, alert in happened.alerts], bad


def run_async(work):
    """Run a coroutine to its end."""
    return asyncio.run(work)
