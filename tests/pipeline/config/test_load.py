"""A configuration file becomes one value, or every mistake in it with its place."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.spec import Field, RuleSpec
from pipeline.config import check_config, load_config
from pipeline.config.tables import usual_pane_ms
from pipeline.errors import ConfigError
from tables.spec import Measure, Window

EXAMPLE = Path(__file__).parents[3] / "examples" / "payments.toml"

GOOD = """\
[app]
name = "shop"

[streams.orders]
key = "account"
time = "ts"

[streams.orders.fields]
id = "str"
account = "str"
ts = "int"
cents = "int?"
price = { type = "float", unit = 0.01 }
spread = { type = "ints", width = 8 }

[tables.recent]
stream = "orders"
by = "account"
window = { sliding = "10m" }

[tables.recent.measures]
n = "count()"
dear = "count( price>3 )"
spent = "sum(price)"
cheap = "sum(cents)"
h = "histogram(spread)"

[tables.minutes]
stream = "orders"
by = "account"
window = { tumbling = "60s", grace = "5s" }
measures = { n = "count()" }

[rules.many]
table = "recent"
when = "n > 3 and cents > 5"
severity = "high"

[detectors.surge]
kind = "ewma"
table = "minutes"
value = "n"
threshold = 6
severity = "low"
half_life = 50
"""


def write(folder, text):
    path = folder / "app.toml"
    path.write_text(text)
    return path


def mistakes(folder, text, environ=None):
    """Problems without the folder."""
    return [line.removeprefix(f"{folder}/") for line in check_config(write(folder, text), environ or {})]


def test_defaults(tmp_path):
    """What a file leaves out has defaults that follow from the rest."""
    config = load_config(write(tmp_path, GOOD), {})
    assert (config.log, config.alerts_topic, config.commit_ms, config.web_port) == (
        "local://var/shop.db",
        "alerts",
        1_000,
        8_080,
    )
    stream, table = config.streams["orders"], config.tables["recent"]
    assert (stream.topic, stream.partitions, stream.id, stream.idle_advance_ms) == ("orders", 4, "id", None)
    assert stream.earliest_ms == 100_000_000_000
    assert table.window == Window(kind="sliding", size_ms=600_000, pane_ms=10_000, grace_ms=10_000)
    assert table.ttl_ms == 3_600_000
    assert config.tables["minutes"].window == Window(kind="tumbling", size_ms=60_000, pane_ms=60_000, grace_ms=5_000)
    assert config.rules["many"] == RuleSpec(
        name="many", table="recent", when="n > 3 and cents > 5", severity="high", cooldown_ms=None
    )
    assert config.detectors["surge"].params == {"half_life": 50}


def test_fields_and_measures(tmp_path):
    """Fields have their types, and measures canonical inputs with the resolution of their fields."""
    config = load_config(write(tmp_path, GOOD), {})
    fields = config.streams["orders"].fields
    assert fields["cents"] == Field(name="cents", type="int", optional=True)
    assert fields["price"] == Field(name="price", type="float", unit=0.01)
    assert config.tables["recent"].measures == (
        Measure(name="n", kind="count"),
        Measure(name="dear", kind="count", input="price > 3"),
        Measure(name="spent", kind="sum", input="price", unit=0.01),
        Measure(name="cheap", kind="sum", input="cents"),
        Measure(name="h", kind="histogram", input="spread", width=8),
    )


def test_example_is_without_mistakes():
    """The example that the demo runs loads."""
    assert check_config(EXAMPLE, {}) == []
    config = load_config(EXAMPLE, {})
    assert {rule.table for rule in config.rules.values()} <= set(config.tables)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[app]", "[¦ap]", "unknown section [ap]; allowed are"),
        ('[app]\nname = "shop"', "[¦app]", "[app] lacks 'name'"),
        ('name = "shop"', 'name = ¦"my shop"', "'my shop' is no name"),
        ('name = "shop"', "name = ¦3", "name must be a text, found 3"),
        ('name = "shop"', 'name = "shop"\nlog = ¦"x.db"', "write local://PATH"),
        ('name = "shop"', 'name = "shop"\nlog = ¦"kafka://x"', "or kafka://HOST:PORT,HOST:PORT"),
        ('name = "shop"', 'name = "shop"\nlog = ¦"local://?sync=full"', "write local://PATH"),
        ('name = "shop"', 'name = "shop"\n¦comit = "1s"', "did you mean 'commit'?"),
        ('name = "shop"', 'name = "shop"\ncommit = ¦"1 s"', "write a whole number and ms, s, m, h or d"),
        ('name = "shop"', 'name = "shop"\nhealth = ¦1', "must be true or false"),
        ('name = "shop"', 'name = "shop"\n[web]\nport = ¦65536', "allowed is 0 to 65535"),
        ("[streams.orders]", "[streams.orders]\n¦keys = 1", "did you mean 'key'?"),
        ("[streams.orders]", '[streams.orders]\ntopic = ¦"alerts"', "already that of the alerts"),
        ("[streams.orders]", '[streams.orders]\ntopic = ¦"my orders"', "is no topic name"),
        ("[streams.orders]", '[streams.¦"my orders"]', "is no name"),
        ('key = "account"', 'key = ¦"acount"', "did you mean 'account'?"),
        ('key = "account"', 'key = ¦"cents"', 'cents is "int?"'),
        ('[streams.orders]\nkey = "account"\ntime = "ts"', "[streams.¦orders]", "[streams.orders] lacks 'time'"),
        ('time = "ts"', 'time = ¦"id"', 'must name a field of type "int", and id is "str"'),
        ('time = "ts"', 'time = "ts"\nretention = ¦"0d"', "at least 1ms is needed"),
        ('time = "ts"', 'time = "ts"\nretention_bytes = ¦0', "allowed is 1 to"),
        ('time = "ts"', 'time = "ts"\nmax_bytes = ¦1.5', "must be a whole number, found 1.5"),
        ('ts = "int"', 'ts = ¦"integer"', "did you mean 'int'?"),
        ('ts = "int"', 'ts = "int"\n¦not = "str"', "'not' is no field name"),
        ('ts = "int"', 'ts = "int"\nlist = ¦"ints"', "a list needs its length"),
        ("unit = 0.01", "unit = ¦0", "must be above 0"),
        ("unit = 0.01", "¦unti = 0.01", "did you mean 'unit'?"),
        ('stream = "orders"', 'stream = ¦"order"', "did you mean 'orders'?"),
        ('by = "account"', 'by = ¦"price"', 'price is "float"'),
        ('sliding = "10m"', 'sliding = "10m", pane = ¦"7s"', "10s would do"),
        ('sliding = "10m"', 'sliding = "10m", grace = ¦"10m"', "at most window minus pane is allowed, 590s"),
        ('sliding = "10m"', 'sliding = "10m", pane = ¦"10ms"', "at most 1440"),
        ('window = { sliding = "10m" }', 'window = ¦{ sliding = "1m", tumbling = "1m" }', "needs one window"),
        ('tumbling = "60s"', 'tumbling = "60s", pane = ¦"1s"', "a tumbling window has no panes"),
        ('window = { sliding = "10m" }', 'window = { sliding = "10m" }\nttl = ¦"1m"', "at least 10m is needed"),
        ('n = "count()"', '¦cents = "count()"', "called like a field"),
        ('n = "count()"', '¦outlier = "count()"', "called like the function"),
        ('n = "count()"', "n = ¦3", "must be a text"),
        ('"count()"', '"¦cuont()"', "did you mean 'count'?"),
        ('"count()"', '"¦count"', "is no measure"),
        ('"count()"', '"count(¦cents)"', "a condition is needed"),
        ('"sum(cents)"', '"sum(cents + ¦first_seen(id))"', "only stand in the condition of a rule"),
        ('"sum(cents)"', '"sum(¦id)"', "a number is needed here, and id is text"),
        ('"sum(cents)"', '"distinct(¦cents)"', "a whole number that is never missing"),
        ('"sum(cents)"', '"¦first_seen(cents)"', "takes no argument"),
        ('"sum(cents)"', '"sum(¦3)"', "reads no field"),
        ('table = "recent"', 'table = ¦"recnt"', "did you mean 'recent'?"),
        ("cents > 5", "¦cnets > 5", "did you mean 'cents'?"),
        ('when = "n > 3 and cents > 5"', 'when = "¦n"', "a condition is needed"),
        ('[rules.many]\ntable = "recent"\nwhen', '[rules.¦many]\ntable = "recent"\nwhne', "lacks 'when'"),
        ('severity = "high"', 'severity = ¦"hihg"', "did you mean 'high'?"),
        ('severity = "high"', 'severity = "high"\ncooldown = ¦3', 'a duration such as "10m"'),
        ('kind = "ewma"', 'kind = ¦"emwa"', "did you mean 'ewma'?"),
        ('table = "minutes"', 'table = ¦"recent"', "is sliding"),
        ('value = "n"', 'value = ¦"m"', "must name a measure of [tables.minutes]"),
        ("threshold = 6", "threshold = 6\nclear = ¦7", "would never end"),
        ("threshold = 6", "threshold = 6\nrest = ¦1.5", "a share of the samples so far is needed"),
        ("threshold = 6", 'threshold = 6\ncalibration = ¦"ts"', "so it goes with stream"),
        ("half_life = 50", "¦half_lief = 50", "did you mean 'half_life'?"),
        ("half_life = 50", 'half_life = ¦"50"', "must be a number, found '50'"),
        ("half_life = 50", "half_life = ¦-1", "half_life must be a positive number"),
        ("[detectors.surge]", "[detectors.¦many]", "there is a rule many already"),
        ("[detectors.surge]", '[detectors.¦surge]\nstream = "orders"', "needs either stream"),
    ],
)
def test_mistake(tmp_path, old, new, message):
    """A single mistake is reported at its line and column (marked ¦), with what is allowed or meant."""
    assert old in GOOD
    marked = GOOD.replace(old, new, 1)
    before = marked.split("¦")[0].split("\n")
    place = f"app.toml:{len(before)}:{len(before[-1]) + 1}: "
    found = mistakes(tmp_path, marked.replace("¦", ""))
    assert [line for line in found if line.startswith(place) and message in line], (place, found)


def test_every_mistake_at_once_in_order(tmp_path):
    """All mistakes of a file are reported together by line, and a mistake brings no others with it."""
    text = GOOD.replace('"shop"', "3").replace('"str"', '"string"', 1).replace("n > 3", "m > 3")
    text = text.replace('"sum(price)"', '"sum(prize)"').replace("half_life = 50", "half_life = 0")
    found = mistakes(tmp_path, text)
    wrong = ("name = 3", '"string"', "prize", "m > 3", "half_life = 0")
    lines = [str(number) for number, line in enumerate(text.split("\n"), 1) if any(part in line for part in wrong)]
    assert [line.split(":")[1] for line in found] == lines
    assert len(lines) == len(wrong)
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), {})
    assert [line.removeprefix(f"{tmp_path}/") for line in caught.value.problems] == found


def test_mistakes_in_long_texts_have_their_own_line(tmp_path):
    """A mistake in a condition over several lines is placed on the line it is on."""
    text = GOOD.replace('when = "n > 3 and cents > 5"', 'when = """\nn > 3\n  and cnets > 5"""')
    line = text.split("\n").index('  and cnets > 5"""') + 1
    assert mistakes(tmp_path, text)[0].startswith(f"app.toml:{line}:7: unknown name 'cnets'")


