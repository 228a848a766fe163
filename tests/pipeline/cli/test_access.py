"""Users, keys and the audit log on the command line."""

import sqlite3

import pytest

PASSWORD = "correct horse battery\n"


@pytest.fixture
def access(shell):
    """A shell whose access file is beside its log."""
    shell.config.write_text(f'{shell.config.read_text()}\n[web]\nusers = "{shell.folder}/access.db"\n')
    return shell


def add(access, name="ann", role="admin"):
    return access.ok("users", "add", name, "--role", role, data=PASSWORD)


def test_users_come_change_and_go(access):
    """Each command says what it did, and the list shows it; no password anywhere."""
    assert access.ok("users", "list") == []
    assert add(access) == [{"added": "ann", "role": "admin"}]
    assert add(access, "bob", "viewer") == [{"added": "bob", "role": "viewer"}]
    assert access.ok("users", "role", "bob", "analyst") == [{"changed": "bob", "role": "analyst"}]
    assert access.ok("users", "passwd", "bob", data="another horse battery") == [{"changed": "bob"}]
    assert [(user["name"], user["role"]) for user in access.ok("users", "list")] == [
        ("ann", "admin"),
        ("bob", "analyst"),
    ]
    assert access.ok("users", "remove", "bob") == [{"removed": "bob"}]
    assert [user["name"] for user in access.ok("users", "list")] == ["ann"]
    told = access.ok("audit", "show")
    assert [record["action"] for record in told] == [
        "user.add",
        "user.add",
        "user.role",
        "user.password",
        "user.remove",
    ]
    assert {record["how"] for record in told} == {"cli"}
    assert "horse" not in str(told)


@pytest.mark.parametrize(
    ("arguments", "data", "says"),
    [
        (("users", "add", "ann"), "short\n", "the password has 5 characters; from 12 to 256 are needed"),
        (("users", "add", "ann"), "", "there is no password on standard input"),
        (("users", "add", "ann", "--role", "root"), PASSWORD, "'root' is no role; there are admin, analyst"),
        (("users", "passwd", "ann"), PASSWORD, "`streamgauge users add NAME --role admin` makes it"),
        (("keys", "list"), None, "`streamgauge users add NAME --role admin` makes it"),
        (("audit", "verify"), None, "`streamgauge users add NAME --role admin` makes it"),
        (("keys", "add", "ann", "--for", "soon"), None, "'soon' is no duration"),
    ],
)
def test_what_can_not_be_is_one_line_and_makes_no_file(access, arguments, data, says):
    """Code 2, what is wrong and what to do; nothing is left behind."""
    result = access.run(*arguments, data=data)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr
    assert not (access.folder / "access.db").exists()


def test_a_key_is_shown_when_it_is_made(access):
    """Then never again; the list has its id, with which it is revoked."""
    add(access)
    (key,) = access.ok("keys", "add", "ann", "--scope", "write", "--for", "7d", "--label", "ci")
    assert key["key"].startswith(f"sgk_{key['id']}_")
    assert key["expires_ms"] - key["created_ms"] == 7 * 86_400_000
    (listed,) = access.ok("keys", "list")
    assert listed == {name: value for name, value in key.items() if name != "key"}
    assert access.ok("keys", "revoke", key["id"]) == [{"revoked": key["id"]}]
    assert access.ok("keys", "list") == []
    assert access.run("keys", "revoke", key["id"]).exit_code == 2


def test_verify_names_the_first_broken_record(access):
    """Whole, it prints the head; changed, code 7 and the number; cut off, the head that was kept finds it."""
    add(access)
    add(access, "bob", "viewer")
    (whole,) = access.ok("audit", "verify")
    assert (whole["is_whole"], whole["head"].partition(":")[0]) == (True, "2")
    assert access.ok("audit", "verify", "--head", whole["head"]) == [whole]
    with sqlite3.connect(access.folder / "access.db") as file:
        file.execute("DROP TRIGGER audit_no_delete")
        file.execute("DROP TRIGGER audit_no_update")
        file.execute("DELETE FROM audit WHERE number = 2")
        file.execute("UPDATE audit_head SET number = 1, hash = (SELECT hash FROM audit)")
    file.close()
    assert access.ok("audit", "verify")[0]["is_whole"], "an end that is cut off with the head shows only from outside"
    cut = access.run("audit", "verify", "--head", whole["head"])
    assert (cut.exit_code, "audit record 2 is not as it was written" in cut.stderr) == (7, True)
    with sqlite3.connect(access.folder / "access.db") as file:
        file.execute("UPDATE audit SET body = replace(body, 'ann', 'eve')")
    file.close()
    changed = access.run("audit", "verify")
    assert (changed.exit_code, "audit record 1 is not as it was written" in changed.stderr) == (7, True)
    assert access.run("audit", "verify", "--head", "x").exit_code == 2
