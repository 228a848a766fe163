"""Webhooks: CloudEvents signed by the Standard Webhooks scheme, and messages in Slack's form.

A signature covers id, time stamp and body, so that a receiver can refuse what is forged, changed, or sent again later:
https://www.standardwebhooks.com. Receivers verify it with a library of that name in a dozen languages.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import orjson
from standardwebhooks.webhooks import Webhook as Signer

from pipeline.delivery.messages import Message
from pipeline.delivery.settings import Slack, Webhook
from pipeline.delivery.templates import template
from pipeline.errors import DeliveryError, RefusedError

_WORTH_ANOTHER_TRY: Final = {408, 409, 425, 429}
_SHOWN: Final = 200


class WebhookSender:
    """Posts each message as a CloudEvent.

    Args:
        target: Where to.
        client: Posts; its time-out bounds an attempt.
    """

    def __init__(self, target: Webhook, client: httpx.AsyncClient) -> None:
        self._url = target.url
        self._client = client
        secrets = (target.secret, target.previous_secret)
        self._signers = [Signer(secret) for secret in secrets if secret]

    async def send(self, message: Message) -> None:
        """One attempt, signed anew.

        Raises:
            DeliveryError: If it was not taken.
        """
        body = message.cloudevent()
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/cloudevents+json",
            "idempotency-key": message.id,
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._signers:
            signed = [signer.sign(message.id, now, body.decode()) for signer in self._signers]
            headers["webhook-signature"] = " ".join(signed)
        await _post(self._client, self._url, body, headers)


class SlackSender:
    """Posts each message as text.

    Args:
        target: Where to.
        client: See above.
    """

    def __init__(self, target: Slack, client: httpx.AsyncClient) -> None:
        self._url = target.url
        self._client = client
        self._text = template(target.text, escape=_escape)

    async def send(self, message: Message) -> None:
        """One attempt.

        Raises:
            DeliveryError: If it was not taken.
        """
        headers = {"content-type": "application/json", "idempotency-key": message.id}
        await _post(self._client, self._url, orjson.dumps({"text": self._text(message.variables())}), headers)


async def _post(client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]) -> None:
    try:
        response = await client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # without the URL: it may be a secret
        raise DeliveryError(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
    if response.is_success:
        return
    said = f"HTTP {response.status_code} {response.text[:_SHOWN]}".strip()
    if response.is_client_error and response.status_code not in _WORTH_ANOTHER_TRY:
        raise RefusedError(said)
    raise DeliveryError(said, wait_s=_asked_s(response.headers.get("retry-after", ""), datetime.now(UTC)))


def _asked_s(text: str, now: datetime) -> float:
    """Seconds that ``Retry-After`` asks for, as a number or a date; 0 for what is neither. Reference: RFC 9110, 10.2.3.

    >>> _asked_s("120", datetime(2026, 1, 1, tzinfo=UTC)), _asked_s("soon", datetime(2026, 1, 1, tzinfo=UTC))
    (120.0, 0.0)
    >>> _asked_s("Thu, 01 Jan 2026 00:01:00 GMT", datetime(2026, 1, 1, tzinfo=UTC))
    60.0
    """
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):  # the second: a date without a zone
        return 0.0


def _escape(value: str) -> str:
    """What Slack wants escaped.

    >>> _escape("a < b & c")
    'a &lt; b &amp; c'
    """
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
