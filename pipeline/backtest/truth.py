"""What turned out: which records were fraud, as a file of labels says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from pipeline.backtest.lines import BadLine


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """Labels of records.

    Args:
        fraud: Ids of the records that are fraud. All others count as genuine.
        campaigns: Campaign by id of the record, where the file names one.
        labels: How many labels there were.
    """

    fraud: frozenset[str]
    campaigns: dict[str, str] = field(default_factory=dict)
    labels: int = 0


def read_truth(lines: Iterable[bytes], on_bad: Callable[[BadLine], None]) -> Truth:
    """Read labels, ``{"id": ..., "fraud": true}`` a line.

    A line without ``fraud`` but with a ``campaign``, as on the ground truth topic of a generated load, is a fraud too.
    The last label of an id counts; blank lines are passed over.

    Args:
        lines: With or without line feeds.
        on_bad: Told each line that is no label.

    >>> read_truth([b'{"id": "p1", "fraud": true}', b'{"id": "p2", "fraud": 0}'], print).fraud
    frozenset({'p1'})
    """
    verdicts: dict[str, bool] = {}
    campaigns: dict[str, str] = {}
    labels = 0
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line:
            continue
        try:
            name, fraud, campaign = _label(orjson.loads(line))
        except ValueError as error:
            on_bad(BadLine(number, str(error)))
            continue
        labels += 1
        verdicts[name] = fraud
        if campaign is not None:
            campaigns[name] = campaign
    return Truth(fraud=frozenset(name for name, fraud in verdicts.items() if fraud), campaigns=campaigns, labels=labels)


def _label(label: Any) -> tuple[str, bool, str | None]:
    """Id, whether it is fraud, and the campaign if there is one."""
    if not isinstance(label, dict) or not isinstance(label.get("id"), str):
        raise ValueError('no label: expected an object such as {"id": "p17", "fraud": true}')  # noqa: TRY004
    campaign = label.get("campaign")
    campaign = campaign if isinstance(campaign, str) else None
    fraud = label.get("fraud", True if campaign is not None else None)
    if fraud not in (True, False):  # 0 and 1 too
        raise ValueError(f"fraud of {label['id']!r:.60} must be true or false, found {fraud!r:.60}")
    return label["id"], bool(fraud), campaign
