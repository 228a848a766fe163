"""The application under test on Kafka: few tables, so that two cores carry the load with a broker beside it."""

ACCOUNTS, MERCHANTS = 1_000, 200
MANY = 350
"""So many records of an account in a window raise an alert: some of the busiest accounts, in most windows."""
ACCOUNT_MS, ACCOUNT_GRACE_MS = 2_000, 1_000
MERCHANT_MS = 5_000
JITTER_MS = 500
"""How far records are out of order: less than any grace, so that none is late."""

_TOML = """
[app]
name = "{app}"
log = "{log}"
alerts = "{app}-alerts"
commit = "500ms"
health = false

[streams.payments]
topic = "{app}-payments"
partitions = {partitions}
key = "account"
time = "ts"
fields = {{ account = "str", merchant = "str", ts = "int", amount_cents = "int" }}

[tables.by_account]
stream = "payments"
by = "account"
window = {{ tumbling = "2s", grace = "1s" }}
measures = {{ n = "count()", spent = "sum(amount_cents)" }}

[tables.by_merchant]
stream = "payments"
by = "merchant"
window = {{ tumbling = "5s", grace = "2s" }}
measures = {{ n = "count()", spent = "sum(amount_cents)" }}

[rules.busy]
table = "by_account"
when = "n >= {many}"
severity = "medium"
"""
TABLES = ("by_account", "by_merchant")


def toml(*, app: str, log: str, partitions: int) -> str:
    """The configuration file of the application called ``app`` on the log at the URL ``log``."""
    return _TOML.format(app=app, log=log, partitions=partitions, many=MANY)
