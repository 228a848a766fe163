"""A configuration for people to read: all that is in force, and no secret."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

MASK: Final = "***"
_SECRET: Final = re.compile(r"secret|password|token$|credential|api_?key", re.IGNORECASE)


def masked(value: Any) -> Any:
    """A configuration as plain values for JSON.

    What dataclasses keep out of their ``repr``, and what is named like a secret, becomes ``***`` where it is set.
    Of a URL, user information and query are left out, since they may hold secrets too.

    >>> from pipeline.kafka.settings import KafkaSettings
    >>> shown = masked(KafkaSettings(username="ann", password="hunter2"))
    >>> shown["username"], shown["password"], shown["key_password"]
    ('ann', '***', None)
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _field(field.name, getattr(value, field.name), shown=field.repr) for field in _fields(value)
        }
    if isinstance(value, Mapping):
        return {str(name): _field(str(name), inner, shown=True) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        plain = [masked(inner) for inner in value]
        return plain if isinstance(value, list | tuple) else sorted(plain, key=str)
    if isinstance(value, str) and "://" in value:
        return masked_url(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def masked_url(url: str) -> str:
    """A URL without what may be secret in it; of a webhook that is its path too.

    >>> masked_url("kafka://ann:hunter2@broker:9092"), masked_url("https://hooks.example.com/T0/B1/xyz?key=1")
    ('kafka://***@broker:9092', 'https://hooks.example.com/***')
    >>> masked_url("local://var/shop.db")
    'local://var/shop.db'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    user, at, host = parts.netloc.rpartition("@")
    place = f"{parts.scheme}://{MASK + at if user else ''}{host}"
    if parts.scheme in {"http", "https"}:
        return place + (f"/{MASK}" if parts.path.strip("/") or parts.query else parts.path)
    return place + parts.path + (f"?{MASK}" if parts.query else "")


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)


def _field(name: str, value: Any, *, shown: bool) -> Any:
    is_plain = value is None or isinstance(value, str | bytes | Path)
    if not shown or (is_plain and _SECRET.search(name)):
        return None if value is None else MASK
    return masked(value)