def test_syntax_mistake(tmp_path):
    """What is not TOML is reported with line and column."""
    assert mistakes(tmp_path, "[app]\nname = \n")[0].startswith("app.toml:2:8: this is not TOML")


def test_files_that_can_not_be_read(tmp_path):
    """A missing file and one that is not text give one clear sentence."""
    assert "No such file" in check_config(tmp_path / "none.toml", {})[0]
    (tmp_path / "bad.toml").write_bytes(b"a = '\xff'")
    assert "not UTF-8" in check_config(tmp_path / "bad.toml", {})[0]


@pytest.mark.parametrize("section", ["app", "streams", "tables", "rules", "detectors"])
def test_sections_of_another_kind(tmp_path, section):
    """A section that is no table is one mistake, not a crash."""
    assert any("found 3" in line for line in mistakes(tmp_path, f"{section} = 3\n"))


_scalars = st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.dates())
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
)


def _paths(values, path=()):
    yield path
    for key, value in values.items() if isinstance(values, dict) else ():
        yield from _paths(value, (*path, key))


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(sign):08x}" for sign in value) + '"'
    return str(value)


@given(st.sampled_from([path for path in _paths(tomllib.loads(GOOD)) if path]), _anything)
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_is_taken_or_reported(tmp_path_factory, path, value):
    """Whatever value stands anywhere, the file either loads or has mistakes; nothing else happens."""
    values = tomllib.loads(GOOD)
    target = values
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    text = "".join(f"{key} = {_toml(inner)}\n" for key, inner in values.items())
    folder = tmp_path_factory.mktemp("any")
    if not mistakes(folder, text):
        assert load_config(folder / "app.toml", {}).name


@given(st.integers(1, 10**10))
def test_usual_pane_divides_the_window(size_ms):
    """The pane that a window takes by itself divides it into at most sixty."""
    pane_ms = usual_pane_ms(size_ms)
    assert size_ms % pane_ms == 0
    assert size_ms // pane_ms <= 60


def test_the_series_example_reads_rest_and_calibration(tmp_path):
    """Rest and calibration reach the detector, and a calibration that is no whole number is a mistake."""
    text = EXAMPLE.with_name("series.toml").read_text()
    spec = load_config(write(tmp_path, text), {}).detectors["anomaly"]
    assert (spec.kind, spec.threshold, spec.clear, spec.rest) == ("multiscale", 9.0, 1.0, 0.02)
    assert spec.calibration == "calibration"
    (found,) = mistakes(tmp_path, text.replace('calibration = "calibration"', 'calibration = "series"'))
    assert 'must name a field of type "int"' in found
