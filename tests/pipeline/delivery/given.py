"""Messages to deliver, and destinations that do as they are told."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agents.events import TopicPartition
from pipeline.alerts import encode_alert
from pipeline.delivery.messages import message_of
from pipeline.subscribe import Received
from tests.pipeline.worker.tally import APP, TallyShard

SHARD = TallyShard(TopicPartition("events", 0))


def alert(n, key="a"):
    """An alert as a record: key, value, headers; the same for the same number."""
    SHARD.counts[key] = n
    return encode_alert(SHARD._alert(key, n), detected_ms=1_700_000_000_000 + n, app=APP)


def message(n=1, key="a"):
    encoded = alert(n, key)
    return message_of(Received(TopicPartition("alerts", 0), n, *encoded), "alerts")


class Clock:
    """Virtual time: sleeping passes it at once, and is noted."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class Endpoint:
    """A real HTTP server on a free port of this machine; answers with what stands in ``answers``, else 204."""

    def __init__(self):
        self.requests = []
        self.answers = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                endpoint.requests.append((headers, self.rfile.read(int(headers["content-length"]))))
                self.send_response(endpoint.answers.pop(0) if endpoint.answers else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.requests]
