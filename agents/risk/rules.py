"""The rules of a risk score: conditions over its features."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.language.expression import Scope, compile_expression
from agents.risk.keys import feature_names
from agents.risk.spec import RiskRule, RiskSpec
from agents.spec import Field

Float = NDArray[np.float64]
Single = NDArray[np.float32]


def rule_scope(spec: RiskSpec) -> Scope:
    """What the rules may name: the amount, and the features by key."""
    names = [spec.amount, *feature_names(spec.keys, [name for name, _ in spec.windows])]
    return Scope(fields={name: Field(name=name, type="float") for name in names}, measures={}, keyed=False)


class RiskRules:
    """Says which rules hold for a payment, and the score that follows from them alone.

    Args:
        spec: The risk score.

    Raises:
        ExpressionError: If a condition is wrong.

    Cost: some 5 ns a payment for each operator.
    """

    def __init__(self, spec: RiskSpec) -> None:
        scope = rule_scope(spec)
        self._features = list(scope.fields)
        self._rules: Sequence[RiskRule] = spec.rules
        self._conditions = [compile_expression(rule.when, scope, condition=True) for rule in spec.rules]

    def apply(self, *, learned: bool) -> bool:
        """Whether any rule counts, once the model has learned or before."""
        return any(rule.always or not learned for rule in self._rules)

    def holds(self, x: Single, *, learned: bool) -> Float:
        """1 where a rule holds and counts, 0 elsewhere, shape ``(n, n_rules)``.

        Args:
            x: The features, shape ``(n, n_features)``; NaN where there is none.
            learned: Whether the model has an opinion.
        """
        values = {name: x[:, at].astype(np.float64) for at, name in enumerate(self._features)}
        held = np.zeros((len(x), len(self._rules)))
        for at, (rule, condition) in enumerate(zip(self._rules, self._conditions, strict=True)):
            if rule.always or not learned:
                held[:, at] = condition.evaluate(values)
        return held

    def score(self, held: Float) -> Float:
        """The chance of fraud if each rule that holds were a proof of its own, shape ``(n,)``.

        Args:
            held: What ``holds`` gave.
        """
        return np.asarray(1.0 - np.prod(1.0 - held * [rule.score for rule in self._rules], axis=1), np.float64)

    def weights(self, held: Float) -> Float:
        """What each feature adds, as ``-log(1 - score)`` of the rules that name it, shape ``(n, n_features)``.

        Args:
            held: What ``holds`` gave.
        """
        added = np.zeros((len(held), len(self._features)))
        for at, (rule, condition) in enumerate(zip(self._rules, self._conditions, strict=True)):
            named = [self._features.index(name) for name in sorted(condition.fields)]
            added[:, named] -= held[:, at, None] * np.log1p(-rule.score)
        return added
