"""The application under test: small windows, so that many close within a minute, and rules that fire all the time."""

from agents.spec import StreamSpec
from load.faults import Delay, Faults
from load.payments import PaymentsConfig

COMMIT_MS = 200
TTL_MS = 6_000
"""How long a silent worker is believed to live: the worker's default."""

_TOML = """
[app]
name = "{app}"
log = "{log}"
alerts = "{app}-alerts"
commit = "{commit_ms}ms"

[streams.payments]
topic = "{app}-payments"
partitions = {partitions}
key = "account"
time = "ts"
fields = {{ id = "str", account = "str", merchant = "str", country = "str", ts = "int", amount_cents = "int" }}

[tables.account_2s]
stream = "payments"
by = "account"
window = {{ tumbling = "2s", grace = "1s" }}
measures = {{ n = "count()", spent = "sum(amount_cents)", others = "distinct(merchant)" }}

[tables.account_20s]
stream = "payments"
by = "account"
window = {{ sliding = "20s", pane = "1s", grace = "3s" }}

[tables.account_20s.measures]
n = "count()"
spent = "sum(amount_cents)"
large = "count(amount_cents >= 8000)"
others = "distinct(merchant)"

[tables.merchant_5s]
stream = "payments"
by = "merchant"
window = {{ tumbling = "5s", grace = "2s" }}
measures = {{ n = "count()", spent = "sum(amount_cents)", others = "distinct(account)" }}

[tables.merchant_10s]
stream = "payments"
by = "merchant"
window = {{ sliding = "10s", pane = "500ms", grace = "2s" }}

[tables.merchant_10s.measures]
n = "count()"
spent = "sum(amount_cents)"
large = "count(amount_cents >= 8000)"
others = "distinct(account)"

[rules.burst]
table = "account_2s"
when = "n >= 25"
severity = "medium"

[rules.rapid-large]
table = "account_20s"
when = "large >= 12 and others >= 6"
severity = "high"
cooldown = "5s"

[rules.new-place]
table = "account_20s"
when = "n >= 4 and first_seen(country)"
severity = "high"

[rules.busy-window]
table = "merchant_5s"
when = "others >= 150"
severity = "low"

[rules.crowd]
table = "merchant_10s"
when = "n >= 300 and others >= 200"
severity = "low"
"""


def toml(*, app: str, log: str, partitions: int) -> str:
    """The configuration file of the application called ``app`` on the log at the URL ``log``."""
    return _TOML.format(app=app, log=log, partitions=partitions, commit_ms=COMMIT_MS)


def load(stream: StreamSpec, *, rate_per_s: float, seed: int, start_ms: int) -> PaymentsConfig:
    """What the producer sends: payments of few accounts and merchants, with all that can be wrong with records."""
    faults = Faults(
        late=0.01,
        late_delay=Delay(least_ms=500, mean_ms=4_000),
        disordered=0.1,
        jitter_ms=900,
        duplicates=0.01,
        malformed={
            "absurd-time": 0.001,
            "bad-json": 0.001,
            "invalid-utf8": 0.001,
            "missing-field": 0.001,
            "null": 0.001,
            "too-long": 0.0001,
            "wrong-type": 0.001,
        },
    )
    return PaymentsConfig(
        rate_per_s=rate_per_s,
        seed=seed,
        start_ms=start_ms,
        accounts=1_000,  # so that no merchant has more than a table counts exactly
        merchants=300,
        topic=stream.topic,
        faults=faults,
    )
