"""Who asks, and what that one may: the role that an endpoint or a page needs."""

import functools
from typing import Final

from fastapi import HTTPException
from fastapi.dependencies.models import Dependant
from nicegui import ui
from starlette.exceptions import WebSocketException
from starlette.requests import HTTPConnection
from starlette.status import WS_1008_POLICY_VIOLATION

from pipeline.access.roles import Role, User
from pipeline.errors import UsageError
from pipeline.web.access import Access

PUBLIC: Final = ("/login", "/favicon.ico", "/static/")
"""What is served to everybody: paths, and with a slash at the end all below them."""


class Requires:
    """A dependency of a route: the user behind the request, who must have a role.

    Args:
        role: The least that is enough.
    """

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, connection: HTTPConnection) -> User:
        """The user; raises if there is none or the role is too low."""
        user = getattr(connection.state, "user", None)
        if isinstance(user, User) and user.may(self.role):
            return user
        status, sentence = (403, lacking(user, self.role)) if isinstance(user, User) else (401, "log in first")
        if connection.scope["type"] == "websocket":
            raise WebSocketException(WS_1008_POLICY_VIOLATION, sentence)
        raise HTTPException(status, sentence)


@functools.cache
def requires(role: Role) -> Requires:
    """What a route that needs a role depends on: ``dependencies=[Depends(requires(Role.ANALYST))]``."""
    return Requires(role)


current_user: Final = requires(Role.VIEWER)
"""Anybody who was recognised."""


def lacking(user: User, role: Role) -> str:
    """Why a user may not do what needs a role."""
    if user.how == "local":
        return (
            f"this needs the role {role.label}, which nobody has while login is off; use the command line, or set "
            "login = true in [web]"
        )
    return f"this needs the role {role.label}; {user.name} has {user.role.label} here"


def is_public(path: str) -> bool:
    """Whether a path is served to everybody."""
    return any(path.startswith(each) if each.endswith("/") else path == each for each in PUBLIC)


def declared(dependant: Dependant) -> Role | None:
    """The role that a route needs, by what it depends on; ``None`` if it names none."""
    roles = [declared(each) for each in dependant.dependencies]
    if isinstance(dependant.call, Requires):
        roles.append(dependant.call.role)
    return max((role for role in roles if role is not None), default=None)


def page_request() -> HTTPConnection:
    """The request of the page that is being built or that an event came from."""
    request: HTTPConnection = ui.context.client.request
    return request


def page_access() -> Access:
    """The access of the view that serves the page."""
    access: Access = page_request().state.access
    return access


def page_user() -> User:
    """The user that the page was served to, for showing what the user may do."""
    user: User = page_request().state.user
    return user


def page_may(role: Role) -> User:
    """The user of the page, for doing something: call it in the handler of the event.

    Raises:
        UsageError: If the user's role is too low, or the login has ended since the page was served.
    """
    user = page_user()
    if not page_access().still(user):
        raise UsageError("the login has ended; log in again")
    if not user.may(role):
        raise UsageError(lacking(user, role))
    return user
