"""``/api/rules``: what rules, detectors and scores are, and what they did."""

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Query

from agents.risk.spec import RiskSpec
from agents.spec import DetectorSpec, RuleSpec
from pipeline.plan import complete
from pipeline.readmodel.questions import Answers, RuleFacts
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.api.cursors import page
from pipeline.web.schemas.common import ListAsked
from pipeline.web.schemas.system import RuleOut, RulesOut


def add_rules(router: APIRouter, model: ReadModel, answers: Answers) -> None:
    """The endpoint about rules."""
    about = _about(model)

    @router.get("/rules", tags=["rules"])
    async def list_rules(asked: Annotated[ListAsked, Query()]) -> RulesOut:
        """Rules, detectors and scores with what they did in the last 24 hours, in the order of the configuration."""
        facts = list(enumerate(await answers.rules()))
        shown, following = page(facts, lambda each: [each[0]], of="rules", cursor=asked.cursor, limit=asked.limit)
        return RulesOut(rules=[_rule(fact, about[fact.name]) for _, fact in shown], next_cursor=following)


def _rule(facts: RuleFacts, about: dict[str, Any]) -> RuleOut:
    return RuleOut(**about, **dataclasses.asdict(facts), precision=facts.precision)


def _about(model: ReadModel) -> dict[str, dict[str, Any]]:
    """What the configuration says of each."""
    config = complete(model.config)
    made: dict[str, dict[str, Any]] = {}
    for rule in config.rules.values():
        made[rule.name] = {"kind": "rule", "severity": rule.severity, "condition": rule.when, "on": rule.table}
    for detector in config.detectors.values():
        made[detector.name] = {
            "kind": "detector",
            "severity": detector.severity,
            "condition": f"{detector.kind}({detector.value}) >= {detector.threshold:g}",
            "on": detector.table or detector.stream or "",
        }
    for score in config.scores.values():
        limits = f"review from {score.review:g}, block from {score.block:g}"
        made[score.name] = {"kind": "score", "severity": None, "condition": limits, "on": score.stream}
    specs: list[RuleSpec | DetectorSpec | RiskSpec] = [*config.rules.values(), *config.detectors.values()]
    for spec in [*specs, *config.scores.values()]:
        made[spec.name] |= {"version": spec.version, "description": spec.description}
    return made
