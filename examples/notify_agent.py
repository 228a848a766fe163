"""A Faust agent of your own beside the worker's: one event at a time, at least once. Copy it and change ``notify``.

    streamgauge worker -c payments.toml --module examples.notify_agent

An agent sees each alert after it was committed. When the worker dies, the last few come again with the same ids, so
whatever must not happen twice (a payment stopped, a page sent) remembers ``alert["id"]``.
"""  # noqa: INP001 - a module to copy, not a package

import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from pipeline.alerts import decode_alert

TOPIC = "alerts"


def register(app: Any) -> None:
    """Add the agent and a timer to the worker's app; called before the app starts."""
    counts: Counter[str] = Counter()

    async def notify(alerts: AsyncIterator[bytes]) -> None:
        async for value in alerts:
            alert = decode_alert(value)
            counts[alert["severity"]] += 1
            if alert["severity"] in {"high", "critical"}:
                say(f"{alert['severity']}: {alert['why']}")

    async def summary() -> None:
        if counts:
            say("alerts so far: " + ", ".join(f"{number} {severity}" for severity, number in counts.most_common()))

    app.agent(app.topic(TOPIC, value_type=bytes), name="notify")(notify)
    app.timer(10.0)(summary)


def say(line: str) -> None:
    """One line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
