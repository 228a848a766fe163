"""The risk scores of a shard, and the stored form of what they have learned."""

from collections.abc import Mapping, Sequence

from agents.events import Alert, Batch, Int64
from agents.hashes import ColumnHashes
from agents.risk.scorer import Scorer
from agents.risk.spec import RiskSpec
from agents.spec import StreamSpec
from pipeline.shard_output import OnScores

_PREFIX = b"score/"


class ShardScores:
    """Scores the payments of one partition.

    Args:
        specs: The scores of the stream.
        stream: Has an id, if there is any score.
        hashes: Shared with others that read the same batches.
    """

    def __init__(self, specs: Sequence[RiskSpec], stream: StreamSpec, hashes: ColumnHashes) -> None:
        self._scorers = [Scorer(spec, id_field=stream.id or "id", hashes=hashes) for spec in specs]

    @property
    def dropped(self) -> tuple[int, int]:
        """Keys evicted and expired since the shard was made."""
        each = [scorer.agent.dropped for scorer in self._scorers]
        return sum(evicted for evicted, _ in each), sum(expired for _, expired in each)

    @property
    def versions(self) -> dict[str, str]:
        """What the state of each score depends on, as a hash."""
        return {scorer.spec.name: scorer.spec.learned_as for scorer in self._scorers}

    def process(self, batch: Batch, head_ms: Int64, on_scores: OnScores | None) -> list[tuple[int, Alert]]:
        """Take a batch in; alerts with the record that each is about.

        Args:
            batch: In stream order.
            head_ms: Newest event time so far in this partition, shape ``(n,)``.
            on_scores: Told the score of each record; ``None`` for nobody.
        """
        alerts: list[tuple[int, Alert]] = []
        for scorer in self._scorers:
            scores, found = scorer.process(batch, head_ms)
            alerts += found
            if on_scores is not None:
                on_scores(scorer.spec.name, batch, scores)
        return alerts

    def dirty(self, applied: int) -> dict[bytes, bytes | None]:
        """Slabs that changed since the last call, by key; ``None``: gone."""
        return {
            _prefix(scorer.spec) + name.encode(): slab
            for scorer in self._scorers
            for name, slab in scorer.agent.take_dirty(applied).items()
        }

    def restore(self, slabs: Mapping[bytes, bytes], head_ms: int) -> set[bytes]:
        """Take over the latest slabs; the keys of those that belong to former definitions."""
        unknown = {key for key in slabs if key.startswith(_PREFIX)}
        for scorer in self._scorers:
            prefix = _prefix(scorer.spec)
            own = {key[len(prefix) :].decode(): slab for key, slab in slabs.items() if key.startswith(prefix)}
            scorer.agent.load(own, head_ms)
            unknown -= {prefix + name.encode() for name in own}
        return unknown


def _prefix(spec: RiskSpec) -> bytes:
    return _PREFIX + f"{spec.name}@{spec.learned_as}/".encode()
