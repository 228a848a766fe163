"""The follower: what it keeps when something goes wrong, and what it says about it."""

import asyncio

import pytest

from pipeline.errors import LogError, UsageError
from pipeline.log.opening import open_log
from pipeline.readmodel.query import TableQuery, run
from pipeline.readmodel.questions import AlertsAsked
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.glance import glance
from tests.pipeline.web.filled import example, fill, now_ms


def test_a_log_that_fails_leaves_what_was_read_and_is_told(tmp_path):
    """After the log is gone the tables and alerts stay, the problem is named, and the age grows."""
    url = f"local://{tmp_path}/log.db"
    clock = [0]

    async def work():
        log = open_log(url)
        await fill(log, example(url))
        clock[0] = now_ms()
        model = ReadModel(example(url), log, clock_ms=lambda: clock[0])
        assert glance(model, {}).mood == "is-wait"
        await model.refresh()
        alerts, keys = await model.answers.alert_count(), len(model.view("account_10m"))
        await log.close()
        clock[0] += 7_000
        try:
            await model.refresh()
        except LogError as error:
            model.problem = str(error)
        assert model.problem
        assert (await model.answers.alert_count(), len(model.view("account_10m"))) == (alerts, keys)
        assert alerts > 0 < keys
        assert model.age_ms() == 7_000
        assert glance(model, {"critical": 1}).mood == "is-bad"

    asyncio.run(work())


def test_a_second_model_sees_the_same(tmp_path):
    """What is shown follows from the log alone: a web view that was restarted shows what the first one did."""
    url = f"local://{tmp_path}/log.db"

    async def work():
        log = open_log(url)
        await fill(log, example(url))
        first, second = (ReadModel(example(url), log, clock_ms=now_ms) for _ in range(2))
        await first.refresh()
        await first.refresh()
        await second.refresh()
        pages = [await model.answers.alerts(AlertsAsked(limit=500)) for model in (first, second)]
        ids = [[alert.document["id"] for alert in page.rows] for page in pages]
        assert ids[0] == ids[1]
        for name in first.specs:
            views = [model.view(name) for model in (first, second)]
            assert views[0].keys == views[1].keys, name
            assert views[0].freshness == views[1].freshness, name
        assert first.history.throughput() == second.history.throughput()
        await log.close()

    asyncio.run(work())


def test_a_refresh_without_news_makes_no_table_anew(tmp_path):
    """A view is kept until its state changed; only the ends of the sources in its freshness are new."""
    url = f"local://{tmp_path}/log.db"

    async def work():
        log = open_log(url)
        await fill(log, example(url))
        model = ReadModel(example(url), log, clock_ms=now_ms)
        await model.refresh()
        before = model.view("account_10m")
        await model.refresh()
        assert model.view("account_10m").keys is before.keys
        await log.close()

    asyncio.run(work())


def test_the_store_has_the_rows_of_every_table(tmp_path):
    """Those of the application and of health, with their quantiles and their freshness, as a view has them."""
    url = f"local://{tmp_path}/log.db"

    async def work():
        log = open_log(url)
        await fill(log, example(url))
        model = ReadModel(example(url), log, clock_ms=now_ms, store=f"duckdb://{tmp_path}/store.duckdb")
        await model.refresh()
        while model.store.behind:
            await model.refresh()
        for name in model.specs:
            for asked in (TableQuery(limit=1_000), TableQuery(sort="key", descending=True, offset=3, limit=7)):
                assert await model.answers.rows(name, asked) == run(model.view(name), asked), name
            assert model.freshness(name) == model.view(name).freshness
        page = await model.answers.rows("account_10m", TableQuery(limit=1))
        history = await model.answers.key_history("account_10m", page.rows[0].key)
        assert tuple(values[-1] for values in history.values.values()) == page.rows[0].values
        with pytest.raises(UsageError, match="there is no table 'nope'; there are: account_10m"):
            await model.answers.rows("nope", TableQuery())
        model.close()
        await log.close()

    asyncio.run(work())
