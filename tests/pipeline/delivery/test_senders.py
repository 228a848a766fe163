"""What arrives: at a real HTTP server, a real SMTP server, in a file."""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from pipeline.delivery import Email, File, Slack, Webhook
from pipeline.delivery.files import FileSender
from pipeline.delivery.http import SlackSender, WebhookSender
from pipeline.delivery.mail import EmailSender
from pipeline.delivery.templates import CHAT, SUBJECT, TEXT
from pipeline.errors import DeliveryError, RefusedError, UsageError
from tests.broker.certificates import Certificates
from tests.pipeline.delivery.given import Endpoint, message

NEW, OLD, OTHER = ("whsec_" + letter * 32 for letter in "ABC")


def posted(make, *messages, answers=()):
    """The requests that a sender made to a real server."""

    async def work(url):
        async with httpx.AsyncClient() as client:
            sender = make(url, client)
            for each in messages:
                await sender.send(each)

    with Endpoint() as endpoint:
        endpoint.answers += answers
        asyncio.run(work(endpoint.url))
        return endpoint.requests


def signed(**secrets):
    return lambda url, client: WebhookSender(Webhook(url=url, **secrets), client)


def test_a_webhook_gets_a_cloudevent_with_its_id_as_idempotency_key():
    """Structured mode: the attributes of the record's headers, and the alert as data."""
    ((headers, body),) = posted(signed(), message())
    event = json.loads(body)
    assert event.pop("data") == json.loads(message().record.value)
    assert event == {
        "specversion": "1.0",
        "id": message().id,
        "source": "/streamgauge/tally",
        "type": "streamgauge.alert.v1",
        "subject": "a",
        "time": "1970-01-01T00:00:00.000Z",
        "datacontenttype": "application/json",
    }
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["webhook-id"] == headers["idempotency-key"] == message().id
    assert "webhook-signature" not in headers


def test_receivers_verify_with_the_current_or_the_previous_secret():
    """While secrets are changed over, either verifies; another does not, nor does a changed body."""
    ((headers, body),) = posted(signed(secret=NEW, previous_secret=OLD), message())
    for secret in (NEW, OLD):
        assert Verifier(secret).verify(body, headers)["id"] == message().id
    with pytest.raises(WebhookVerificationError):
        Verifier(OTHER).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(NEW).verify(body.replace(b"often", b"never"), headers)


def test_a_request_that_is_sent_again_later_is_refused():
    """The time stamp is signed: an old one is refused, and can't be replaced by a new one."""
    ((headers, body),) = posted(signed(secret=NEW), message())
    old = datetime.now(UTC) - timedelta(minutes=6)
    stale = {**headers, "webhook-timestamp": str(int(old.timestamp()))}
    with pytest.raises(WebhookVerificationError):
        Verifier(NEW).verify(body, stale)
    stale["webhook-signature"] = Verifier(NEW).sign(message().id, old, body.decode())
    with pytest.raises(WebhookVerificationError, match="too old"):
        Verifier(NEW).verify(body, stale)


@pytest.mark.parametrize(("code", "error"), [(500, DeliveryError), (429, DeliveryError), (404, RefusedError)])
def test_answers_say_whether_to_try_again(code, error):
    """A server that fails or is busy is asked again, one that refuses is not."""
    with pytest.raises(DeliveryError, match=str(code)) as found:
        posted(signed(), message(), answers=[code])
    assert type(found.value) is error


def test_a_redirect_is_not_followed():
    """It could lead anywhere: an answer other than success is a failure."""
    with pytest.raises(DeliveryError, match="302"):
        posted(signed(), message(), answers=[302])


def test_nobody_there_is_a_failure_that_does_not_show_the_url():
    """A refused connection can be tried again; a URL may be a secret."""

    async def work():
        async with httpx.AsyncClient() as client:
            await SlackSender(Slack(url="http://127.0.0.1:9/secret", text=CHAT), client).send(message())

    with pytest.raises(DeliveryError) as found:
        asyncio.run(work())
    assert found.value.retriable
    assert "secret" not in str(found.value)


def test_slack_gets_text_whose_values_are_escaped():
    """What comes from records can't mention people or make links; the template's own text can."""
    text = "<!here> {{ severity }}: {{ summary }}"
    made = message(key="<!channel> & co")
    ((headers, body),) = posted(lambda url, client: SlackSender(Slack(url=url, text=text), client), made)
    said = json.loads(body)["text"]
    assert said == '<!here> high: often fired for "&lt;!channel&gt; &amp; co": count = 1.'
    assert headers["idempotency-key"] == made.id


def test_a_template_that_names_what_is_not_there_refuses_the_message():
    """Trying again can't help."""
    with pytest.raises(RefusedError, match="'nothing' is undefined"):
        posted(lambda url, client: SlackSender(Slack(url=url, text="{{ nothing }}"), client), message())


