"""The summary tells what is in the log: counted by hand on a small one."""

import asyncio

import orjson
import pytest
from rich.console import Console

from agents.events import Alert, Outgoing, RecordRef, Records
from pipeline.alerts import encode_alert
from pipeline.config import load_config
from pipeline.demo.facts import look_at_lag, summarize
from pipeline.demo.screen import Sparse
from pipeline.demo.settings import EXAMPLE, DemoSettings
from pipeline.demo.summary import as_object, as_text
from pipeline.log import TopicSpec
from pipeline.log.opening import open_log
from pipeline.plan import topic_specs

T0 = 1_700_000_000_000
LATENCIES = (10, 20, 30, 40, 1_000)


def alert(rule, stream, record_id, appended_ms, key="a1"):
    """An alert that one record fired."""
    ref = RecordRef(stream, 0, 0, record_id)
    return Alert(
        id="0" * 32,
        rule=rule,
        version="0" * 8,
        severity="high",
        stream=stream,
        table=None,
        key=key,
        event_time_ms=appended_ms,
        appended_ms=appended_ms,
        window_start_ms=0,
        window_end_ms=1,
        condition="x",
        values={},
        thresholds={},
        source=ref,
        records=(ref,),
    )


async def fill(log, config):
    """Four payments, one sample; two whole campaigns, of which one is caught, and one that was cut short."""
    for spec in topic_specs(config):
        await log.create_topic(spec)
    await log.create_topic(TopicSpec(name="payments.truth", partitions=1))
    await log.append(
        [Outgoing("payments", 0, Records(values=[b"{}"] * 4)), Outgoing("samples", 1, Records(values=[b"{}"]))]
    )
    labels = [("p1", "one", 0), ("p2", "two", 100), ("p3", "late", 9_500)]
    truth = [
        orjson.dumps({"id": each, "campaign": name, "kind": "card-testing", "key": name, "ts": T0 + ts})
        for each, name, ts in labels
    ]
    await log.append([Outgoing("payments.truth", 0, Records(values=truth))])
    fired = [
        alert("good", "payments", "p1", T0),
        alert("good", "payments", "p3", T0),
        alert("bad", "payments", "p9", T0),
        alert("bad", "payments", "p9", T0),
        alert("jump", "samples", None, T0, key="taxi"),
        alert("stall", "health", None, T0, key="payments/0"),
    ]
    for one, latency_ms in zip(fired, (*LATENCIES, 99_000), strict=True):
        encoded = encode_alert(one, detected_ms=T0, app="payments")
        records = Records(
            keys=[encoded.key], values=[encoded.value], headers=[encoded.headers], timestamps_ms=[T0 + latency_ms]
        )
        await log.append([Outgoing("alerts", 0, records)])


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """The summary of that log."""
    path = tmp_path_factory.mktemp("facts") / "log.db"
    config = load_config(EXAMPLE, {"STREAMGAUGE_APP__LOG": f"local://{path}"})

    async def made():
        log = open_log(config.log)
        try:
            await fill(log, config)
            waiting = await look_at_lag(log, config)
            assert (waiting.records, waiting.owned) == (5, False)
            return await summarize(
                log,
                config,
                started_ms=T0,
                ended_ms=T0 + 10_000,
                caught_up_ms=T0 + 10_500,
                longest_ms=1_000,
                send_delay_ms={"p50": 1.0, "p99": 2.0, "max": 3},
                processes=[{"name": "web", "pid": 1, "exit_code": 0, "cpu_s": 1.5, "memory_bytes": 10**8}],
            )
        finally:
            await log.close()

    return asyncio.run(made())


def test_records_and_rates_are_those_of_the_streams(summary):
    """Records of all streams count, over the time from the first one sent until all were processed."""
    told = as_object(summary)
    assert told["records_by_topic"] == {"payments": 4, "samples": 1}
    assert told["records_per_s"] == round(5 / 10.5, 1)
    assert told["caught_up_ms"] == 500


def test_latency_is_from_append_to_append(summary):
    """Alerts on streams count with the time between both appends; those of the health measurement do not."""
    told = as_object(summary)["alert_latency_ms"]
    assert (told["n"], told["p50"], told["max"]) == (5, 30.0, 1_000.0)
    assert told["p50"] < told["p99"] <= told["max"]


def test_precision_counts_all_campaigns_and_recall_the_whole_ones(summary):
    """An alert on a campaign that was cut short is right, but missing such a campaign is no miss."""
    told = as_object(summary)
    assert told["precision"] == 0.5
    assert told["rules"]["good"] == {"alerts": 2, "right": 2, "precision": 1.0}
    assert told["rules"]["bad"]["right"] == 0
    assert told["recall"] == 0.5
    assert told["campaigns"]["card-testing"]["campaigns"] == 2
    assert (told["campaigns_cut_short"], told["campaigns_missed"]) == (1, ["two"])
    assert told["alerts_by_rule"] == {"good": 2, "bad": 2, "jump": 1, "stall": 1}


def test_people_see_the_same_within_eighty_columns(summary):
    """No line of the text is wider than an ordinary terminal, and the numbers stand in it."""
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(as_text(summary))
    console.file.close()
    lines = console.export_text().splitlines()
    assert max(map(len, map(str.rstrip, lines))) <= 80
    text = "\n".join(lines)
    for expected in (
        "5 (4 payments, 1 samples)",
        "p50 30 ms",
        "50 %",
        "merchant_10m",
        "1 more were cut short",
        "100 MB",
    ):
        assert expected in text, text


def test_every_process_gets_its_own_command():
    """The arguments name five different commands, and a run without end has no duration."""
    arguments = DemoSettings().arguments()
    assert {words[0] for words in arguments.values()} == {"web", "worker", "alerts", "load"}
    assert "--duration" in arguments["payments"]
    assert "--duration" not in DemoSettings(serve=True).arguments()["payments"]


def test_a_short_run_has_its_campaigns_earlier():
    """Below the usual length campaigns start earlier, so that each kind happens; a long run has them as they are."""
    short, full = (DemoSettings(seconds=seconds).arguments()["payments"] for seconds in (9.0, 60.0))
    at = short.index("--campaign-warmup") + 1
    assert (short[at], full[at]) == ("1600ms", "8000ms")


def test_a_flood_of_alerts_is_thinned_by_rule():
    """One alert of a rule in three seconds is shown with how many were held back; other rules are not affected."""
    sparse = Sparse()
    assert [sparse.held("a", time_ms) for time_ms in (0, 1, 2_999, 3_000, 3_001, 6_000)] == [0, None, None, 2, None, 1]
    assert sparse.held("b", 3_002) == 0
