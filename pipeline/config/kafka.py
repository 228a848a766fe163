"""``[kafka]``: how to connect to Kafka, and how topics are made there."""

import re
from dataclasses import replace
from typing import Any, Final, cast, get_args

from pipeline.config.model import AppConfig
from pipeline.config.report import Report, show
from pipeline.config.section import Section
from pipeline.errors import UsageError
from pipeline.kafka.settings import Compression, KafkaSettings, Mechanism, Protocol
from pipeline.kafka.tokens import TokenSource

_PASSWORD: Final = ("username", "password")
_FETCHED: Final = ("oauth_url", "oauth_client_id", "oauth_client_secret", "oauth_scope")
_TOKEN: Final = ("oauth_token", *_FETCHED)
_SASL: Final = ("sasl_mechanism", *_PASSWORD, *_TOKEN)
_TLS: Final = ("ca_file", "cert_file", "key_file", "key_password", "check_hostname")
_TOPICS: Final = ("replication", "min_isr", "compression")
KEYS: Final = ("security_protocol", *_SASL, *_TLS, *_TOPICS, "instance", "session", "request_timeout")
_INSTANCE: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_MOST_REPLICAS: Final = 32_767
_LOW_MS: Final = 100
_DEFAULT: Final = KafkaSettings()


def read_kafka(report: Report, values: dict[str, Any]) -> KafkaSettings:
    """How to connect to Kafka; what is not said is as on an open cluster."""
    section = Section(report, ("kafka",), values.get("kafka", {}), KEYS)
    protocol = section.text("security_protocol", _DEFAULT.security_protocol, choices=get_args(Protocol))
    settings = KafkaSettings(
        security_protocol=cast("Protocol", protocol or _DEFAULT.security_protocol),
        sasl_mechanism=cast("Mechanism", _mechanism(section) or _DEFAULT.sasl_mechanism),
        username=_text(section, "username"),
        password=section.secret("password"),
        token=TokenSource(
            token=section.secret("oauth_token"),
            url=_url(section),
            client_id=_text(section, "oauth_client_id"),
            client_secret=section.secret("oauth_client_secret"),
            scope=_text(section, "oauth_scope"),
        ),
        ca_file=_text(section, "ca_file"),
        cert_file=_text(section, "cert_file"),
        key_file=_text(section, "key_file"),
        key_password=section.secret("key_password"),
        check_hostname=section.flag("check_hostname", default=True),
        replication=_replicas(section, "replication") or _DEFAULT.replication,
        min_isr=_replicas(section, "min_isr"),
        compression=cast("Compression", section.text("compression", "none", choices=get_args(Compression)) or "none"),
        instance=_instance(section),
        session_ms=section.duration("session", _DEFAULT.session_ms, low_ms=_LOW_MS) or _DEFAULT.session_ms,
        request_timeout_ms=section.duration("request_timeout", None, low_ms=_LOW_MS) or _DEFAULT.request_timeout_ms,
    )
    if protocol:
        _check_login(section, protocol)
        _check_tls(section, protocol)
    _check_replicas(section, settings)
    return settings


def _instance_mistake(instance: str) -> str | None:
    """What is wrong with a static member id, if anything is."""
    if _INSTANCE.fullmatch(instance):
        return None
    return f"{show(instance)} is no member id; allowed are letters, digits, '.', '_', '-', at most 249"


def _text(section: Section, key: str) -> str | None:
    """A text that is not empty, if it is given."""
    if not section.has(key):
        return None
    value = section.text(key)
    if section.values[key] == "":
        section.wrong(key, f"{key} is empty; say what it is, or leave it out")
    return value or None


def _mechanism(section: Section) -> str | None:
    return section.text("sasl_mechanism", choices=get_args(Mechanism)) if section.has("sasl_mechanism") else None


def _url(section: Section) -> str | None:
    url = _text(section, "oauth_url")
    if url is not None and not re.fullmatch(r"https?://[^\s/]+\S*", url):
        section.wrong("oauth_url", f"{show(url)} is no address of a token endpoint; write https://HOST/PATH")
    return url


def _replicas(section: Section, key: str) -> int | None:
    return section.whole(key, 1, 1, _MOST_REPLICAS) if section.has(key) else None


def _instance(section: Section) -> str | None:
    instance = _text(section, "instance")
    mistake = _instance_mistake(instance) if instance is not None else None
    if mistake is not None:
        section.wrong("instance", mistake)
    return instance


def _check_login(section: Section, protocol: str) -> None:
    """Whether what says who is there is whole, and nothing else is given."""
    if not protocol.startswith("SASL"):
        for key in filter(section.has, _SASL):
            needed = 'security_protocol = "SASL_SSL" (or "SASL_PLAINTEXT")'
            section.report.key((*section.path, key), f"{key} needs {needed}; it is {show(protocol)}")
        return
    section.require("sasl_mechanism")
    mechanism = section.values.get("sasl_mechanism")
    if mechanism not in get_args(Mechanism):
        return
    by_token = mechanism == "OAUTHBEARER"
    for key in filter(section.has, _PASSWORD if by_token else _TOKEN):
        section.report.key(
            (*section.path, key), f"{key} is not used with sasl_mechanism {show(mechanism)}; leave it out"
        )
    for key in _missing(section, by_token=by_token):
        section.report.key(section.path, f"[kafka] lacks {key}, which sasl_mechanism {show(mechanism)} needs")


def _missing(section: Section, *, by_token: bool) -> list[str]:
    if not by_token:
        return [repr(key) for key in _PASSWORD if not section.has(key)]
    fetched = [key for key in _FETCHED if section.has(key)]
    if section.has("oauth_token"):
        for key in fetched:
            section.report.key((*section.path, key), f"{key} fetches tokens, but oauth_token gives one; leave one out")
        return []
    if not fetched:
        return ["'oauth_token', or 'oauth_url', 'oauth_client_id' and 'oauth_client_secret'"]
    return [repr(key) for key in _FETCHED[:3] if key not in fetched]


def _check_tls(section: Section, protocol: str) -> None:
    if not protocol.endswith("SSL"):
        for key in filter(section.has, _TLS):
            needed = 'security_protocol = "SSL" or "SASL_SSL"'
            section.report.key((*section.path, key), f"{key} needs {needed}; it is {show(protocol)}")
        return
    for key in ("key_file", "key_password"):
        if section.has(key) and not section.has("cert_file"):
            section.report.key((*section.path, key), f"{key} belongs to a certificate; name that in cert_file")


def _check_replicas(section: Section, settings: KafkaSettings) -> None:
    if settings.min_isr is not None and 0 < settings.replication < settings.min_isr:
        section.wrong(
            "min_isr", f"min_isr is {settings.min_isr}; at most replication is allowed, {settings.replication}"
        )


def with_instance(config: AppConfig, instance: str | None) -> AppConfig:
    """The configuration for a worker with a static member id of its own; ``None`` leaves what it says.

    Raises:
        UsageError: If it can't be one.
    """
    if instance is None:
        return config
    mistake = _instance_mistake(instance)
    if mistake is not None:
        raise UsageError(f"--instance: {mistake}")
    return replace(config, kafka=replace(config.kafka, instance=instance))
