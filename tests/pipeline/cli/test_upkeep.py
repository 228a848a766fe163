"""Looking after an application's topics, on every log: showing and mending them, and starting anew."""

import secrets

import orjson
import pytest

from tests.pipeline.cli.conftest import Shell

T0 = 1_700_000_000_000
CONFIG = """
[app]
name = "{app}"
log = "{log}"
alerts = "{app}-alerts"
health = false

[streams.orders]
topic = "{app}-orders"
partitions = {partitions}
key = "customer"
time = "ts"
retention = "{retention}"
fields = {{ customer = "str", item = "str", ts = "int", cents = "int" }}

[tables.recent]
stream = "orders"
by = "customer"
window = {{ sliding = "1h", pane = "1m" }}
measures = {{ n = "count()", spent = "sum(cents)" }}

[tables.items]
stream = "orders"
by = "item"
window = {{ tumbling = "1m" }}
measures = {{ n = "count()" }}

[rules.big-spender]
table = "recent"
when = "spent >= 1000"
severity = "high"
"""


class Upkeep(Shell):
    """A shell whose configuration can be changed."""

    def configure(self, *, partitions=2, retention="7d"):
        self.config.write_text(CONFIG.format(app=self.app, log=self.log, partitions=partitions, retention=retention))

    def topic(self, name):
        return f"{self.app}-{name}"

    def order(self, *orders):
        lines = [orjson.dumps({"customer": who, "item": "tea", "ts": T0, "cents": cents}) for who, cents in orders]
        self.ok("produce", self.topic("orders"), data=b"\n".join(lines))

    def work(self):
        """Let a worker do what there is; its exit code, and what it said."""
        worker = self.start("worker", "--until-idle")
        _, said = worker.communicate(timeout=60)
        return worker.returncode, said.decode()

    def spent(self):
        """What the table knows of each customer."""
        return {row["customer"]: row["spent"] for row in self.ok("tables", "show", "recent")}


@pytest.fixture(params=["kafka", "local"])
def shell(request, tmp_path):
    """A shell with an application of its own on a log."""
    made = Upkeep(tmp_path, tmp_path / "shop.toml")
    made.app = f"shop-{secrets.token_hex(4)}"
    made.log = f"local://{tmp_path}/shop.db"
    if request.param == "kafka":
        made.log = f"kafka://{request.getfixturevalue('kafka').bootstrap}"
    made.configure()
    yield made
    made.close()


def own(shell, rows):
    return {row["topic"].removeprefix(f"{shell.app}-"): row for row in rows if row["topic"].startswith(shell.app)}


# ---- topics


def test_topics_that_are_missing_are_shown_and_made(shell):
    """Before the first start every topic is missing but the one that was written to; mending makes them."""
    shell.order(("ann", 1))
    before = own(shell, shell.ok("topics"))
    assert {name for name, row in before.items() if row["exists"]} == {"orders"}
    assert before["orders"]["differences"] == []
    made = own(shell, shell.ok("topics", "mend"))
    assert made.keys() == before.keys() - {"orders"}
    assert {row["found"] for row in made.values()} == {None}
    after = own(shell, shell.ok("topics"))
    assert [row for row in after.values() if not row["exists"] or row["differences"]] == []
    assert shell.ok("topics", "mend") == []


def test_a_dry_run_changes_nothing(shell):
    """What mending would do is shown, and not done."""
    shell.order(("ann", 1))
    assert {row["mended"] for row in shell.ok("topics", "mend", "--dry-run")} == {False}
    assert {name for name, row in own(shell, shell.ok("topics")).items() if row["exists"]} == {"orders"}


def test_too_few_partitions_stop_a_worker_and_are_mended(shell):
    """A worker ends with 3 and names the command; after it the worker runs, and all partitions are as wanted."""
    shell.order(("ann", 400))
    assert shell.work()[0] == 0
    shell.configure(partitions=3)
    code, said = shell.work()
    assert code == 3
    assert said.count("\n") == 1
    assert "with 2 partitions" in said
    assert "`streamgauge topics mend`" in said
    shell.ok("topics", "mend")
    assert shell.work()[0] == 0
    assert {row["cleanup"]: len(row["partitions"]) for row in own(shell, shell.ok("topics")).values()} == {
        "compact": 3,
        "delete": 3,
    }


def test_too_many_partitions_stop_a_worker_and_mending_says_why(shell):
    """Partitions are never removed: both the worker and the command name the setting to change, with 3."""
    shell.ok("topics", "mend")
    shell.configure(partitions=1)
    code, said = shell.work()
    assert code == 3
    assert "Set partitions = 2 in the configuration" in said
    result = shell.run("topics", "mend")
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
    assert "set partitions = 2 in the configuration" in result.stderr


def test_a_stream_s_own_topic_is_never_made_to_keep_less(shell):
    """Retention of a stream grows by mending and does not shrink; that of what the application writes does both."""
    shell.configure(retention="2d")
    shell.ok("topics", "mend")
    shell.configure(retention="1d")
    assert own(shell, shell.ok("topics", "mend")).keys() == {"orders.dead-letter", "orders.late"}
    shell.configure(retention="3d")
    assert own(shell, shell.ok("topics", "mend")).keys() == {"orders", "orders.dead-letter", "orders.late"}
    assert own(shell, shell.ok("topics"))["orders"]["retention_ms"] == 3 * 86_400_000


