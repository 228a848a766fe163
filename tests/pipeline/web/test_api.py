"""The JSON API over a real log that a real worker has filled."""

import math
from unittest.mock import ANY

import pytest

from agents.events import TopicPartition
from pipeline.alerts import decode_alert
from tests.pipeline.web.filled import MALFORMED


def test_tables_are_those_of_the_configuration_and_of_health(on_api):
    """Every table is listed with its window, its columns and how far each partition is behind."""

    async def work(api):
        tables = {table["name"]: table for table in (await api.get("/tables"))["tables"]}
        assert {*api.model.config.tables, "health_1s", "health_10s", "health_1m"} == set(tables)
        account = tables["account_10m"]
        assert account["window"] == {"kind": "sliding", "size_ms": 600_000, "pane_ms": 10_000, "grace_ms": 30_000}
        assert [column["name"] for column in account["columns"]][:2] == ["n", "spent"]
        assert [part["partition"] for part in account["freshness"]] == [0, 1, 2, 3]
        assert [part["behind"] for part in account["freshness"]] == [0, 0, 0, 0]
        assert account["keys"] > 100
        kinds = {column["name"]: column["kind"] for column in tables["merchant_10m"]["columns"]}
        assert kinds["start"] == "time"

    on_api(work)


def test_rows_add_up_to_what_was_appended(on_api):
    """Over all pages of all partitions each account stands once, and the counts make up every accepted record."""

    async def work(api):
        rows, offset = [], 0
        while offset is not None:
            page = await api.get("/tables/account_10m", sort="-n", offset=offset, limit=37)
            rows += page["rows"]
            offset = page["next_offset"]
        assert len(rows) == page["total"] == len({row["key"] for row in rows})
        counts = [row["values"]["n"] for row in rows]
        assert counts == sorted(counts, reverse=True)
        appended = sum(topic.records for name, topic in api.model.topics.items() if name == "payments")
        late = sum(topic.records for name, topic in api.model.topics.items() if name == "payments.late")
        assert sum(counts) == appended - len(MALFORMED) - late

    on_api(work)


def test_an_answer_that_is_known_is_not_sent_again(on_api):
    """With the tag of an answer the same question is answered by 304 until the answer differs."""

    async def work(api):
        first = await api.raw("/tables/account_10m")
        tag = first.headers["etag"]
        for given in (tag, f'W/{tag}, "other"', "*"):
            again = await api.raw("/tables/account_10m", status=304, headers={"if-none-match": given})
            assert (again.content, again.headers["etag"]) == (b"", tag)
        assert (await api.raw("/tables/account_10m", headers={"if-none-match": '"other"'})).content == first.content
        assert (await api.raw("/tables/account_10m", limit=1)).headers["etag"] != tag

    on_api(work)


@pytest.mark.parametrize(
    ("path", "name"), [("/tables", "tables"), ("/topics", "topics"), ("/lag", "rows"), ("/rules", "rules")]
)
def test_lists_come_in_pages(on_api, path, name):
    """Page after page of two gives what one large page gives."""

    async def work(api):
        got, cursor = [], None
        while True:
            page = await api.get(path, limit=2, **({"cursor": cursor} if cursor else {}))
            assert len(page[name]) <= 2
            got += page[name]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        whole = (await api.get(path))[name]
        assert got == whole
        assert len(whole) > 2

    on_api(work)


def test_rows_of_a_key_are_found_exactly(on_api):
    """A key has its rows and no others, also one with a slash; one that is not there is 404."""

    async def work(api):
        key = (await api.get("/tables/account_10m"))["rows"][0]["key"]
        found = await api.get(f"/tables/account_10m/keys/{key}")
        assert [row["key"] for row in found["rows"]] == [key]
        part = await api.get("/tables/health_1m/keys/payments/0")
        assert {row["key"] for row in part["rows"]} == {"payments/0"}
        await api.get(f"/tables/account_10m/keys/{key[:-1]}", status=404)

    on_api(work)


def test_the_system_tells_versions_and_settings_without_secrets(on_api):
    """Versions of what is needed, and the configuration with its defaults."""

    async def work(api):
        system = await api.get("/system")
        assert {"numpy", "fastapi", "streamgauge"} - {"fastapi"} <= set(system["packages"])
        assert system["configuration"]["name"] == api.model.config.name
        assert system["configuration"]["kafka"]["password"] is None
        assert system["configuration"]["rules"]["rapid-large"]["when"]

    on_api(work)


