"""Rules: what watches, how often it fired, when last, and how often it was right."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from nicegui import ui

from agents.spec import SEVERITIES
from pipeline.config.model import AppConfig
from pipeline.health.definitions import STREAM
from pipeline.plan import complete
from pipeline.readmodel.questions import RuleFacts
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, empty_state, numbers, spark, table_head, when
from pipeline.web.parts.layout import command, frame, head

EVERY_S: Final = 5.0
_COLUMNS: Final = [
    ("Rule", ""),
    ("Severity", ""),
    ("Of", ""),
    ("Alerts an hour, 24 h", ""),
    ("24 h", "r"),
    ("Precision", "r"),
    ("Last fired", "r"),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Watcher:
    """A rule, series detector or risk score, as configured.

    Args:
        name: Unique in the application.
        kind: What it is, in a word.
        severity: Of its alerts; ``None`` where that depends.
        of: The table, or the stream, that it watches.
        condition: When it fires.
        description: What it means, for people.
        version: Hash of its definition.
        is_table: Whether ``of`` is a table.
    """

    name: str
    kind: str
    severity: str | None
    of: str
    condition: str
    description: str
    version: str
    is_table: bool


def watchers(config: AppConfig) -> list[Watcher]:
    """All that watches, in the order of the configuration."""
    rules = [
        Watcher(
            name=rule.name,
            kind="rule",
            severity=rule.severity,
            of=rule.table,
            condition=rule.when,
            description=rule.description,
            version=rule.version,
            is_table=True,
        )
        for rule in config.rules.values()
    ]
    detectors = [
        Watcher(
            name=detector.name,
            kind=detector.kind,
            severity=detector.severity,
            of=detector.table or detector.stream or "",
            condition=f"{detector.kind}({detector.value}) reaches {human.number(detector.threshold)}",
            description=detector.description,
            version=detector.version,
            is_table=detector.table is not None,
        )
        for detector in config.detectors.values()
    ]
    scores = [
        Watcher(
            name=score.name,
            kind="risk score",
            severity=None,
            of=score.stream,
            condition=f"score reaches {score.review:g}, blocks at {score.block:g}",
            description=score.description,
            version=score.version,
            is_table=False,
        )
        for score in config.scores.values()
    ]
    return [*rules, *detectors, *scores]


def is_health(watcher: Watcher) -> bool:
    """Whether it watches the pipeline itself."""
    return watcher.of == STREAM or watcher.of.startswith(f"{STREAM}_")


async def rules_page(context: PageContext) -> None:
    """Build ``/rules``."""
    known = watchers(complete(context.model.config))
    own = [each for each in known if not is_health(each)]
    health = [each for each in known if is_health(each)]
    with frame(context.model, title="Rules", page="rules"):
        head("Rules", "What is on, and what came of it")
        lists = [_list("", own, command(context.model.config, "check"))]
        if health:
            lists.append(_list("Health of the pipeline", health, ""))

    async def tick() -> None:
        facts = {each.name: each for each in await context.answers.rules()}
        for listed, of in zip(lists, (own, health), strict=False):
            listed.show([(each, facts.get(each.name, _none(each.name))) for each in of])

    await tick()
    ui.timer(EVERY_S, tick, immediate=False)


Row = tuple[Watcher, RuleFacts]


def _none(name: str) -> RuleFacts:
    return RuleFacts(name=name, hourly=(0,) * 24, last_ms=None, confirmed=0, dismissed=0)


def _list(title: str, of: Iterable[Watcher], check: str) -> LiveRows[Row]:
    with Tag("section", classes="sg-section" if title else ""):
        if title:
            Tag("h2", title)
        with Tag("div", classes="sg-card"):
            if not of:
                empty_state("No rules yet", "Add a section [rules.NAME] to the configuration, then check it:", check)
            with Tag("div", classes="sg-scroll") as scroll, Tag("table", classes="sg-table sg-stacking sg-rules"):
                table_head(_COLUMNS, title or "Rules")
                body = Tag("tbody")
            scroll.set_visibility(bool(of))
    return LiveRows[Row](body, key=lambda row: row[0].name, make=_row)


def _row(first: Row) -> Made[Row]:
    watcher = first[0]
    with Tag("tr") as made:
        with Tag("th", classes="wrap wide", attributes={"scope": "row"}):
            Tag("a", watcher.name, "strong", {"href": f"/alerts?rule={quote(watcher.name)}"})
            Tag("p", watcher.description, "sg-small sg-muted")
            Tag("code", watcher.condition, "sg-when")
        with Tag("td"):
            severity = watcher.severity or "by score"
            Tag("span", severity, f"sg-pill {severity if severity in SEVERITIES else ''}")
        with Tag("td"):
            if watcher.is_table:
                Tag("a", watcher.of, attributes={"href": f"/tables/{quote(watcher.of)}"})
            else:
                Tag("span", watcher.of)
            Tag("p", f"{watcher.kind} · {watcher.version}", "sg-small sg-muted", {"title": "kind, and version"})
        with Tag("td"):
            hours = spark(f"Alerts of {watcher.name} in each of the last 24 hours", bars=True)
        total = Tag("td", "", "r")
        with Tag("td", classes="r"):
            precision = Tag("span", "")
            labels = Tag("p", "", "sg-small sg-muted")
        with Tag("td", classes="r"):
            last = when(None, ago=True)

    def update(row: Row) -> None:
        facts = row[1]
        hours.set("values", numbers(float(count) for count in facts.hourly))
        total.put(human.number(sum(facts.hourly)))
        right = facts.precision
        precision.put("" if right is None else f"{right:.0%}")
        labelled = facts.confirmed + facts.dismissed
        labels.put(f"of {labelled:,} labelled" if labelled else "no labels")
        last.set("ms", "" if facts.last_ms is None else facts.last_ms)

    return Made(made, update)
