"""Each listener lets in who has the right credentials, and nobody else."""

import ssl
from dataclasses import replace

import pytest
from aiokafka.errors import KafkaError

from tests.broker.clients import create_topic, read, write
from tests.broker.security import Security

GUARDED = [security for security in Security if security is not Security.PLAINTEXT]
# aiokafka overlooks that a token was refused, and fails when it finds no brokers: an AttributeError.
REFUSED = (KafkaError, ssl.SSLError, AttributeError)
ids = pytest.mark.parametrize("security", GUARDED, ids=lambda security: security.name)


@ids
def test_the_right_credentials_open_a_listener(kafka_secured, kafka_prefix, security):
    """What is written through a listener is read through it."""
    access = kafka_secured.access(security)
    create_topic(access, kafka_prefix)
    write(access, kafka_prefix, [b"1", b"2"])
    assert read(access, kafka_prefix, 2) == [b"1", b"2"]


@ids
def test_wrong_credentials_are_refused(kafka_secured, kafka_prefix, security):
    """A wrong password, an unknown authority or a token without a subject does not open it."""
    with pytest.raises(REFUSED):
        create_topic(kafka_secured.stranger(security), kafka_prefix)


def test_a_client_certificate_is_demanded(kafka_secured, kafka_prefix):
    """Mutual TLS refuses a client that trusts the broker and shows nothing."""
    access = replace(kafka_secured.access(Security.MTLS), cert_file=None, key_file=None)
    with pytest.raises((KafkaError, ssl.SSLError)):
        create_topic(access, kafka_prefix)


def test_a_user_unknown_to_the_broker_is_refused(kafka_secured, kafka_prefix):
    """SCRAM refuses a name that has no credentials."""
    access = replace(kafka_secured.access(Security.SCRAM_512), username="nobody")
    with pytest.raises(KafkaError):
        create_topic(access, kafka_prefix)


def test_the_plain_listener_has_no_stranger(kafka_secured):
    """Where everybody may come in there are no wrong credentials."""
    with pytest.raises(ValueError, match="PLAINTEXT lets everybody in"):
        kafka_secured.stranger(Security.PLAINTEXT)
