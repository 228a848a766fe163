"""Incidents through the commands, made and changed by worker processes."""

import shlex
import time
from pathlib import Path

import orjson
import pytest

T0 = 1_700_000_000_000


@pytest.fixture
def watched(shell):
    """A shell whose alerts become incidents; three customers have spent too much."""
    shell.config.write_text(shell.config.read_text() + "\n[incidents]\n")
    spend(shell, "ann", "bob", "cy")
    work(shell)
    return shell


def spend(shell, *customers, at=0):
    orders = [{"id": f"{name}{at}", "customer": name, "ts": T0 + at, "cents": 2_000} for name in customers]
    shell.ok("produce", "orders", data=b"\n".join(map(orjson.dumps, orders)))


def work(shell):
    worker = shell.start("worker", "--until-idle")
    _, errors = worker.communicate(timeout=60)
    assert worker.returncode == 0, errors
    return errors.decode()


def by_key(shell, *options):
    return {each["key"]: each for each in shell.ok("incidents", *options) if each["kind"] == "incident"}


def test_incidents_are_listed_and_taken_care_of(watched):
    """One is acknowledged by the start of its id, one resolved: the list says so, with --all also what is over."""
    found = by_key(watched)
    assert {key: each["state"] for key, each in found.items()} == dict.fromkeys(("ann", "bob", "cy"), "open")
    watched.ok("incidents", "acknowledge", found["ann"]["id"][:10], "--by", "eve", "--note", "calling")
    watched.ok("incidents", "resolve", found["bob"]["id"], "--by", "eve")
    work(watched)
    after = by_key(watched)
    assert {key: each["state"] for key, each in after.items()} == {"ann": "acknowledged", "cy": "open"}
    assert (after["ann"]["acknowledged_by"], after["ann"]["note"]) == ("eve", "calling")
    assert by_key(watched, "--all")["bob"]["resolved_by"] == "eve"
    for_people = watched.run("incidents", "--format", "table").stdout
    assert "acknowledged by eve" in for_people
    assert 'big-spender fired for "cy"' in for_people


def test_a_snooze_is_listed_and_can_be_ended(watched):
    """It shows until when and why; alerts under it are counted."""
    (sent,) = watched.ok("incidents", "snooze", "--key", "dan", "--for", "2h", "--reason", "wedding", "--by", "eve")
    assert abs(sent["until_ms"] - time.time() * 1_000 - 7_200_000) < 600_000
    spend(watched, "dan")
    work(watched)
    spend(watched, "dan", at=1)
    work(watched)
    (snooze,) = [each for each in watched.ok("incidents") if each["kind"] == "snooze"]
    assert (snooze["key"], snooze["reason"], snooze["by"]) == ("dan", "wedding", "eve")
    dan = by_key(watched)["dan"]
    assert dan["muted"] == dan["count"] >= 1
    assert "snoozed until" in watched.run("incidents", "--format", "table").stdout
    watched.ok("incidents", "unsnooze", snooze["id"])
    work(watched)
    assert [each["kind"] for each in watched.ok("incidents")] == ["incident"] * 4
    assert by_key(watched)["dan"]["told"] == 1


def test_what_the_command_line_changes_is_in_the_audit_log(watched):
    """Where the web view's access file is: asked before it was sent, then done, under the user of the machine."""
    watched.config.write_text(f'{watched.config.read_text()}\n[web]\nusers = "{watched.folder}/access.db"\n')
    found = by_key(watched)
    watched.ok("incidents", "acknowledge", found["bob"]["id"], "--by", "eve")
    watched.ok("users", "add", "ann", "--role", "viewer", data=b"correct horse battery\n")
    (sent,) = watched.ok("incidents", "acknowledge", found["ann"]["id"], "--by", "eve", "--note", "calling")
    (snoozed,) = watched.ok("incidents", "snooze", "--key", "dan", "--for", "2h", "--reason", "wedding")
    watched.ok("incidents", "unsnooze", snoozed["id"])
    noted = [each for each in watched.ok("audit", "show") if each["action"].startswith(("incident", "snooze"))]
    told = [(each["action"], each["subject"], each["outcome"], each["how"]) for each in noted]
    assert told == [
        ("incident.acknowledge", found["ann"]["id"], "asked", "cli"),
        ("incident.acknowledge", found["ann"]["id"], "ok", "cli"),
        ("snooze.add", snoozed["id"], "asked", "cli"),
        ("snooze.add", snoozed["id"], "ok", "cli"),
        ("snooze.end", snoozed["id"], "asked", "cli"),
        ("snooze.end", snoozed["id"], "ok", "cli"),
    ]
    assert noted[0]["details"] == {"change": sent["id"], "named": "eve", "note": "calling"}
    watched.ok("audit", "verify")


def test_mistakes_are_said_before_anything_is_sent(watched):
    """What can't be done is refused at once, with code 2."""
    mistakes = {
        "'zzz' begins no live incident": ["acknowledge", "zzz"],
        "'' begins several live incidents": ["resolve", ""],
        "a snooze needs --rule, --key or both": ["snooze", "--for", "1h", "--reason", "x"],
        "no rule or detector 'big'": ["snooze", "--for", "1h", "--reason", "x", "--rule", "big"],
        "'soon' is no duration": ["snooze", "--for", "soon", "--reason", "x", "--key", "a"],
    }
    before = watched.ok("consume", "shop-alert-commands")
    for message, arguments in mistakes.items():
        result = watched.run("incidents", *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
    assert watched.ok("consume", "shop-alert-commands") == before


def test_without_the_section_there_are_no_incidents(shell):
    """The message says what to add."""
    result = shell.run("incidents")
    assert result.exit_code == 2
    assert "add [incidents] to the configuration" in result.stderr


def test_a_killed_worker_loses_and_repeats_no_incident(watched):
    """Killed over and over while alerts come, workers leave each alert counted once and each notice once."""
    customers = [f"c{n}" for n in range(60)]
    for turn in range(3):
        worker = watched.start("worker")
        spend(watched, *customers[20 * turn : 20 * turn + 20])
        deadline = time.monotonic() + 60
        while len(by_key(watched)) < 3 + 20 * turn + 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        worker.kill()
        worker.communicate()
    work(watched)  # ends when it has the partitions of the one that was killed last, and done what it left
    found = by_key(watched)
    assert set(found) == {"ann", "bob", "cy", *customers}
    assert {each["count"] for each in found.values()} == {1}
    notices = [orjson.loads(each["value"]) for each in watched.ok("consume", "shop-alert-notices")]
    assert sorted(each["key"] for each in notices if each["kind"] == "opened") == sorted(
        each["key"] for each in found.values() if each["told"]
    )
    assert len({each["id"] for each in notices}) == len(notices)


def test_the_commands_of_the_docs_run(watched):
    """Typed as written, with a rule and an id that there are."""
    page = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    shown = [line[2:] for line in page.splitlines() if line.startswith("$ streamgauge incidents")]
    assert len(shown) == 4
    incident = by_key(watched)["ann"]["id"]
    for line in shown:
        typed = line.replace("4f0c12", incident[:6]).replace("rapid-large", "big-spender").removesuffix("-c shop.toml")
        watched.ok(*shlex.split(typed)[1:])
    work(watched)
    assert set(by_key(watched)) == {"bob", "cy"}