def test_topics_of_others_are_shown_if_asked_for(shell):
    """Topics that the application does not need are listed with ``--all`` only, without an opinion on them."""
    shell.order(("ann", 1))
    orders, app = shell.topic("orders"), shell.app
    shell.configure()
    text = shell.config.read_text()
    shell.config.write_text(text.replace(f'"{orders}"', f'"{app}-others"'))
    assert orders not in {row["topic"] for row in shell.ok("topics")}
    (row,) = [row for row in shell.ok("topics", "--all") if row["topic"] == orders]
    assert (row["needed"], row["differences"], len(row["partitions"])) == (False, [], 2)


def test_topics_for_people(shell):
    """A table says what is not as wanted, and which command mends it."""
    shell.order(("ann", 1))
    shown = shell.run("topics", "--format", "table").stdout
    assert "as wanted" in shown
    assert "no: missing" in shown
    assert "`streamgauge topics mend`" in shown
    assert "would be done" in shell.run("topics", "mend", "--dry-run", "--format", "table").stdout
    shell.ok("topics", "mend")
    assert shell.run("topics", "mend", "--format", "table").stdout == "every topic is as wanted\n"


# ---- reset


@pytest.fixture
def worked(shell):
    """A shell whose worker has processed two orders and raised an alert."""
    shell.order(("ann", 2_000), ("bob", 10))
    assert shell.work()[0] == 0
    assert shell.spent() == {"ann": 2_000, "bob": 10}
    return shell


def test_a_reset_starts_anew(worked):
    """After a reset all records are processed again: tables as before, alerts twice."""
    told = worked.ok("reset", "--yes")
    assert {step["done"] for step in told} == {True}
    assert worked.spent() == {}
    assert worked.work()[0] == 0
    assert worked.spent() == {"ann": 2_000, "bob": 10}
    assert len(worked.ok("alerts")) == 2


def test_a_reset_with_alerts_deletes_them(worked):
    """With ``--alerts`` the alerts go too."""
    worked.ok("reset", "--yes", "--alerts")
    assert worked.ok("alerts") == []
    assert worked.work()[0] == 0
    assert len(worked.ok("alerts")) == 1


def test_a_reset_to_the_end_leaves_out_what_there_is(worked):
    """With ``--to end`` only records that come later are processed."""
    told = worked.ok("reset", "--yes", "--to", "end")
    assert sum(step["offset"] for step in told if step["step"] == "start from") == 2
    worked.order(("ann", 5))
    assert worked.work()[0] == 0
    assert worked.spent() == {"ann": 5}


def test_a_reset_to_a_time_begins_there(worked):
    """With a time, processing begins with the first record appended since."""
    assert {step["offset"] for step in worked.ok("reset", "--dry-run", "--to", "1h") if "offset" in step} == {0}
    later = worked.ok("reset", "--dry-run", "--to", "2100-01-01")
    assert sum(step["offset"] for step in later if step["step"] == "start from") == 2


def test_a_dry_run_says_what_a_reset_does(worked):
    """The steps of a dry run are those of the reset, in the same order, and nothing is done."""
    planned = worked.ok("reset", "--dry-run")
    assert {step["done"] for step in planned} == {False}
    assert worked.spent() == {"ann": 2_000, "bob": 10}
    assert [step | {"done": True} for step in planned] == worked.ok("reset", "--yes")


def test_a_reset_touches_no_stream(worked):
    """What is deleted are state, clocks, repartitioned records and closed windows; streams and dead letters stay."""
    steps = worked.ok("reset", "--yes")
    deleted = {step["topic"].removeprefix(f"{worked.app}-") for step in steps if step["step"] == "delete topic"}
    state_topics = {f"{worked.app}-orders-state", f"{worked.app}-orders-by-item-repartition-state"}
    assert deleted == {"orders-by-item-repartition", "items", "clocks", *state_topics}
    assert len(worked.ok("consume", worked.topic("orders"))) == 2


def test_a_reset_is_refused_while_a_worker_lives(worked):
    """A living worker is named, with 3; nothing is deleted."""
    worker = worked.start("worker")
    follower = worked.start("alerts", "--follow", "--since", "start", "--key", "cy")
    worked.order(("cy", 3_000))
    assert orjson.loads(follower.stdout.readline())["key"] == "cy"
    for words in (["--yes"], ["--dry-run"]):
        result = worked.run("reset", *words)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (3, "", 1)
        assert "has living workers: worker@" in result.stderr
    assert worked.spent().keys() >= {"ann", "bob"}
    worker.terminate()
    assert worker.wait(30) == 0


def test_a_reset_asks_first(worked):
    """Without a terminal to ask on, and without ``--yes``, nothing is done."""
    result = worked.run("reset")
    assert (result.exit_code, "say --yes" in result.stderr) == (2, True)
    assert worked.spent() == {"ann": 2_000, "bob": 10}


def test_a_reset_for_people(worked):
    """The steps are a table, and the last line says whether anything was done."""
    shown = worked.run("reset", "--dry-run", "--format", "table").stdout
    assert "delete topic" in shown
    assert shown.endswith("nothing was changed\n")
    assert worked.run("reset", "--to", "yesterday").stderr.startswith("streamgauge: --to 'yesterday' is no moment")
