"""``[rules.NAME]``: conditions on records and what tables know about their keys."""

from collections.abc import Mapping
from typing import Any, cast

from agents.language.expression import ExpressionError, Scope, compile_expression
from agents.spec import SEVERITIES, RuleSpec, Severity, StreamSpec
from pipeline.config.report import Report
from pipeline.config.section import Section, names_of
from tables.spec import TableSpec

_KEYS = ("table", "when", "severity", "cooldown", "description")


def read_rules(
    report: Report, values: dict[str, Any], streams: Mapping[str, StreamSpec], tables: Mapping[str, TableSpec]
) -> dict[str, RuleSpec]:
    """All rules, their conditions compiled once to find the mistakes in them."""
    rules = {}
    declared = names_of(report, values, "tables")
    for name, given in names_of(report, values, "rules").items():
        section = Section(report, ("rules", name), given, _KEYS)
        table = section.reference("table", declared, "table")
        when = section.text("when")
        if isinstance(section.values.get("when"), str):
            _check(section, when, streams, tables.get(table))
        rules[name] = RuleSpec(
            name=name,
            table=table,
            when=when,
            severity=read_severity(section),
            cooldown_ms=section.duration("cooldown", None, low_ms=0),
            description=section.text("description", ""),
        )
    return rules


def read_severity(section: Section) -> Severity:
    """How much it matters."""
    return cast("Severity", section.text("severity", choices=SEVERITIES) or "info")


def _check(section: Section, when: str, streams: Mapping[str, StreamSpec], table: TableSpec | None) -> None:
    fields = streams[table.stream].fields if table and table.stream else {}
    measures = {measure.name: measure for measure in table.measures} if table else {}
    try:
        compile_expression(when, Scope(fields=fields, measures=measures), condition=True)
    except ExpressionError as error:
        section.report.expression((*section.path, "when"), error, names_known=bool(fields and measures))
