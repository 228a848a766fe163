"""Users, keys and sessions in their file: who counts, until when, and what the audit log tells of it."""

import contextlib
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.access.chain import Head
from pipeline.access.database import Database
from pipeline.access.roles import Role
from pipeline.errors import AccessError, UsageError
from tests.pipeline.access.kit import LOGIN, LOGOUT, PASSWORD, START_MS, TESTER, Kit, cheap

ROOT = Path(__file__).parents[3]


@pytest.fixture
def kit(tmp_path):
    made = Kit(tmp_path / "web" / "access.db")
    yield made
    made.database.close()


def add(kit, name="ann", role=Role.ADMIN):
    return kit.users.add(name, role, PASSWORD, by=TESTER)


def test_reading_makes_no_file(kit):
    """A view without login has no users, and no file of them."""
    assert kit.users.all() == []
    assert kit.audit.head() == Head()
    assert not kit.database.path.exists()


def test_the_file_is_for_its_owner_only(kit):
    """Nobody else on the machine reads the file of hashes, nor its side files."""
    add(kit)
    for path in kit.database.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_user_is_known_by_name_and_password(kit):
    """The right pair gives the user; a wrong password, a wrong name and an empty one give nobody."""
    add(kit)
    assert kit.users.check("ann", PASSWORD).role is Role.ADMIN
    assert [kit.users.check(*pair) for pair in (("ann", "x"), ("bob", PASSWORD), ("", ""), ("ann", PASSWORD * 99))] == [
        None
    ] * 4


def test_passwords_are_kept_as_argon2id_hashes(kit):
    """The file has no password in it; a hash with other costs is made anew at the next login."""
    add(kit)
    (stored,) = kit.database.read("SELECT password FROM users")[0]
    assert stored.startswith("$argon2id$")
    kit.database.close()
    assert all(PASSWORD.encode() not in path.read_bytes() for path in kit.database.path.parent.iterdir())
    from argon2 import PasswordHasher

    older = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
    with kit.database.change() as change:
        change.execute("UPDATE users SET password = ?", (older,))
    assert kit.users.check("ann", PASSWORD)
    assert kit.database.read("SELECT password FROM users")[0][0].startswith("$argon2id$v=19$m=8,t=1")


def test_accents_may_be_composed_either_way():
    """The same password from two keyboards has one hash."""
    hashed = cheap().hash("ann", "caf\u00e9 caf\u00e9 caf\u00e9")
    assert cheap().check(hashed, "cafe\u0301 cafe\u0301 cafe\u0301")


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        ("ann", "short", "12 to 256"),
        ("ann", "x" * 257, "12 to 256"),
        ("annabel-lee", "annabel-lee1", "user's name"),
        ("", PASSWORD, "no user name"),
        ("a b", PASSWORD, "no user name"),
        ("../x", PASSWORD, "no user name"),
        ("ANN", PASSWORD, "already"),
    ],
)
def test_what_can_be_no_user_is_refused(kit, name, password, says):
    """Bad names and passwords leave no user and no record."""
    add(kit, "ann")
    with pytest.raises(UsageError, match=says):
        kit.users.add(name, Role.VIEWER, password, by=TESTER)
    assert kit.actions() == [("user.add", "ann", "ok")]


def test_changes_and_their_records_stand_or_fall_together(kit):
    """A change that fails leaves nothing, one that is done has its record."""
    add(kit)
    kit.users.set_role("ann", Role.VIEWER, by=TESTER)
    kit.users.set_password("ann", PASSWORD + "!", by=TESTER)
    key, _ = kit.keys.add("ann", "read", label="x", lifetime_ms=1_000, by=TESTER)
    kit.keys.revoke(key.id, by=TESTER)
    for fails in (
        lambda: kit.users.set_role("bob", Role.VIEWER, by=TESTER),
        lambda: kit.users.remove("bob", by=TESTER),
        lambda: kit.keys.revoke(key.id, by=TESTER),
        lambda: kit.keys.add("bob", "read", label="", lifetime_ms=1_000, by=TESTER),
    ):
        with pytest.raises(UsageError, match="there is no"):
            fails()
    kit.users.remove("ann", by=TESTER)
    told = ["user.add", "user.role", "user.password", "key.add", "key.revoke", "user.remove"]
    assert [action for action, _, _ in kit.actions()] == told
    assert kit.audit.verify().broken is None
    assert all(PASSWORD not in str(record) for record in kit.audit.newest(99))


def test_a_key_counts_until_it_ends_or_is_revoked(kit):
    """The text gives the owner; a wrong secret, an ended and a revoked key give nobody. The file has no secret."""
    add(kit)
    key, text = kit.keys.add("ann", "write", label="ci", lifetime_ms=60_000, by=TESTER)
    assert (kit.keys.check(text).name, kit.keys.check(text).role, kit.keys.check(text).how) == (
        "ann",
        Role.OPERATOR,
        "key",
    )
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert [kit.keys.check(each) for each in (wrong, text + "x", text.upper(), "sgk_", "")] == [None] * 5
    assert text not in str(kit.database.read("SELECT * FROM keys") + kit.audit.newest(9))
    kit.clock.ms += 60_000
    assert kit.keys.check(text) is None
    kit.clock.ms -= 1
    assert kit.keys.check(text) is not None
    kit.keys.revoke(key.id, by=TESTER)
    assert kit.keys.check(text) is None


