"""Numbers as people read them: 1,234 · 12.3 ms · 4.5 kB · 5 m."""

import math

NOTHING = "\u2013"
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
_STEPS = ((DAY_MS, "d", HOUR_MS, "h"), (HOUR_MS, "h", MINUTE_MS, "m"), (MINUTE_MS, "m", SECOND_MS, "s"))


def number(value: float | None) -> str:
    """A count or a measure: whole numbers with separators, others with four significant digits.

    >>> number(1234567), number(0.123456), number(1234.5678)
    ('1,234,567', '0.1235', '1,234.6')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if float(value).is_integer():
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1_000:
        return f"{value:,.1f}"
    if size >= 0.001:
        return f"{value:.4g}"
    return f"{value:.2e}"


def rate(value: float | None) -> str:
    """Records a second.

    >>> rate(12345.6), rate(0.25)
    ('12,346/s', '0.25/s')
    """
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:,.0f}/s" if value >= 10 or value == 0 else f"{value:.3g}/s"


def duration(value_ms: float | None) -> str:
    """A length of time, given in ms.

    >>> duration(0.42), duration(12.34), duration(1234), duration(65_000), duration(7_500_000), duration(200_000_000)
    ('0.42 ms', '12.3 ms', '1.23 s', '1 m 5 s', '2 h 5 m', '2 d 7 h')
    """
    if value_ms is None or math.isnan(value_ms):
        return NOTHING
    if value_ms < SECOND_MS:
        return f"{value_ms:.3g} ms" if value_ms < 100 else f"{value_ms:.0f} ms"
    if value_ms < MINUTE_MS:
        return f"{value_ms / SECOND_MS:.3g} s"
    large_ms, large, small_ms, small = next(step for step in _STEPS if value_ms >= step[0])
    whole, rest = divmod(int(value_ms), large_ms)
    return f"{whole} {large} {rest // small_ms} {small}" if rest >= small_ms else f"{whole} {large}"


def size(value_bytes: float | None) -> str:
    """A size in bytes.

    >>> size(999), size(1_500), size(2_000_000)
    ('999 B', '1.5 kB', '2 MB')
    """
    if value_bytes is None or math.isnan(value_bytes):
        return NOTHING
    if abs(value_bytes) < 1_000:
        return f"{value_bytes:.0f} B"
    value = float(value_bytes)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1_000
        if abs(value) < 1_000:
            return f"{value:.3g} {unit}"
    return f"{value:,.0f} TB"


def plural(count: int, one: str) -> str:
    """A count with its noun.

    >>> plural(1, "key"), plural(1200, "key")
    ('1 key', '1,200 keys')
    """
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"
