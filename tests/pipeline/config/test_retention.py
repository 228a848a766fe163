"""How long the log keeps what belongs to a stream."""

from pipeline.config import load_config
from pipeline.plan import topic_specs

TEXT = """\
[app]
name = "shop"

[streams.orders]
key = "account"
time = "ts"
fields = { id = "str", account = "str", ts = "int" }

[tables.minutes]
stream = "orders"
by = "account"
window = { tumbling = "1m" }
measures = { n = "count()" }

[tables.by-id]
stream = "orders"
by = "id"
window = { sliding = "1m" }
measures = { n = "count()" }
"""
MONTH_MS, WEEK_MS = 2_592_000_000, 604_800_000
CLOCKS = (3_600_000, None)


def kept(folder, text):
    """Age and bytes that each topic keeps."""
    path = folder / "app.toml"
    path.write_text(text)
    return {spec.name: (spec.retention_ms, spec.retention_bytes) for spec in topic_specs(load_config(path, {}))}


def test_retention_of_a_stream_is_that_of_its_topics(tmp_path):
    """Age bounds the stream's topic, dead letters and late records, bytes only the topic; others keep their own."""
    found = kept(tmp_path, TEXT.replace("key =", 'retention = "30d"\nretention_bytes = 1_000_000_000\nkey =', 1))
    changed = {
        "orders": (MONTH_MS, 1_000_000_000),
        "orders.dead-letter": (MONTH_MS, None),
        "orders.late": (MONTH_MS, None),
        "shop-clocks": CLOCKS,
    }
    assert {name: values for name, values in found.items() if values != (WEEK_MS, None)} == changed
    assert {"shop-orders-state", "shop-orders-by-id-repartition", "shop-minutes", "shop-health", "alerts"} < set(found)


def test_retention_is_a_week_unless_said(tmp_path):
    """Without settings every topic keeps a week, however large; but for what workers tell one another in passing."""
    found = kept(tmp_path, TEXT)
    assert found.pop("shop-clocks") == CLOCKS
    assert set(found.values()) == {(WEEK_MS, None)}