@pytest.mark.parametrize("scope", ["read", "write", "viewer", "analyst", "operator", "admin"])
def test_a_key_never_may_more_than_its_owner_may_now(kit, scope):
    """Whatever the scope says, the owner's role when the key is used is the limit; without the owner it is nothing."""
    add(kit)
    _, text = kit.keys.add("ann", scope, label="", lifetime_ms=1_000, by=TESTER)
    most = {"read": Role.VIEWER, "write": Role.OPERATOR}.get(scope) or Role[scope.upper()]
    for role in reversed(Role):
        kit.users.set_role("ann", role, by=TESTER)
        assert kit.keys.check(text).role == min(role, most)
    kit.users.remove("ann", by=TESTER)
    assert kit.keys.check(text) is None


def test_keys_end_within_a_year_and_have_a_known_scope(kit):
    """A key for ever and a scope that is none are refused."""
    add(kit)
    for lifetime_ms in (0, -1, 367 * 86_400_000):
        with pytest.raises(UsageError, match="at most 366d"):
            kit.keys.add("ann", "read", label="", lifetime_ms=lifetime_ms, by=TESTER)
    with pytest.raises(UsageError, match="'reed' is no scope"):
        kit.keys.add("ann", "reed", label="", lifetime_ms=1, by=TESTER)


def test_use_of_a_key_is_noted_once_a_minute(kit):
    """The list shows when a key was used, without a write at each request."""
    add(kit)
    key, _ = kit.keys.add("ann", "read", label="", lifetime_ms=10**9, by=TESTER)
    seen = []
    for passed_ms in (0, 59_999, 1):
        kit.clock.ms += passed_ms
        kit.keys.used(key.id)
        seen.append(kit.keys.all()[0].used_ms - START_MS)
    assert seen == [0, 0, 60_000]


def test_sessions_end(kit):
    """At their end, at the logout, with the next login of the browser, with another role or password, with the user."""
    add(kit)
    first = kit.sessions.start("ann", LOGIN)
    user = kit.sessions.check(first)
    assert (user.name, user.role, user.how, user.until_ms) == ("ann", Role.ADMIN, "session", START_MS + 3_600_000)
    assert first not in str(kit.database.read("SELECT * FROM sessions"))
    second = kit.sessions.start("ann", LOGIN, instead_of=first)
    assert kit.sessions.check(first) is None
    other = kit.sessions.start("ann", LOGIN)
    kit.sessions.end(kit.sessions.check(second).proof, LOGOUT)
    assert kit.sessions.check(second) is None
    assert kit.sessions.check(other) is not None
    kit.clock.ms += 3_600_000
    assert kit.sessions.check(other) is None
    for change in (
        lambda: kit.users.set_role("ann", Role.VIEWER, by=TESTER),
        lambda: kit.users.set_password("ann", PASSWORD, by=TESTER),
        lambda: kit.users.remove("ann", by=TESTER),
    ):
        token = kit.sessions.start("ann", LOGIN)
        change()
        assert kit.sessions.check(token) is None


def test_the_file_itself_refuses_to_forget(kit):
    """SQL that changes or deletes a record is refused, so that a mistake can't; who drops that guard is found out."""
    add(kit)
    add(kit, "bob")
    for sql in ("UPDATE audit SET body = '{}'", "DELETE FROM audit"):
        with pytest.raises(AccessError, match="the audit log only grows"), kit.database.change() as change:
            change.execute(sql)
    with kit.database.change() as change:
        change.execute("DROP TRIGGER audit_no_delete")
        change.execute("DELETE FROM audit WHERE number = 2")
    found = kit.audit.verify()
    assert (found.broken, found.head.number) == (2, 1)
    add(kit, "eve")
    assert kit.audit.verify().broken == 2


def test_writers_in_several_processes_make_one_chain(kit):
    """The command line and web views append at once: no record is lost, and no two stand behind the same one."""
    add(kit)
    code = (
        "import sys; from pathlib import Path; from tests.pipeline.access.kit import Kit, TESTER\n"
        "kit = Kit(Path(sys.argv[1]))\n"
        "for n in range(40): kit.audit.record(TESTER.doing('write', sys.argv[2], n=n))"
    )
    path = str(kit.database.path)
    seen = set()
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", code, path, name], cwd=ROOT, stderr=subprocess.PIPE)
            )
            for name in "abc"
        ]
        while any(writer.poll() is None for writer in writers):
            found = kit.audit.verify()
            assert found.broken is None, found
            seen.add(found.head)
        assert [writer.communicate()[1] for writer in writers] == [b"", b"", b""]
    found = kit.audit.verify(seen)
    assert (found.broken, found.head.number) == (None, 121)
    records = kit.audit.newest(200)[::-1]
    for name in "abc":
        assert [r["details"]["n"] for r in records if r["subject"] == name] == list(range(40))


def test_reading_takes_no_lock_from_writers(kit):
    """A process that opens the file anew keeps the locks it has: another one that leaves takes no journal with it."""
    add(kit)
    kit.audit.verify()  # opens and closes a second connection beside the first
    leave = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT COUNT(*) FROM audit').fetchone()"
    subprocess.run([sys.executable, "-c", leave, str(kit.database.path)], check=True)
    assert kit.database.path.with_name(f"{kit.database.path.name}-wal").exists()  # the last who leaves removes it
    add(kit, "bob")
    assert kit.audit.verify().broken is None


def test_a_file_that_is_none_says_so(tmp_path):
    """Something else in the place of the file, and a file of a newer version, are one clear sentence."""
    path = tmp_path / "access.db"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 99)
    with pytest.raises(AccessError, match=r"access\.db can't be used"):
        Database(path).read("SELECT 1 FROM users")
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(AccessError, match="newer streamgauge"):
        Database(newer).read("SELECT 1 FROM users")
