"""What a worker made, seen through the commands that look."""

import pytest

from tests.pipeline.cli.conftest import CONFIG, Shell, payload

ORDERS = [("ann", 400), ("bob", 100), ("ann", 700), ("ann", 50), ("cy", 2_000), ("bob", 20)]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A shell whose orders, one of them broken, a worker process has processed."""
    folder = tmp_path_factory.mktemp("done")
    config = folder / "shop.toml"
    config.write_text(CONFIG.format(log=folder / "shop.db"))
    shell = Shell(folder, config)
    lines = [payload(number, *order) for number, order in enumerate(ORDERS)]
    shell.ok("produce", "orders", data=b"\n".join([*lines, b'{"id":']))
    worker = shell.start("worker", "--until-idle", "--name", "test")
    out, err = worker.communicate(timeout=60)
    assert (worker.returncode, out) == (0, b""), err
    yield shell
    shell.close()


def test_alerts_are_shown_with_their_evidence(done):
    """Each alert of the rules is there, in the form of its schema, with the record that fired it."""
    alerts = done.ok("alerts")
    fired = {(alert["rule"], alert["key"], alert["source"]["id"]) for alert in alerts}
    assert fired == {("big-spender", "ann", "o2"), ("big-spender", "cy", "o4"), ("third-order", "ann", "o3")}
    assert {alert["values"]["spent"] for alert in alerts if alert["key"] == "cy"} == {2_000}


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        (["--rule", "third-order"], ["ann"]),
        (["--rule", "third-order", "--rule", "big-spender", "--key", "cy"], ["cy"]),
        (["--severity", "medium"], ["ann", "cy"]),
        (["--severity", "low"], ["ann", "ann", "cy"]),
        (["--severity", "critical"], []),
        (["--since", "1h"], ["ann", "ann", "cy"]),
        (["--since", "end"], []),
    ],
)
def test_alerts_can_be_filtered(done, filters, keys):
    """Rules, keys, the least severity and the time choose alerts; several values of one filter are alternatives."""
    assert sorted(alert["key"] for alert in done.ok("alerts", *filters)) == keys


def test_alerts_for_people_are_one_sentence_each(done):
    """A line has time, severity and why; without any alert that is said."""
    lines = done.run("alerts", "--format", "table", "--key", "cy").stdout.splitlines()
    assert len(lines) == 1
    assert 'high     big-spender fired for "cy": spent = 2000 (limit 1000).' in lines[0]
    assert done.run("alerts", "--format", "table", "--since", "end").stdout == "no alerts\n"


def test_alerts_refuse_a_rule_that_is_not_there(done):
    """A name of no rule or detector is refused with the one that may have been meant."""
    result = done.run("alerts", "--rule", "big-spendr")
    assert (result.exit_code, "did you mean 'big-spender'?" in result.stderr) == (2, True)


def test_what_is_no_alert_is_passed_over_and_said(shell):
    """A foreign record on the alerts topic does not hide others: it is named on standard error."""
    shell.ok("produce", "alerts", data=b"junk\n")
    result = shell.run("alerts")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "alerts/" in result.stderr
    assert "is it the right topic?" in result.stderr


def test_before_any_worker_there_are_no_alerts(shell):
    """In a log without the alerts topic nothing was raised yet: code 0. To consume an unknown topic stays 3."""
    shell.ok("produce", "orders", data=payload(0, "ann", 5_000))
    piped, people = shell.run("alerts"), shell.run("alerts", "--format", "table")
    assert (piped.exit_code, piped.stdout, piped.stderr) == (0, "", "")
    assert (people.exit_code, people.stdout, people.stderr) == (0, "no alerts yet\n", "")
    assert "alerts" not in {topic["topic"] for topic in shell.ok("topics") if topic["exists"]}
    unknown = shell.run("consume", "no-such-topic")
    assert (unknown.exit_code, unknown.stdout) == (3, "")


def test_tables_are_listed(done):
    """Each table stands there with its window, its keys and nothing left to do."""
    (listed,) = done.ok("tables", "list")
    assert (listed["table"], listed["by"], listed["rows"]) == ("recent", "customer", 3)
    assert listed["measures"] == ["n", "spent"]
    assert {part["applied"] - part["end"] for part in listed["freshness"]} == {0}
    assert "last 1h" in done.run("tables", "list", "--format", "table").stdout


def test_table_rows_are_shown(done):
    """The rows of all partitions hold what was counted."""
    rows = {row["customer"]: (row["n"], row["spent"]) for row in done.ok("tables", "show", "recent")}
    assert rows == {"ann": (3, 1_150), "bob": (2, 120), "cy": (1, 2_000)}


@pytest.mark.parametrize(
    ("options", "customers"),
    [
        (["--sort", "spent"], ["bob", "ann", "cy"]),
        (["--sort=-spent"], ["cy", "ann", "bob"]),
        (["--sort=-n", "-n", "1"], ["ann"]),
        (["--where", "n >= 2", "--where", "spent<1k"], ["bob"]),
        (["--key", "AN"], ["ann"]),
        (["--key", "zoe"], []),
    ],
)
def test_table_rows_can_be_chosen(done, options, customers):
    """Sorting, conditions, keys and a limit choose rows."""
    assert [row["customer"] for row in done.ok("tables", "show", "recent", *options)] == customers


def test_a_table_for_people_says_how_fresh_it_is(done):
    """Below the rows stands how many there are and how far they are behind; an empty choice is said."""
    shown = done.run("tables", "show", "recent", "--format", "table", "--sort=-spent", "-n", "2").stdout
    assert shown.splitlines()[1].split()[0] == "cy"
    assert "2,000" in shown
    assert "2 of 3 rows" in shown
    assert "0 records behind" in shown
    assert "no row passes" in done.run("tables", "show", "recent", "--key", "zoe", "--format", "table").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recnt"], "did you mean 'recent'?"),
        (["recent", "--sort", "spnt"], "did you mean 'spent'?"),
        (["recent", "--where", "spent"], "'spent'"),
    ],
)
def test_tables_refuse_what_is_not_there(done, arguments, said):
    """Unknown tables and columns are one line with the name that may have been meant."""
    result = done.run("tables", "show", *arguments)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert result.stderr.count("\n") == 1


def test_lag_tells_what_waits(done, shell):
    """After the worker nothing waits; before any worker all records do."""
    rows = done.ok("lag", "--no-rates")
    assert {(row["topic"], row["lag_records"], row["status"]) for row in rows} == {
        ("orders", 0, "OK"),
        ("samples", 0, "OK"),
    }
    shell.ok("produce", "orders", data=payload(0, "ann", 1))
    assert sum(row["lag_records"] for row in shell.ok("lag", "--no-rates")) == 1
    assert "orders" in shell.run("lag", "--no-rates", "--format", "table").stdout


def test_lag_tells_skew(shell):
    """Each row has the skew of its topic, and people read a line for each topic of several partitions below them."""
    shell.ok("produce", "orders", data=b"\n".join(payload(number, "ann", 1) for number in range(5)))
    rows = [row for row in shell.ok("lag", "--no-rates") if row["topic"] == "orders"]
    (busiest,) = [row["partition"] for row in rows if row["lag_records"]]
    count = len(rows)
    expected = {"partitions": count, "lag_ratio": float(count), "busiest": busiest, "share": 1.0}
    assert [row["skew"] for row in rows] == [expected] * count
    (line,) = [line for line in _people(shell) if line.startswith("skew of orders")]
    assert f"partition {busiest} gets 100 % of the records" in line
    assert f"the largest lag is {count}.0 times the mean" in line


def test_one_partition_has_no_skew(shell):
    """A topic of one partition has nothing to compare."""
    shell.config.write_text(shell.config.read_text().replace("partitions = 3", "partitions = 1"))
    shell.ok("produce", "orders", data=payload(0, "ann", 1))
    assert [row["skew"] for row in shell.ok("lag", "--no-rates") if row["topic"] == "orders"] == [None]
    assert not [line for line in _people(shell) if line.startswith("skew of orders")]


def _people(shell):
    return shell.run("lag", "--no-rates", "--format", "table").stdout.splitlines()


def test_lag_of_an_unknown_group_is_refused(done):
    """A group that is not there is one line, which names those that are."""
    result = done.run("lag", "--group", "shpo")
    assert (result.exit_code, "there is: shop" in result.stderr) == (2, True)


def test_topics_tell_what_the_log_holds(done):
    """All topics with their records: sources, alerts, dead letters, state."""
    topics = {topic["topic"]: topic for topic in done.ok("topics")}
    ends = {name: sum(part["end"] for part in topic["partitions"]) for name, topic in topics.items()}
    assert (ends["orders"], ends["alerts"], ends["orders.dead-letter"]) == (7, 3, 1)
    assert topics["shop-orders-state"]["cleanup"] == "compact"
    assert "newest of each key" in done.run("topics", "--format", "table").stdout


def test_dead_letters_show_why(done):
    """A refused record is consumed with the headers that say why and where from."""
    (letter,) = done.ok("consume", "orders.dead-letter")
    headers = {header["name"]: header["value"] for header in letter["headers"]}
    assert letter["value"] == '{"id":'
    assert headers["streamgauge-topic"] == "orders"
    assert headers["streamgauge-reason"]


def test_a_table_too_wide_to_fit_becomes_paragraphs(example_shell):
    """The health tables have more columns than fit beside each other: each row is a paragraph of names and values."""
    example_shell.ok("load", "payments", "--rate", "200", "--duration", "500ms", "--no-campaigns")
    assert example_shell.start("worker", "--until-idle").wait(60) == 0
    shown = example_shell.run("tables", "show", "health_1s", "--format", "table").stdout
    assert "payments/0 \u00b7 20" in shown
    assert "append_processed.p99 " in shown
    assert "\u2026" not in shown
