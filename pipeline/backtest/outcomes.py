"""Scores and alerts of a run, each beside what turned out."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from agents.events import Alert, Int64
from agents.spec import StreamSpec
from load.ranking import Outcomes
from pipeline.backtest.engine import Happened, Scored
from pipeline.backtest.lines import Feed
from pipeline.backtest.truth import Truth


@dataclass(frozen=True, slots=True)
class Fraud:
    """A record that is fraud: when it was, and whose (``""`` where nobody knows)."""

    time_ms: int
    card: str


class Collected:
    """What a run gave, as far as it is to be compared with the truth.

    Args:
        truth: What turned out.
        streams: Of the configuration, by name.
        card: Field whose values are ranked day by day; ``None`` for the key of each stream.
        delay_ms: When a label arrives after its record.

    Cost: about 1 us a record, and 30 bytes for each score.
    """

    def __init__(
        self, truth: Truth, streams: dict[str, StreamSpec], *, card: str | None = None, delay_ms: int = 0
    ) -> None:
        self.truth = truth
        self.frauds: dict[str, Fraud] = {}
        self.caught_ms: dict[str, int] = {}
        self.alerts: Counter[str] = Counter()
        self.flagged: dict[str, set[str]] = defaultdict(set)
        self._delay_ms = delay_ms
        self._readers = {stream.topic: _reader(stream, card) for stream in streams.values()}
        self._cards: dict[str, int] = {}
        self._scored: dict[str, list[tuple[Int64, Int64, Any, Any]]] = defaultdict(list)

    def note(self, feeds: Sequence[Feed], happened: Happened) -> None:
        """Take in what a step held and gave."""
        refused = {each.order for each in happened.refused}
        cards: dict[int, str] = {}
        for feed in feeds:
            decode = self._readers[feed.chunk.topic]
            for order, value in zip(feed.order.tolist(), feed.chunk.values, strict=True):
                if order not in refused and value is not None:
                    record = decode(value)
                    cards[order] = str(record.card)
                    if record.id in self.truth.fraud:  # a label may have the id of the record that it is about
                        self.frauds.setdefault(record.id, Fraud(record.time, cards[order]))
        for scored in happened.scored:
            self._score(scored, cards)
        for _, alert in happened.alerts:
            self._alert(alert)

    def scorers(self) -> list[str]:
        """Who scored anything."""
        return sorted(self._scored)

    def outcomes(self, by: str, direction: str) -> Outcomes:
        """The scores of a detector with what turned out, higher ones more suspicious."""
        time_ms, card, score, fraud = (np.concatenate(column) for column in zip(*self._scored[by], strict=True))
        size = {"both": np.abs, "up": np.positive, "down": np.negative}[direction](score)
        return Outcomes(time_ms=time_ms, card=card, score=size, fraud=fraud, label_ms=time_ms + self._delay_ms)

    def _score(self, scored: Scored, cards: dict[int, str]) -> None:
        codes = [self._cards.setdefault(cards.get(order, ""), len(self._cards)) for order in scored.order.tolist()]
        fraud = [name in self.truth.fraud for name in scored.ids]
        row = (scored.time_ms, np.array(codes, np.int64), scored.score, np.array(fraud, np.bool_))
        self._scored[scored.by].append(row)

    def _alert(self, alert: Alert) -> None:
        self.alerts[alert.rule] += 1
        name = alert.source.id
        if name is not None:
            self.flagged[alert.rule].add(name)
            if name in self.truth.fraud:
                self.caught_ms.setdefault(name, alert.event_time_ms)


def _reader(stream: StreamSpec, card: str | None) -> Any:
    """Reads id, time and card of a payload that the shard has accepted."""
    names = {"id": stream.id, "time": stream.time, "card": card or stream.key}
    fields = [(name, Any, "") for name, of in names.items() if of is not None]
    rename = {name: of for name, of in names.items() if of is not None}
    missing = {name: "" for name, of in names.items() if of is None}
    return msgspec.json.Decoder(msgspec.defstruct("Known", fields, rename=rename, namespace=missing, gc=False)).decode
