"""Why there is no way into a cluster, and what to change.

The client library tells its log only. After it has failed, each broker is asked once more, in a way that keeps what the
broker said: with TLS 1.3 it says what it thinks of a client's certificate only after the handshake.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn

from pipeline.errors import StreamgaugeError
from pipeline.kafka.settings import KafkaSettings

_REFUSED: Final = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.SaslAuthenticationFailed,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
)
_FORBIDDEN: Final = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
)
_OTHER_NAME: Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_ALERTS: Final = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_FAREWELL_S: Final = 1.0


def refusal(error: Exception, settings: KafkaSettings) -> str | None:
    """What the brokers refuse, or why they are not trusted, and what to change; ``None`` if it is none of that."""
    if isinstance(error, ssl.SSLError):
        return _of_tls(error)
    if isinstance(error, _FORBIDDEN):
        return f"refuse it: {error}; check what they allow {_user(settings)}"
    if isinstance(error, errors.UnsupportedSaslMechanismError | errors.AuthenticationMethodNotSupported):
        return f"take no {settings.sasl_mechanism} there; check [kafka] sasl_mechanism"
    if isinstance(error, errors.InvalidSessionTimeoutError):
        return (
            f"take no session of {settings.session_ms} ms; set [kafka] session within their bounds, "
            "group.min.session.timeout.ms (6 s by default) and group.max.session.timeout.ms"
        )
    if isinstance(error, _REFUSED):
        return f"refuse {_user(settings)}: {_said(error)}; check [kafka] {_credentials(settings)}"
    return None


def _of_tls(error: ssl.SSLError) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            return (
                f"show a certificate for another name ({error.verify_message}); reach them by the name that it is for, "
                "or set check_hostname = false in [kafka]"
            )
        return f"show a certificate that is not trusted ({error.verify_message}); name its authority in [kafka] ca_file"
    reason = error.reason or ""
    if any(word in reason for word in _ALERTS):
        said = reason.lower().replace("_", " ")
        return f"refuse the connection ({said}); name a certificate that they trust in [kafka] cert_file and key_file"
    if any(word in reason for word in _NO_TLS):
        return "don't speak TLS there; check [kafka] security_protocol"
    return None


def _said(error: Exception) -> str:
    """Without the number that the library puts before it."""
    return str(error).rpartition(": ")[2].strip() or type(error).__name__


def _user(settings: KafkaSettings) -> str:
    return f"the user {settings.username}" if settings.username else "this client"


def _credentials(settings: KafkaSettings) -> str:
    if settings.sasl_mechanism != "OAUTHBEARER":
        return "username and password"
    return "oauth_client_id, and what its tokens allow" if settings.token.url else "oauth_token"


async def cause(options: Mapping[str, Any], settings: KafkaSettings) -> Exception | None:
    """Why connecting failed: a refusal if any broker gives one, else what any of them says.

    Args:
        options: Of the client that could not connect.
        settings: How it tried to connect.
    """
    rest = dict(options)
    hosts = collect_hosts(rest.pop("bootstrap_servers"))
    found: list[Exception] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            for host, port, _ in hosts:
                error = await _ask(host, port, rest)
                if error is not None and (isinstance(error, StreamgaugeError) or refusal(error, settings)):
                    return error
                found += [error] if error is not None else []
    return found[0] if found else None


async def _ask(host: str, port: int, options: Mapping[str, Any]) -> Exception | None:
    try:
        connection = await create_conn(host, port, **options)
    except ssl.SSLError as error:
        return error
    except (errors.KafkaConnectionError, ConnectionError) as error:
        context = options.get("ssl_context")
        return (None if context is None else await _last_words(host, port, context)) or error
    except (errors.KafkaError, OSError, TimeoutError) as error:
        return error
    connection.close()
    return None


async def _last_words(host: str, port: int, context: ssl.SSLContext) -> Exception | None:
    """What a broker says when it ends a TLS connection that nothing was asked on."""
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLError as error:
        return error
    except OSError:
        return None
    try:
        await reader.read(1)
    except ssl.SSLError as error:
        return error
    except OSError:
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):  # what nobody took would be told when it is thrown away
            await asyncio.wait_for(writer.wait_closed(), _FAREWELL_S)
    return None
