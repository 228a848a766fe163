"""What whoever looks at a page may do: asked for what to show, and again when it is done."""

from typing import Final

from nicegui import ui

from pipeline.errors import UsageError
from pipeline.web.api.permissions import Role
from pipeline.web.auth import User

_RANKS: Final[tuple[Role, ...]] = ("viewer", "analyst", "operator", "admin")


def may(role: Role) -> bool:
    """Whether the viewer may what ``role`` may, for showing it or not."""
    return _rank(_user()) >= _RANKS.index(role)


def doing(role: Role) -> str:
    """The viewer's name, for doing something: call it in the handler of the event.

    Raises:
        UsageError: If the viewer's role is too low.
    """
    user = _user()
    if _rank(user) < _RANKS.index(role):
        raise UsageError(f"this needs the role {role}; {user.name} has {', '.join(user.roles) or 'none'} here")
    return user.name


def _user() -> User:
    user: User = ui.context.client.request.state.user
    return user


def _rank(user: User) -> int:
    return max((_RANKS.index(role) for role in user.roles if role in _RANKS), default=-1)
