"""What a risk score is. Values only."""

import hashlib
from dataclasses import dataclass

from detectors.online import Learning

DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelSpec:
    """Which records of the stream say whether a payment was fraud.

    Args:
        type: What such a record holds in the field ``TYPE_FIELD``; every other record is a payment.
        field: Field that says it: true, or above 0, is fraud. A label without it says nothing.
        wait_ms: How long a payment waits for its label.
    """

    type: str = "label"
    field: str = "fraud"
    wait_ms: int = 30 * DAY_MS


TYPE_FIELD = "type"


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskRule:
    """What makes a payment suspicious, whatever labels have taught or before they have taught anything.

    Args:
        name: Unique among the score's rules.
        when: A condition over the features.
        score: The chance of fraud that it stands for.
        always: Whether it adds to the model's score, rather than stand in for it until the first fit.

    Raises:
        ValueError: If ``score`` is no fraction.
    """

    name: str
    when: str
    score: float
    always: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.score < 1.0:
            raise ValueError(f"score must be between 0 and 1, got {self.score} of {self.name}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskSpec:
    """A risk score.

    Args:
        name: Unique in the app.
        stream: Stream of payments and labels.
        keys: Text fields by which payments and their labels are followed, such as customer and terminal. Alerts are
            keyed by the first.
        amount: Field with the amount.
        unit: Resolution of the amount.
        windows: Name and length in ms of the windows by each key.
        labels: Which records are labels.
        rules: What the score is made of before the model's first fit, and what is added to it afterwards.
        review: Score from which a payment is to be looked at.
        block: Score from which it is to be blocked.
        most_waiting: How many payments wait for their label at most.
        most_reasons: Reasons given for a payment.
        max_keys: Most values of a key that one partition holds.
        learning: What is kept of the labels, and when the model is fitted anew.
        description: What it means, for people.

    Raises:
        ValueError: If there is no key or window, or ``review`` and ``block`` are not ascending fractions.
    """

    name: str
    stream: str
    keys: tuple[str, ...]
    amount: str
    unit: float = 1.0
    windows: tuple[tuple[str, int], ...] = (("1d", DAY_MS), ("30d", 30 * DAY_MS))
    labels: LabelSpec = LabelSpec()
    rules: tuple[RiskRule, ...] = ()
    review: float = 0.5
    block: float = 0.9
    most_waiting: int = 1 << 20
    most_reasons: int = 5
    max_keys: int = 1_000_000
    learning: Learning = Learning()  # noqa: RUF009 - frozen
    description: str = ""

    def __post_init__(self) -> None:
        if not self.keys or not self.windows:
            raise ValueError(f"a risk score needs keys and windows, got {self.keys} and {self.windows}")
        if not 0.0 < self.review <= self.block <= 1.0:
            raise ValueError(f"review and block must ascend between 0 and 1, got {self.review} and {self.block}")

    @property
    def fields(self) -> frozenset[str]:
        """Fields of the stream that it reads, besides the id and the time."""
        return frozenset({*self.keys, self.amount, self.labels.field, TYPE_FIELD})

    @property
    def version(self) -> str:
        """Hash of the definition, 8 hexadecimal digits."""
        return _hashed(self.learned_as, self.rules, self.review, self.block)

    @property
    def learned_as(self) -> str:
        """Hash of all that the state depends on: with other thresholds or rules, what was learned is kept."""
        fields = (self.stream, self.keys, self.amount, self.unit, self.windows, self.labels)
        return _hashed(fields, self.most_waiting, self.max_keys, self.learning)


def _hashed(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=4).hexdigest()
