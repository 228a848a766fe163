"""An access file with a clock that is set by hand and hashes that cost nothing."""

from argon2 import PasswordHasher

from pipeline.access.audit import Actor, AuditLog
from pipeline.access.database import Database
from pipeline.access.keys import Keys
from pipeline.access.passwords import Passwords
from pipeline.access.sessions import Sessions
from pipeline.access.users import Users

START_MS = 1_800_000_000_000
PASSWORD = "correct horse battery"
TESTER = Actor(who="tester", how="cli")
LOGIN, LOGOUT = TESTER.doing("login"), TESTER.doing("logout")


def cheap():
    """Passwords whose hashes take no time."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Clock:
    """Unix ms that pass when they are told to."""

    def __init__(self):
        self.ms = START_MS

    def __call__(self):
        return self.ms


class Kit:
    """Everything in one file."""

    def __init__(self, path, key=None):
        self.clock = Clock()
        self.database = Database(path)
        self.audit = AuditLog(self.database, clock_ms=self.clock, key=key)
        self.users = Users(self.database, self.audit, cheap(), clock_ms=self.clock)
        self.keys = Keys(self.database, self.audit, clock_ms=self.clock)
        self.sessions = Sessions(self.database, self.audit, length_ms=3_600_000, clock_ms=self.clock)

    def actions(self):
        """What the audit log tells, oldest first: action, subject, outcome."""
        return [(r["action"], r["subject"], r["outcome"]) for r in self.audit.newest(1_000)[::-1]]
