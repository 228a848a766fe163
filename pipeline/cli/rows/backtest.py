"""A backtest's report for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from pipeline.cli.human import NOTHING, clock, number, printable, rate, span
from pipeline.cli.output import Output, table


def show_report(output: Output, told: Mapping[str, Any]) -> None:
    """One configuration."""
    output.show(Text(str(told["config"]), style="bold"))
    for part in _parts(told):
        output.show(part)
        output.show("")


def show_comparison(output: Output, found: Mapping[str, Any]) -> None:
    """Alerts gained and lost."""
    gained, lost = found["gained"], found["lost"]
    output.show(Text(f"{found['same']:,} alerts in both, {gained['alerts']:,} gained, {lost['alerts']:,} lost"))
    shown = table("rule", ">gained", ">lost")
    for rule, counts in found["rules"].items():
        shown.add_row(printable(rule), number(counts["gained"]), number(counts["lost"]))
    output.show(shown)
    for name, part in (("gained", gained), ("lost", lost)):
        if "fraud" in part and part["alerts"]:
            output.show(Text(f"{name}: {part['fraud']:,} of {part['alerts']:,} on a fraud", style="dim"))
        for example in part["examples"]:
            verdict = " (fraud)" if example.get("fraud") else ""
            style = "green" if name == "gained" else "red"
            output.line(Text.assemble((f"{name:<7}", style), f" {printable(example['why'])}{verdict}"))


def _parts(told: Mapping[str, Any]) -> Iterator[RenderableType]:
    facts = table("", "")
    facts.show_header = False
    for name, text in _facts(told):
        facts.add_row(name, text)
    yield facts
    bad = told["bad"]
    if bad["records"]:
        yield _bad(bad)
    measures = told.get("measures")
    if measures is None:
        if told["rules"]:
            yield _alerts(told["rules"])
        return
    yield _hits(measures)
    if measures["scores"]:
        yield _scores(measures["scores"])


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "records", f"{number(told['records'])} in {span(1_000 * told['elapsed_s'])}, {rate(told['records_per_s'])}"
    if told["first_ms"] is not None:
        yield "from", f"{clock(told['first_ms'])} to {clock(told['last_ms'])}, {number(told['days'])} days"
    yield "late", number(told["late"])
    yield "bad", number(told["bad"]["records"])
    yield "scores", number(told["scores"])
    yield "alerts", f"{number(told['alerts'])}, {number(told['alerts_per_day'])} a day"
    if "measures" in told:
        truth, delay = told["measures"]["truth"], told["measures"]["delay"]
        yield "truth", f"{number(truth['labels'])} labels, {number(truth['fraud'])} fraud, {number(truth['seen'])} seen"
        when = f"p50 {span(delay['p50_ms'])}, p90 {span(delay['p90_ms'])}, max {span(delay['max_ms'])}"
        noticed = f"{number(delay['noticed'])} of {number(delay['episodes'])} episodes noticed"
        yield "delay", noticed + (f", after {when}" if delay["noticed"] else "")


def _bad(bad: Mapping[str, Any]) -> RenderableType:
    shown = table("where", "why")
    for each in bad["first"]:
        if "line" in each:
            where = f"line {each['line']:,}"
        else:
            where = f"{each['topic']}/{each['partition']} at {each['offset']}"
        shown.add_row(where, printable(each["reason"]))
    more = bad["records"] - len(bad["first"])
    if more > 0:
        shown.add_row(f"{more:,} more", "")
    return shown


def _alerts(rules: Mapping[str, int]) -> RenderableType:
    shown = table("rule", ">alerts")
    for rule, count in rules.items():
        shown.add_row(printable(rule), number(count))
    return shown


def _hits(measures: Mapping[str, Any]) -> RenderableType:
    shown = table("rule", ">alerts", ">a day", ">flagged", ">right", ">precision", ">recall", ">F1")
    for name, row in [*measures["rules"].items(), ("all", measures["all"])]:
        counts = (number(row[key]) for key in ("alerts", "alerts_per_day", "flagged", "right"))
        shown.add_row(printable(name), *counts, *(_fraction(row[key]) for key in ("precision", "recall", "f1")))
    return shown


def _scores(scores: Mapping[str, Any]) -> RenderableType:
    top = next(iter(scores.values()))["top"]
    shown = table(
        "score", ">scored", ">fraud", ">AP", ">ROC AUC", f">records, precision@{top}", f">cards, precision@{top}"
    )
    for name, row in scores.items():
        measured = ("average_precision", "roc_auc", "record_precision", "card_precision")
        counts = (number(row[key]) for key in ("scored", "fraud"))
        shown.add_row(printable(name), *counts, *(_fraction(row[key]) for key in measured))
    return shown


def _fraction(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"
