"""What whoever looks at a page may do: asked for what to show, and again when it is done."""

from pipeline.access.audit import Actor
from pipeline.access.roles import Role
from pipeline.web.auth import page_access, page_may, page_request, page_user


def may(role: Role) -> bool:
    """Whether the viewer may what ``role`` may, for showing it or not."""
    return page_user().may(role)


def doing(role: Role) -> Actor:
    """The viewer as who does something: call it in the handler of the event.

    Raises:
        UsageError: If the viewer's role is too low, or the login has ended since the page was served.
    """
    page_may(role)
    return page_access().acting(page_request())
