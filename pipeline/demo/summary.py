"""The summary for people and for programs."""

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.human import number, rate, share, short_topic, size, span
from pipeline.cli.output import table
from pipeline.demo.facts import Summary


def as_object(summary: Summary) -> dict[str, Any]:
    """For programs."""
    score, complete = summary.score, summary.complete
    return {
        "load_s": round(summary.load_s, 3),
        "records": summary.total,
        "records_by_topic": summary.records,
        "records_per_s": round(summary.records_per_s, 1),
        "caught_up_ms": summary.caught_up_ms,
        "alert_latency_ms": {
            "n": len(summary.latency_ms),
            "p50": summary.latency_quantile(0.5),
            "p99": summary.latency_quantile(0.99),
            "max": summary.latency_quantile(1.0),
        },
        "send_delay_ms": summary.send_delay_ms,
        "lag": {"records": summary.lag.records, "worst_ms": summary.lag.worst_ms},
        "alerts": sum(summary.alerts.values()),
        "alerts_by_rule": summary.alerts,
        "precision": score.precision,
        "recall": complete.recall,
        "rules": {
            rule: {"alerts": each.alerts, "right": each.right, "precision": each.precision}
            for rule, each in score.rules.items()
        },
        "campaigns": {
            kind: {
                "campaigns": each.campaigns,
                "caught": each.caught,
                "recall": each.recall,
                "delay_p50_ms": each.delay_p50_ms,
            }
            for kind, each in complete.kinds.items()
        },
        "campaigns_cut_short": summary.cut_short,
        "campaigns_missed": list(complete.missed),
        "tables": [
            {"table": each.table, "keys": each.keys, "topic": each.topic, "topic_state_bytes": each.state_bytes}
            for each in summary.tables
        ],
        "log_bytes": summary.size_bytes,
        "processes": list(summary.processes),
    }


def as_text(summary: Summary) -> RenderableType:
    """For people, at most 80 columns wide."""
    parts = [_facts(summary), Text(), _alerts(summary), Text(), _campaigns(summary), Text(), _tables(summary)]
    return Group(*parts, Text(), _processes(summary))


def _facts(summary: Summary) -> RenderableType:
    shown = table("", "")
    shown.show_header = False
    by_topic = ", ".join(f"{number(count)} {topic}" for topic, count in summary.records.items())
    quantiles = (f"{name} {span(summary.latency_quantile(q))}" for name, q in (("p50", 0.5), ("p99", 0.99)))
    shown.add_row("[bold]records[/]", f"{number(summary.total)} ({by_topic})")
    shown.add_row("[bold]throughput[/]", f"{rate(summary.records_per_s)} for {number(round(summary.load_s, 1))} s")
    shown.add_row("[bold]append to alert[/]", f"{', '.join(quantiles)}, over {number(len(summary.latency_ms))} alerts")
    lag = summary.lag
    shown.add_row(
        "[bold]lag at the end[/]", f"{number(lag.records)} records; caught up within {span(summary.caught_up_ms)}"
    )
    if summary.send_delay_ms:
        late = ", ".join(f"{name} {span(value)}" for name, value in summary.send_delay_ms.items())
        shown.add_row("[bold]sent late by[/]", late)
    return shown


def _alerts(summary: Summary) -> RenderableType:
    score = summary.score
    shown = table("alerts by rule", ">alerts", ">right", ">precision")
    for rule, count in summary.alerts.items():
        judged = score.rules.get(rule)
        right = [number(judged.right), share(judged.precision)] if judged else ["", ""]
        shown.add_row(rule, number(count), *right)
    total, hits = sum(each.alerts for each in score.rules.values()), sum(each.right for each in score.rules.values())
    shown.add_row("[bold]all on payments[/]", number(total), number(hits), share(score.precision))
    return shown


def _campaigns(summary: Summary) -> RenderableType:
    complete = summary.complete
    shown = table("fraud by kind", ">campaigns", ">caught", ">recall", ">caught after")
    for kind, each in complete.kinds.items():
        after = span(each.delay_p50_ms)
        shown.add_row(kind, number(each.campaigns), number(each.caught), share(each.recall), after)
    campaigns = sum(each.campaigns for each in complete.kinds.values())
    caught = sum(each.caught for each in complete.kinds.values())
    shown.add_row("[bold]all[/]", number(campaigns), number(caught), share(complete.recall), "")
    if not summary.cut_short:
        return shown
    return Group(shown, Text(f"{number(summary.cut_short)} more were cut short by the end of the run", style="dim"))


def _tables(summary: Summary) -> RenderableType:
    shown = table("table", ">keys", "fed by", ">state of all it feeds")
    for each in summary.tables:
        shown.add_row(each.table, number(each.keys), short_topic(each.topic, summary.app), size(each.state_bytes))
    return shown


def _processes(summary: Summary) -> RenderableType:
    shown = table("process", ">pid", ">CPU", ">memory", ">exit code")
    for each in summary.processes:
        code = "running" if each["exit_code"] is None else str(each["exit_code"])
        cpu = span(1_000 * each["cpu_s"])
        shown.add_row(each["name"], str(each["pid"]), cpu, size(each["memory_bytes"]), code)
    return shown
