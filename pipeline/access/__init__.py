"""Who may do what: users, API keys, bearer tokens, sessions, and the audit log of every change."""

from pipeline.access.roles import Role, User

__all__ = ["Role", "User"]
