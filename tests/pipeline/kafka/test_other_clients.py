"""Other clients of Kafka work with ours: what they produce is counted, what we raise they read."""

import secrets

import msgspec
import orjson
import pytest

from pipeline.alerts import EVENT_TYPE, AlertMessage
from tests.pipeline.cli.conftest import Shell
from tests.pipeline.kafka.others import CODECS, CONSUMERS, PRODUCERS

T0 = 1_700_000_000_000
CUSTOMERS = 7
ORDERS = 40
CENTS = 25
CONFIG = """
[app]
name = "{app}"
log = "kafka://{servers}"
alerts = "{app}-alerts"
health = false

[streams.orders]
topic = "{app}-orders"
partitions = 4
key = "customer"
time = "ts"
fields = {{ customer = "str", ts = "int", cents = "int" }}

[streams.mixed]
topic = "{app}-mixed"
partitions = 4
time = "ts"
fields = {{ customer = "str", ts = "int", cents = "int" }}

[tables.spent]
stream = "orders"
by = "customer"
window = {{ sliding = "1h", pane = "1m" }}
measures = {{ n = "count()", spent = "sum(cents)" }}

[tables.spent-mixed]
stream = "mixed"
by = "customer"
window = {{ sliding = "1h", pane = "1m" }}
measures = {{ n = "count()", spent = "sum(cents)" }}

[rules.first-order]
table = "spent"
when = "n == 1"
severity = "low"
"""


def orders(prefix=""):
    """Records as (key, value); each customer has several."""
    names = [f"{prefix}customer-{at % CUSTOMERS}" for at in range(ORDERS)]
    return [
        (name.encode(), orjson.dumps({"customer": name, "ts": T0 + at, "cents": CENTS}))
        for at, name in enumerate(names)
    ]


def expected(prefix="", times=1):
    counts = {f"{prefix}customer-{at}": len(range(at, ORDERS, CUSTOMERS)) for at in range(CUSTOMERS)}
    return {name: (count * times, count * times * CENTS) for name, count in counts.items()}


@pytest.fixture(scope="module")
def done(kafka, tmp_path_factory):
    """A shell whose worker has processed what each client produced with each codec."""
    folder, app = tmp_path_factory.mktemp("others"), f"others-{secrets.token_hex(4)}"
    shell = Shell(folder, folder / "shop.toml")
    shell.app = app
    shell.config.write_text(CONFIG.format(app=app, servers=kafka.bootstrap))
    shell.ok("topics", "mend")
    for client, produce in PRODUCERS.items():
        for codec in CODECS:
            produce(kafka.bootstrap, f"{app}-orders", orders(f"{client}-{codec}-"), codec)
            produce(kafka.bootstrap, f"{app}-mixed", orders(), codec)
    worker = shell.start("worker", "--until-idle")
    _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    yield shell
    shell.close()


def totals(shell, table):
    rows = shell.ok("tables", "show", table)
    assert len({row["customer"] for row in rows}) == len(rows)
    return {row["customer"]: (row["n"], row["spent"]) for row in rows}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("client", sorted(PRODUCERS))
def test_what_others_produce_is_counted(done, client, codec):
    """Each client's records, placed by its own partitioner and compressed by each codec, give the right totals."""
    prefix = f"{client}-{codec}-"
    found = {name: total for name, total in totals(done, "spent").items() if name.startswith(prefix)}
    assert found == expected(prefix)


def test_partitioners_may_differ_where_no_key_is_declared(done):
    """A stream without a declared key is repartitioned, so that clients which place a key differently add up."""
    assert totals(done, "spent-mixed") == expected(times=len(PRODUCERS) * len(CODECS))


@pytest.mark.parametrize("client", sorted(CONSUMERS))
def test_others_read_our_alerts(done, kafka, client):
    """Committed alerts come once each, as JSON after the schema, with the headers of CloudEvents."""
    n = CUSTOMERS * len(PRODUCERS) * len(CODECS)
    records = CONSUMERS[client](kafka.bootstrap, f"{done.app}-alerts", n)
    alerts = [msgspec.json.decode(value, type=AlertMessage) for value, _ in records]
    assert len(alerts) == n
    assert {alert.key for alert in alerts} == {
        name for client in PRODUCERS for codec in CODECS for name in expected(f"{client}-{codec}-")
    }
    assert {headers["ce_type"] for _, headers in records} == {EVENT_TYPE.encode()}
    assert {headers["content-type"] for _, headers in records} == {b"application/json"}
    assert {headers["ce_id"].decode() for _, headers in records} == {alert.id for alert in alerts}
