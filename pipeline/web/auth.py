"""Who asks. Every page and endpoint goes through ``current_user``, so that login has one place to be added."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody who may look.

    Args:
        name: Shown in the view.
        roles: What the user may do.
    """

    name: str
    roles: tuple[str, ...]


LOCAL_USER = User(name="local", roles=("admin",))


async def current_user(request: HTTPConnection) -> User:
    """The user behind a request; on a loopback address that is whoever sits at this machine."""
    request.state.user = LOCAL_USER
    return LOCAL_USER
