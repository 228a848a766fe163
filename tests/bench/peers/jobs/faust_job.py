"""The reference job in stock Faust: a table with a tumbling window, its changelog. SERVERS TOPIC ALERTS APP FOLDER."""

import sys
from datetime import timedelta

import faust

SERVERS, TOPIC, ALERTS, APP, FOLDER = sys.argv[1:]
WINDOW_MS, LIMIT = 60_000, 20
EXPIRES = timedelta(minutes=3)

app = faust.App(
    APP,
    broker=f"kafka://{SERVERS}",
    store="memory://",
    datadir=FOLDER,
    topic_partitions=4,
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    broker_commit_interval=1.0,
    web_enabled=False,
)
payments = app.topic(TOPIC, key_serializer="raw", value_serializer="json")
alerts = app.topic(ALERTS, value_serializer="json", partitions=4)
windows = (
    app.Table("account_60s", default=lambda: [0, 0], partitions=4, key_type=str)
    .tumbling(WINDOW_MS / 1000, expires=EXPIRES)
    .relative_to(lambda event: event.value["ts"] / 1000)
)


@app.agent(payments)
async def count(stream):
    """Add each payment to its window, and raise an alert at the limit."""
    async for payment in stream:
        account = payment["account"]
        n, cents = windows[account].value()
        n, cents = n + 1, cents + payment["amount_cents"]
        windows[account] = [n, cents]
        if n == LIMIT:
            start = payment["ts"] // WINDOW_MS * WINDOW_MS
            await alerts.send(value={"account": account, "window_start": start, "count": n, "sum": cents})


if __name__ == "__main__":
    faust.Worker(app, loglevel="error").execute_from_commandline()
