"""Who is logged in, the way out, and the note that stands where nobody has to log in."""

from typing import Final

from nicegui import ui

from pipeline.access.roles import User
from pipeline.web.access import Access
from pipeline.web.parts.elements import Tag
from pipeline.web.parts.live import while_shown

NOTE: Final = "Login is off: this page is served to this machine only"
_EVERY_S: Final = 1.0


def account() -> None:
    """In the header: name, role and a button to log out; nothing while login is off."""
    user = _state("user")
    if not isinstance(user, User) or user.how == "local":
        return
    with Tag("form", classes="sg-account", attributes={"method": "post", "action": "/logout"}):
        Tag("span", user.name, "sg-account-name", {"title": f"{user.name}, {user.role.label}"})
        Tag("span", user.role.label, "sg-muted sg-account-role")
        if user.how == "session":
            Tag("button", "Log out", "sg-linkbtn", {"type": "submit"})
    access = _state("access")

    def ask_again() -> None:
        if isinstance(access, Access) and not access.still(user):
            ui.navigate.to("/login")

    while_shown(_EVERY_S, ask_again)


def login_note() -> None:
    """Above the page's content: that login is off, if it is."""
    user = _state("user")
    if isinstance(user, User) and user.how == "local":
        Tag("p", NOTE, "sg-login-note", {"role": "note"})


def _state(name: str) -> object:
    return getattr(ui.context.client.request.state, name, None)
