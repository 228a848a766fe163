"""The reference job in Quix Streams: its tumbling window, exactly once. SERVERS TOPIC ALERTS APP FOLDER."""

import sys
from datetime import timedelta

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum

SERVERS, TOPIC, ALERTS, APP, FOLDER = sys.argv[1:]
WINDOW, GRACE_MS, LIMIT = timedelta(seconds=60), 5_000, 20

app = Application(
    broker_address=SERVERS,
    consumer_group=APP,
    auto_offset_reset="earliest",
    state_dir=FOLDER,
    commit_interval=1.0,
    processing_guarantee="exactly-once",
    consumer_extra_config={"fetch.queue.backoff.ms": 5, "queued.min.messages": 1_000_000},
    loglevel="WARNING",
)
payments = app.topic(
    TOPIC,
    key_deserializer="str",
    value_deserializer="json",
    timestamp_extractor=lambda value, _headers, _appended, _kind: value["ts"],
)
alerts = app.topic(ALERTS, value_serializer="json")

windows = (
    app.dataframe(payments)
    .tumbling_window(WINDOW, grace_ms=GRACE_MS)
    .agg(count=Count(), sum=Sum("amount_cents"))
    .current()
)
windows = windows.filter(lambda window: window["count"] == LIMIT)
windows = windows.apply(
    lambda window, key, _ts, _headers: {
        "account": key,
        "window_start": window["start"],
        "count": window["count"],
        "sum": window["sum"],
    },
    metadata=True,
)
windows.to_topic(alerts)

if __name__ == "__main__":
    app.run()
