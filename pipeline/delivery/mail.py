"""E-mail over SMTP."""

import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib

from pipeline.delivery.messages import Message
from pipeline.delivery.settings import Email
from pipeline.delivery.templates import template
from pipeline.errors import DeliveryError, RefusedError, UsageError


class EmailSender:
    """Sends each message as a mail of its own.

    Args:
        target: Where to, and through which server.
        timeout_s: Longest time for one attempt.

    Raises:
        UsageError: If the authority's file can't be read.
    """

    def __init__(self, target: Email, *, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._subject = template(target.subject)
        self._text = template(target.text)
        self._tls = None if target.security == "none" else _trusting(target.ca)
        self._domain = parseaddr(target.sender)[1].rpartition("@")[2] or "localhost"

    async def send(self, message: Message) -> None:
        """One attempt. ``Message-ID`` is made from the message's id, so that mail systems can drop a repeat.

        Raises:
            DeliveryError: If the server did not take it.
        """
        target = self._target
        try:
            await aiosmtplib.send(
                self._mail(message),
                hostname=target.host,
                port=target.port,
                username=target.username,
                password=target.password,
                timeout=self._timeout_s,
                use_tls=target.security == "tls",
                start_tls=target.security == "starttls",
                tls_context=self._tls,
            )
        except aiosmtplib.SMTPResponseException as error:
            kind = RefusedError if 500 <= error.code < 600 else DeliveryError
            raise kind(f"SMTP {error.code} {error.message}") from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [each.code for each in error.recipients]
            kind = RefusedError if all(500 <= code < 600 for code in codes) else DeliveryError
            raise kind(f"recipients refused: {error}") from error
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from error

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._target.sender
        mail["To"] = ", ".join(self._target.recipients)
        mail["Subject"] = " ".join(
            self._subject(message.variables()).split()
        )  # a line break would begin another header
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.time_ms / 1_000, UTC))
        mail["Message-ID"] = f"<{message.id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self._text(message.variables()))
        return mail


def _trusting(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"ca {ca!r} can't be read: {error}; it must be a file with certificates in PEM") from error
