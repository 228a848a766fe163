"""What can go wrong with a broker of our own.

::

    KafkaError
    ├── KafkaUnavailableError   this machine cannot run one: Java, Maven or the jars are missing
    └── BrokerError             one was started and is not what it should be
"""


class KafkaError(RuntimeError):
    """The root."""


class KafkaUnavailableError(KafkaError):
    """A broker cannot be started here; the message says what is missing and what to do."""


class BrokerError(KafkaError):
    """A broker did not start, stay or end as it should; the message ends with the tail of its log."""
