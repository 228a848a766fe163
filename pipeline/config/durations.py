"""Lengths of time as people write them."""

import re

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d{1,12})(ms|s|m|h|d)")


def parse_duration(text: str) -> int:
    """Milliseconds in ``text``.

    Raises:
        ValueError: If it is not a whole number with one of the units ``ms``, ``s``, ``m``, ``h``, ``d``.

    >>> parse_duration("250ms"), parse_duration("10m")
    (250, 600000)
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration; write a whole number and ms, s, m, h or d, such as '10m'")
    return int(match[1]) * _UNITS_MS[match[2]]


def show_duration(length_ms: int) -> str:
    """``length_ms`` in the largest unit that divides it.

    >>> show_duration(90_000), show_duration(7_200_000)
    ('90s', '2h')
    """
    unit = max((unit for unit in _UNITS_MS if length_ms % _UNITS_MS[unit] == 0), key=_UNITS_MS.__getitem__)
    return f"{length_ms // _UNITS_MS[unit]}{unit if length_ms else 'ms'}"
