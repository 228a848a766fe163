"""A log from its URL."""

import re
from pathlib import Path
from urllib.parse import parse_qsl

from pipeline.errors import LogError, UsageError
from pipeline.kafka.log import KafkaLog
from pipeline.kafka.settings import KafkaSettings
from pipeline.local.log import LocalLog
from pipeline.local.schema import Sync
from pipeline.log.api import Log

_SYNCS: dict[str, Sync] = {"normal": "normal", "full": "full"}


def open_log(url: str, *, create: bool = True, kafka: KafkaSettings | None = None) -> Log:
    """Open the log that a URL names.

    ``local://PATH`` is relative to the working directory, ``local:///PATH`` absolute; ``?sync=full`` makes each commit
    survive a power loss, at the price of an fsync. ``kafka://HOST:PORT,…`` names some brokers of a cluster, which is
    connected to when it is first used.

    Args:
        url: Scheme and place.
        create: Make the local log, and its directory, if there is none.
        kafka: How to connect to Kafka; ``None`` for a cluster that asks for nothing.

    Raises:
        UsageError: If the URL is not understood.
        LogError: If the log is missing and not to be made, or can't be opened.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "kafka":
        return KafkaLog(_servers(url, rest), kafka)
    if not separator or scheme != "local":
        raise UsageError(f"{url!r} names no event log: 'local://PATH' and 'kafka://HOST:PORT,…' are allowed")
    place, _, query = rest.partition("?")
    if not place:
        raise UsageError(f"{url!r} names no file: 'local://PATH' is allowed, such as local://var/events.db")
    path = Path(place).expanduser()
    sync = _sync(url, query)
    if not path.is_file():
        if path.exists():
            raise LogError(f"{path} is no file; name the file of a log")
        if not create:
            raise LogError(
                f"there is no event log at {path}: `streamgauge worker` or `streamgauge load` makes it, "
                "or the path in [app] log is another one"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(f"the directory of {path} can't be made: {error}") from error
    return LocalLog(path, sync=sync)


_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:,/\[\]]+):\d{1,5}")


def _servers(url: str, rest: str) -> str:
    """The brokers of a URL."""
    servers = rest.split(",")
    for server in servers:
        if not _SERVER.fullmatch(server):
            raise UsageError(f"{url!r} names no brokers: {server!r} is no HOST:PORT; write kafka://HOST:PORT,HOST:PORT")
    return ",".join(servers)


def _sync(url: str, query: str) -> Sync:
    options = dict(parse_qsl(query, keep_blank_values=True))
    sync = _SYNCS.get(options.pop("sync", "normal"))
    if options or sync is None:
        raise UsageError(f"{url!r} has an option that is not understood: '?sync=full' and '?sync=normal' are allowed")
    return sync
