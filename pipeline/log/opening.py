"""A log from its URL."""

from pathlib import Path
from urllib.parse import parse_qsl

from pipeline.errors import LogError, UsageError
from pipeline.local.log import LocalLog
from pipeline.local.schema import Sync
from pipeline.log.api import Log

_SYNCS: dict[str, Sync] = {"normal": "normal", "full": "full"}


def open_log(url: str, *, create: bool = True) -> Log:
    """Open the log that a URL names.

    ``local://PATH`` is relative to the working directory, ``local:///PATH`` absolute; ``?sync=full`` makes each commit
    survive a power loss, at the price of an fsync.

    Args:
        url: Scheme and place.
        create: Make the log, and its directory, if there is none.

    Raises:
        UsageError: If the URL is not understood.
        LogError: If the log is missing and not to be made, or can't be opened.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme != "local":
        raise UsageError(f"{url!r} names no event log: 'local://PATH' is allowed")
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


def _sync(url: str, query: str) -> Sync:
    options = dict(parse_qsl(query, keep_blank_values=True))
    sync = _SYNCS.get(options.pop("sync", "normal"))
    if options or sync is None:
        raise UsageError(f"{url!r} has an option that is not understood: '?sync=full' and '?sync=normal' are allowed")
    return sync
