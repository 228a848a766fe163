"""Every error that streamgauge raises on purpose.

::

    StreamgaugeError
    ├── ConfigError (ValueError)        a configuration file is wrong; holds every mistake found
    ├── UsageError (ValueError)         a command was asked for what can't be
    ├── LogError (OSError)              the event log can't be opened, read or written
    │   ├── UnknownTopicError           no such topic or partition
    │   ├── TopicMismatchError          a topic exists with other settings
    │   ├── OffsetOutOfRangeError       retention has removed the position
    │   ├── LogBusyError                another writer holds the log for too long (retriable)
    │   ├── LogUnavailableError         no broker answers (retriable)
    │   └── LogAccessError              the brokers refuse the credentials, or what they allow
    ├── AccessError (OSError)           the file of users, keys and audit can't be opened, read or written
    ├── DeliveryError                   a destination did not take a message (retriable)
    │   └── RefusedError                it never will
    ├── StuckError                      a partition does not move, also after it was opened again
    ├── FencedError                     another worker owns the partition now (retriable: reopen)
    └── StateError (ValueError)         stored state can't be read by this version
"""

from typing import ClassVar


class StreamgaugeError(Exception):
    """Root of all errors; ``retriable`` says whether trying again can help."""

    retriable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


class ConfigError(StreamgaugeError, ValueError):
    """A configuration is wrong. ``problems`` lists every mistake, each a full sentence with its place."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UsageError(StreamgaugeError, ValueError):
    """A command was asked for something that does not exist or can't be."""

    exit_code = 2


class LogError(StreamgaugeError, OSError):
    """The event log can't be opened, read or written."""

    exit_code = 3


class UnknownTopicError(LogError):
    """No such topic or partition."""


class TopicMismatchError(LogError):
    """A topic exists with other settings than asked for."""


class OffsetOutOfRangeError(LogError):
    """A position lies before the first record still kept, or beyond the end."""


class LogBusyError(LogError):
    """Another writer held the log for longer than a writer may."""

    retriable = True


class LogUnavailableError(LogError):
    """No broker answers, or none that could do what was asked."""

    retriable = True


class LogAccessError(LogError):
    """The brokers refuse the credentials, or the credentials don't allow what was asked."""


class AccessError(StreamgaugeError, OSError):
    """The file of users, keys, sessions and the audit log can't be opened, read or written."""


class DeliveryError(StreamgaugeError):
    """A destination did not take a message.

    Args:
        message: What it said.
        wait_s: How long it wants to be left alone.
    """

    retriable = True

    def __init__(self, message: str, *, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class RefusedError(DeliveryError):
    """A destination refused a message for good: trying again can't help."""

    retriable = False


class StuckError(StreamgaugeError):
    """A partition does not move, also after it was opened again; a supervisor should start the worker again."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: trying again can help


class FencedError(StreamgaugeError):
    """Another worker owns the partition; what this one was about to write is void."""

    retriable = True
    exit_code = 4


class StateError(StreamgaugeError, ValueError):
    """Stored state can't be read by this version."""

    exit_code = 5
