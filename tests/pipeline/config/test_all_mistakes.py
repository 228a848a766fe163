"""All mistakes of a file are reported together."""

from pipeline.config import check_config

MANY = """\
[app]
name = "shop"

[streams.orders]
key = "account"
time = "ts"
fields = { account = "str", ts = "int", cents = "int" }

[tables.first]
stream = "orders"
by = "account"
window = { sliding = "10m", pane = "¦7s", grace = "¦11m" }
ttl = "¦1m"
measures = { n = "count()" }

[tables.second]
stream = "orders"
by = "account"
window = { silding¦ = "10m", pane = "¦1 s", grace = "¦soon" }
measures = { n = "count()", spent = "sum(cents)" }

[tables.third]
stream = "¦order"
by = "account"
window = { tumbling = "¦x", grace = "¦-1s" }
measures = { n = "¦cuont()", m = "count(a > 1 and ¦huge(b))", k = "sum(a ¦** 2)", good = "sum(a)", s = "sum(a ¦+)" }

[tables.fourth]
stream = "orders"
by = "account"
window = { sliding = "¦10", pane = "¦s", grace = "¦s" }
measures = { n = "count()" }

[rules.of-second]
table = "second"
when = "spnet¦ > 3 and n > 2 and cents > 1"
severity = "low"

[rules.of-third]
table = "third"
when = "a > 3 and good > 2 and rate and ¦outlire(b) > 4"
severity = "low"

[rules.of-none]
table = "¦fifth"
when = "a.¦b > 3 and (¦lambda: 1) and n > 2"
severity = "low"

[rules.unreadable]
table = "¦sixth"
when = "n > > 3¦"
severity = "low"

[detectors.surge]
kind = "ewma"
table = "¦fourth"
value = "¦m"
threshold = 6
severity = "low"
half_life = 50
"""


def test_no_mistake_hides_another(tmp_path):
    """A wrong window, pane, stream or table keeps no other mistake from being reported, and adds none of its own."""
    lines = [str(at) for at, line in enumerate(MANY.split("\n"), 1) for _ in range(line.count("¦"))]
    path = tmp_path / "app.toml"
    path.write_text(MANY.replace("¦", ""))
    found = [line.removeprefix(f"{path}:") for line in check_config(path, {})]
    extra = str(MANY.split("\n").index('window = { silding¦ = "10m", pane = "¦1 s", grace = "¦soon" }') + 1)
    assert [line.split(":")[0] for line in found] == sorted([*lines, extra], key=int), found
    assert not [line for line in found if "unknown name" in line and "spnet" not in line]
