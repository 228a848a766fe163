"""``[scores.NAME]``: the risk of a stream's payments, learned from labels that come later."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from agents.language.expression import ExpressionError, closest, compile_expression, listed
from agents.risk.rules import rule_scope
from agents.risk.spec import TYPE_FIELD, LabelSpec, RiskRule, RiskSpec
from agents.spec import Field, StreamSpec
from pipeline.config.durations import parse_duration, show_duration
from pipeline.config.report import Report, show
from pipeline.config.section import Section, names_of
from pipeline.config.streams import is_name, typed_field

_KEYS: Final = (
    *("stream", "keys", "amount", "windows", "labels", "review", "block", "rules", "max_keys", "max_waiting"),
    "description",
)
_LABEL_KEYS: Final = ("type", "field", "wait")
_RULE_KEYS: Final = ("when", "score", "always")
_MOST_WINDOWS: Final = 8
_DAY_MS: Final = 86_400_000


def read_scores(report: Report, values: dict[str, Any], streams: Mapping[str, StreamSpec]) -> dict[str, RiskSpec]:
    """All risk scores that could be made sense of."""
    scores = {}
    for name, given in names_of(report, values, "scores").items():
        section = Section(report, ("scores", name), given, _KEYS)
        stream = section.reference("stream", streams, "stream")
        spec = _score(section, name, streams.get(stream))
        if spec is not None:
            scores[name] = spec
    return scores


def _score(section: Section, name: str, stream: StreamSpec | None) -> RiskSpec | None:
    fields = dict(stream.fields) if stream else {}
    keys = _keys(section, fields)
    amount = typed_field(section, "amount", fields, ("int", "float"))
    labels = _labels(section, fields)
    windows = _windows(section)
    review, block = _limits(section)
    if stream is not None:
        _check_stream(section, stream, keys)
    if not keys or not amount or not windows:
        return None
    field = fields.get(amount)
    spec = RiskSpec(
        name=name,
        stream=stream.name if stream else "",
        keys=keys,
        amount=amount,
        unit=field.unit if field and field.type == "float" else 1.0,
        windows=windows,
        labels=labels,
        review=review,
        block=block,
        most_waiting=section.whole("max_waiting", 1 << 20, 1, 1 << 31),
        max_keys=section.whole("max_keys", 1_000_000, 1, 1 << 31),
        description=section.text("description", ""),
    )
    return _with_rules(section, spec)


def _check_stream(section: Section, stream: StreamSpec, keys: tuple[str, ...]) -> None:
    """Labels must find their payments, and keys meet, within one partition."""
    if stream.id is None:
        message = f'[streams.{stream.name}] has no id, by which labels name their payments; give it a field id = "str"'
        section.report.value((*section.path, "stream"), message)
    kind = stream.fields.get(TYPE_FIELD)
    if kind is None or kind.type != "str":
        message = f'[streams.{stream.name}] needs a field {TYPE_FIELD} = "str", which tells labels from payments'
        section.report.value((*section.path, "stream"), message)
    if stream.partitions > 1 and keys and stream.key not in keys:
        message = (
            f"[streams.{stream.name}] has {stream.partitions} partitions, and its key is not among keys, so that a "
            f"label may stand in another partition than its payment; write partitions = 1, or make one of "
            f"{listed(keys)} the stream's key and send each label with the key of its payment"
        )
        section.report.value((*section.path, "keys"), message)


def _keys(section: Section, fields: Mapping[str, Field]) -> tuple[str, ...]:
    names = _texts(section, "keys", 'fields such as ["customer", "terminal"]')
    known = [field.name for field in fields.values() if field.type == "str"]
    for at, name in enumerate(names):
        if fields and name not in known:
            message = (
                f"keys names {show(name)}, which is no text field; there are {listed(known)}{closest(name, known)}"
            )
            section.report.value((*section.path, "keys", at), message)
        elif name in names[:at]:
            section.report.value((*section.path, "keys", at), f"{show(name)} is among keys twice; leave it out")
    return tuple(names)


def _windows(section: Section) -> tuple[tuple[str, int], ...]:
    if not section.has("windows"):
        return (("1d", _DAY_MS), ("30d", 30 * _DAY_MS))
    sizes: list[int] = []
    for at, text in enumerate(_texts(section, "windows", 'durations such as ["1d", "30d"]')):
        try:
            size_ms = parse_duration(text)
        except ValueError as error:
            section.report.value((*section.path, "windows", at), f"windows: {error}")
            continue
        if size_ms < 1 or size_ms in sizes:
            section.report.value((*section.path, "windows", at), f"{text} is no window, or there twice; leave it out")
        else:
            sizes.append(size_ms)
    if len(sizes) > _MOST_WINDOWS:
        section.wrong("windows", f"there are {len(sizes)} windows; at most {_MOST_WINDOWS} are allowed")
    return tuple((show_duration(size_ms), size_ms) for size_ms in sorted(sizes))


def _texts(section: Section, key: str, what: str) -> list[str]:
    """A list of texts, at least one."""
    given = section.values.get(key)
    if given is None:
        section.require(key)
        return []
    if not isinstance(given, list) or not given or not all(isinstance(each, str) for each in given):
        section.wrong(key, f"{key} must be a list of {what}, found {show(given)}")
        return []
    return given


def _labels(section: Section, fields: Mapping[str, Field]) -> LabelSpec:
    section.require("labels")
    given = section.values.get("labels", {})
    labels = Section(section.report, (*section.path, "labels"), given, _LABEL_KEYS)
    default = LabelSpec()
    if not section.has("labels"):
        return default
    field = typed_field(labels, "field", fields, ("bool", "int", "float"), default.field)
    return LabelSpec(
        type=labels.text("type", default.type),
        field=field or default.field,
        wait_ms=labels.duration("wait", default.wait_ms) or default.wait_ms,
    )


def _limits(section: Section) -> tuple[float, float]:
    review, block = section.number("review", 0.5) or 0.0, section.number("block", 0.9) or 0.0
    if not 0.0 < review <= block <= 1.0:
        found = f"review is {review:g} and block {block:g}"
        key = "review" if section.has("review") else "block"
        section.wrong(key, f"{found}; they must ascend, above 0 and at most 1")
        return 0.5, 0.9
    return review, block


def _with_rules(section: Section, spec: RiskSpec) -> RiskSpec:
    """The score with its rules, each compiled once to find the mistakes in it."""
    given = section.values.get("rules", {})
    if not isinstance(given, dict):
        section.wrong("rules", f"rules must hold tables such as [{'.'.join(map(str, section.path))}.rules.name]")
        return spec
    scope, rules = rule_scope(spec), []
    for name, each in given.items():
        rule = Section(section.report, (*section.path, "rules", name), each, _RULE_KEYS)
        if not is_name(name):
            section.report.key(rule.path, f"{show(name)} is no name of a rule; letters, digits and _ are allowed")
        when, score = rule.text("when"), rule.number("score")
        rule.require("score")
        if score is not None and not 0.0 < score < 1.0:
            rule.wrong("score", f"score is {score:g}; a chance between 0 and 1 is needed")
            score = None
        if isinstance(rule.values.get("when"), str):
            try:
                compile_expression(when, scope, condition=True)
            except ExpressionError as error:
                section.report.expression((*rule.path, "when"), error)
        rules.append(RiskRule(name=name, when=when, score=score or 0.5, always=rule.flag("always", default=False)))
    return replace(spec, rules=tuple(rules))
