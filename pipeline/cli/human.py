"""Numbers, times and bytes as people read them on a terminal."""

import math
from datetime import datetime
from typing import Final

NOTHING: Final = "-"
_SPANS: Final = ((86_400_000, "d", 3_600_000, "h"), (3_600_000, "h", 60_000, "m"), (60_000, "m", 1_000, "s"))


def number(value: float | None) -> str:
    """A count or measure.

    >>> number(1234567), number(0.123456), number(1234.5678), number(None)
    ('1,234,567', '0.1235', '1,234.6', '-')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1_000 else f"{value:.4g}"


def rate(value_per_s: float | None) -> str:
    """Records a second.

    >>> rate(12345.6), rate(0.25), rate(None)
    ('12,346/s', '0.25/s', '-')
    """
    if value_per_s is None or not math.isfinite(value_per_s):
        return NOTHING
    return f"{value_per_s:,.0f}/s" if value_per_s >= 10 or value_per_s == 0 else f"{value_per_s:.2g}/s"


def span(length_ms: float | None) -> str:
    """A length of time.

    >>> span(0.42), span(12.34), span(1234), span(65_000), span(200_000_000), span(60_000)
    ('0.42 ms', '12.3 ms', '1.23 s', '1m 5s', '2d 7h', '1m')
    """
    if length_ms is None or not math.isfinite(length_ms):
        return NOTHING
    if length_ms < 1_000:
        return f"{length_ms:.3g} ms"
    if length_ms < 60_000:
        return f"{length_ms / 1_000:.3g} s"
    large_ms, large, small_ms, small = next(unit for unit in _SPANS if length_ms >= unit[0])
    whole, rest_ms = divmod(int(length_ms), large_ms)
    rest = rest_ms // small_ms
    return f"{whole}{large} {rest}{small}" if rest else f"{whole}{large}"


def size(value_bytes: float) -> str:
    """A size in bytes.

    >>> size(999), size(1_500), size(2_000_000)
    ('999 B', '1.5 kB', '2 MB')
    """
    value = float(value_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1_000:
            return f"{value:.3g} {unit}"
        value /= 1_000
    return f"{value:,.3g} TB"


def share(value: float | None) -> str:
    """A fraction as percent.

    >>> share(0.987), share(1.0), share(float("nan"))
    ('99 %', '100 %', '-')
    """
    return NOTHING if value is None or math.isnan(value) else f"{value:.0%}".replace("%", " %")


def clock(time_ms: int, *, date: bool = True) -> str:
    """A moment in local time, to the millisecond."""
    moment = datetime.fromtimestamp(time_ms / 1_000).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S") + f".{time_ms % 1_000:03d}"


def short_topic(topic: str, app: str) -> str:
    """A topic's name without what each internal topic of an application has in its name, as in the web view.

    >>> short_topic("shop-orders-by-item-repartition", "shop"), short_topic("orders", "shop")
    ('orders-by-item', 'orders')
    """
    return topic.removeprefix(f"{app}-").removesuffix("-repartition")


def printable(text: str) -> str:
    r"""Text that can't move a terminal's cursor, change its colours or its reading direction.

    >>> printable("caf\u00e9 \x1b[31m")
    'café \\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def readable(raw: bytes) -> str:
    r"""Bytes as text; what is no UTF-8 or not printable stands there as escapes.

    >>> readable(b'{"a":"\xff"}')
    '{"a":"\\xff"}'
    """
    return printable(raw.decode(errors="backslashreplace"))