class Mailbox:
    """Takes mails, or refuses with ``answer``."""

    def __init__(self, answer="250 OK"):
        self.mails = []
        self.answer = answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - the library's name
        self.mails.append(envelope)
        return self.answer


def mailed(box, given, options=None, tls=None, **changes):
    async def work():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(box, loop=loop, hostname="mx", **options or {}), "127.0.0.1", 0, ssl=tls
        )
        settings = {
            "host": "127.0.0.1",
            "port": server.sockets[0].getsockname()[1],
            "security": "none",
            "username": None,
            "password": None,
            "sender": "Alerts <alerts@example.com>",
            "recipients": ("ann@example.com", "bob@example.com"),
            "subject": SUBJECT,
            "text": TEXT,
        }
        async with server:
            await EmailSender(Email(**{**settings, **changes}), timeout_s=10).send(given)

    asyncio.run(work())


def test_a_mail_arrives_with_subject_text_and_an_id_that_a_repeat_shares():
    """All recipients in one mail; the message's id is the mail's."""
    box = Mailbox()
    mailed(box, message())
    mailed(box, message())
    first, second = (envelope.content.decode() for envelope in box.mails)
    assert box.mails[0].rcpt_tos == ["ann@example.com", "bob@example.com"]
    assert "Subject: [high] often a\r\n" in first
    assert 'often fired for "a": count = 1.' in first
    ids = [[line for line in mail.splitlines() if line.startswith("Message-ID")] for mail in (first, second)]
    assert ids[0] == ids[1] == [f"Message-ID: <{message().id}@example.com>"]


def test_a_key_can_not_add_headers():
    """A line break in a value does not end the subject."""
    box = Mailbox()
    mailed(box, message(key="x\r\nBcc: all@example.com"))
    head = box.mails[0].content.decode().split("\r\n\r\n")[0]
    assert "Bcc" not in [line.partition(":")[0] for line in head.splitlines()]
    assert "Subject: [high] often x Bcc: all@example.com" in head


def test_a_server_that_does_not_encrypt_gets_nothing_if_it_should():
    """There is no falling back to plain text, and no password is sent."""
    box = Mailbox()
    with pytest.raises(DeliveryError, match="STARTTLS"):
        mailed(box, message(), security="starttls", username="shop", password="secret")
    assert box.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_mail_is_encrypted_for_a_server_that_is_who_it_says(tmp_path, security, trusted):
    """Both ways of TLS; a server whose authority nobody trusts gets nothing, and another attempt may help."""
    made = Certificates.make(tmp_path)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(made.server)
    options = {"tls_context": theirs, "require_starttls": True} if security == "starttls" else {}
    box, ca = Mailbox(), str(made.ca if trusted else made.strange_ca)
    given = {"options": options, "tls": theirs if security == "tls" else None, "security": security, "ca": ca}
    if trusted:
        mailed(box, message(), **given)
        assert len(box.mails) == 1
    else:
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            mailed(box, message(), **given)
        assert box.mails == []


def test_an_authority_that_is_no_file_is_a_mistake():
    """It is said before any mail is sent."""
    with pytest.raises(UsageError, match=r"/none.pem.*PEM"):
        mailed(Mailbox(), message(), security="tls", ca="/none.pem")


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # the server is of this process
@pytest.mark.parametrize("password", ["right", "wrong"])
def test_it_logs_in(password):
    """The right password opens the door, a wrong one is a refusal."""
    box = Mailbox()

    def authenticate(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"shop", b"right"), handled=False)

    options = {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
    if password == "right":
        mailed(box, message(), options, username="shop", password=password)
        assert len(box.mails) == 1
    else:
        with pytest.raises(RefusedError, match="535"):
            mailed(box, message(), options, username="shop", password=password)
        assert box.mails == []


@pytest.mark.parametrize(("answer", "error"), [("451 later", DeliveryError), ("550 never", RefusedError)])
def test_what_the_server_says_decides_on_another_try(answer, error):
    """4xx is for now, 5xx for good."""
    with pytest.raises(DeliveryError, match=answer) as found:
        mailed(Mailbox(answer), message())
    assert type(found.value) is error


def test_a_file_grows_by_a_line_for_each_message_also_after_half_a_line(tmp_path):
    """What a process that died left of a line does not spoil the next one."""
    path = tmp_path / "new" / "alerts.ndjson"
    sender = FileSender(File(path=str(path)))
    asyncio.run(sender.send(message(1)))
    with path.open("ab") as file:
        file.write(b'{"half')
    asyncio.run(sender.send(message(2)))
    lines = path.read_bytes().splitlines()
    assert [json.loads(lines[at])["id"] for at in (0, 2)] == [message(1).id, message(2).id]
    assert len(lines) == 3


def test_a_file_that_can_not_be_written_is_a_failure(tmp_path):
    """Such as a directory in its place; it may be mended meanwhile."""
    with pytest.raises(DeliveryError, match="Is a directory"):
        asyncio.run(FileSender(File(path=str(tmp_path))).send(message()))