def test_filter_and_sort_are_done_by_the_server(on_api):
    """Words, comparisons and the partition narrow what is counted as matching."""

    async def work(api):
        everything = await api.get("/tables/account_10m", limit=1_000)
        key = everything["rows"][3]["key"]
        found = await api.get("/tables/account_10m", q=key.upper())
        assert key in [row["key"] for row in found["rows"]]
        busy = await api.get("/tables/account_10m", where=["n>=12", "spent>1k"], sort="key", limit=1_000)
        expected = [r for r in everything["rows"] if r["values"]["n"] >= 12 and r["values"]["spent"] > 1_000]
        assert [row["key"] for row in busy["rows"]] == sorted(row["key"] for row in expected)
        assert busy["matching"] == len(expected) > 0
        part = await api.get("/tables/account_10m", partition=2, limit=1_000)
        assert {row["partition"] for row in part["rows"]} == {2}

    on_api(work)


def test_health_tables_show_quantiles(on_api):
    """A histogram is given as p50, p95, p99 and max, in order; ``/health`` is for health tables only."""

    async def work(api):
        page = await api.get("/health/health_1m")
        rows = {row["key"]: row["values"] for row in page["rows"] if row["values"]["records"]}
        assert any(key.startswith("payments/") for key in rows)
        for values in rows.values():
            parts = [values[f"append_processed.{part}"] for part in ("p50", "p95", "p99", "max")]
            assert parts == sorted(parts)
        await api.get("/health/account_10m", status=404)

    on_api(work)


def test_alerts_are_those_on_the_topic(on_api):
    """Page by page the API gives every alert of the topic once, newest detected first, with all its fields."""

    async def work(api):
        chunks = await api.model.log.fetch(
            {TopicPartition("alerts", p): 0 for p in api.model.topics["alerts"].partitions}, max_bytes=1 << 26
        )
        written = {alert["id"]: alert for chunk in chunks for alert in map(decode_alert, chunk.values)}
        got, cursor = [], None
        while True:
            page = await api.get("/alerts", limit=7, **({"cursor": cursor} if cursor else {}))
            got += page["alerts"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert {alert["id"]: alert for alert in got} == {
            name: {**alert, "incident": ANY, "fraud": None} for name, alert in written.items()
        }
        assert len(got) == len(written) > 3
        times = [alert["detected_ms"] for alert in got]
        assert times == sorted(times, reverse=True)
        one = got[0]
        assert await api.get(f"/alerts/{one['id']}") == one
        same_rule = await api.get("/alerts", rule=one["rule"], limit=500)
        assert {alert["rule"] for alert in same_rule["alerts"]} == {one["rule"]}
        severe = await api.get("/alerts", severity=["high", "critical"], limit=500)
        assert {alert["severity"] for alert in severe["alerts"]} <= {"high", "critical"}
        searched = await api.get("/alerts", q=one["key"])
        assert one["id"] in [alert["id"] for alert in searched["alerts"]]

    on_api(work)


def test_lag_topics_and_status(on_api):
    """After everything was processed no partition lags; topics show their bounds; the status is one sentence."""

    async def work(api):
        lag = {(row["topic"], row["partition"]): row for row in (await api.get("/lag"))["rows"]}
        for partition in range(4):
            row = lag["payments", partition]
            assert (row["lag_ms"], row["lag_records"], row["status"]) == (0, 0, "OK")
        topics = {topic["name"]: topic for topic in (await api.get("/topics"))["topics"]}
        assert topics["payments"]["partitions"][0]["end"] == lag["payments", 0]["committed"]
        status = await api.get("/status")
        assert (status["state"], status["problem"], status["workers"]) == ("warning", None, [])
        assert status["sentence"].startswith("No worker is running")
        assert f"-c {api.model.config.source}" in status["sentence"]

    on_api(work)


def test_lag_has_the_skew_of_each_topic(on_api):
    """Beside the rows stands how unevenly each topic of several partitions is loaded, as the schema says."""

    async def work(api):
        lag = await api.get("/lag")
        ends = [part["end"] - part["start"] for part in await partitions(api, "payments")]
        (found,) = [each for each in lag["skew"] if each["topic"] == "payments"]
        assert found == {
            "topic": "payments",
            "partitions": 4,
            "lag_ratio": 1.0,
            "busiest": ends.index(max(ends)),
            "share": max(ends) / sum(ends),
        }
        assert all(each["partitions"] > 1 for each in lag["skew"])
        described = (await api.get("/openapi.json"))["components"]["schemas"]
        assert set(described["SkewOut"]["properties"]) == set(found)
        assert set(described["LagsOut"]["required"]) == {"rows", "next_cursor", "skew"}

    async def partitions(api, topic):
        return next(each["partitions"] for each in (await api.get("/topics"))["topics"] if each["name"] == topic)

    on_api(work)


def test_numbers_are_finite_json(on_api):
    """What has no value is null: JSON has no NaN."""

    async def work(api):
        rows = (await api.get("/health/health_1m", limit=1_000))["rows"]
        values = [value for row in rows for value in row["values"].values()]
        assert None in values
        assert all(value is None or math.isfinite(value) for value in values)

    on_api(work)
