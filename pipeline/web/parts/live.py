"""What goes on while a page is shown, and what its first HTML can already do."""

import json
from collections.abc import Callable
from typing import Any

from nicegui import ui


def while_shown(seconds: float, call: Callable[[], Any]) -> None:
    """Call again and again, beginning when the browser is there.

    A ``ui.timer`` that is made while a page is built makes NiceGUI send the page as it is then, without what the page
    still waits for.

    Args:
        seconds: From one call to the next.
        call: What to do; may be asynchronous.
    """
    parent = ui.context.slot.parent
    timers: list[ui.timer] = []

    def begin() -> None:
        if not timers:  # a browser that comes back finds it running
            with parent:
                timers.append(ui.timer(seconds, call))

    ui.context.client.on_connect(begin)


def call_script(function: str, *given: Any) -> None:
    """Call a function in the browser: from the page itself while it is built, over the socket from then on.

    Args:
        function: Its name.
        given: JSON values.
    """
    client = ui.context.client
    code = f"{function}({', '.join(json.dumps(each) for each in given)})"
    if client.has_socket_connection:
        client.run_javascript(code)
    else:
        quoted = code.replace("<", r"\u003c")  # in strings only, which must not end the element
        ui.add_body_html(f"<script>{quoted}</script>")
