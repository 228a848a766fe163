"""Rows in the store are those of the state topics, whatever is asked of them."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.log.opening import open_log
from pipeline.readmodel.query import MAX_LIMIT, Condition, TableQuery
from pipeline.store.opening import open_database
from pipeline.store.schema import prepare
from tests.pipeline.store.flow import TABLES, Flow, same

OPERATORS = (">=", "<=", "!=", "==", "=", ">", "<")


def test_rows_follow_the_state(on_flow):
    """While keys come, change, and are forgotten, and windows move and close, with or without a slab."""

    async def work(flow):
        for count, keys, parts in ((0, 1, ()), (30, 10, (0,)), (80, 40, (0, 1)), (5, 40, (1,)), (2, 3, (0,))):
            await flow.pay(count, keys=keys, parts=parts) if count else None
            await flow.follow()
            for table in TABLES:
                same(flow, table)
        for step_ms in (60, 250, 700, 6_000, 100):
            flow.now_ms += step_ms
            await flow.pay(3, keys=2, span_ms=40, parts=(0,))
            await flow.follow()
            for table in TABLES:
                same(flow, table)

    on_flow(work)


def test_more_keys_than_a_block_and_values_than_are_kept_exactly(on_flow):
    """Keys of many blocks, and distinct counts that changed over to sketches."""

    async def work(flow):
        await flow.pay(5_000, keys=3_000, lands=40)
        await flow.pay(4_000, keys=1, lands=3_000)
        await flow.follow()
        await flow.pay(50, keys=3_000)
        await flow.follow()
        for table in TABLES:
            for offset in (0, 1_000, 2_000, 3_000, 4_000):
                same(flow, table, TableQuery(offset=offset, limit=MAX_LIMIT))
            same(flow, table, TableQuery(sort="lands", descending=True, limit=3))
        assert flow.page("recent", TableQuery(sort="lands", descending=True, limit=1)).rows[0].values[7] > 1_024

    on_flow(work)


def test_queries_give_the_same_in_every_database(on_flow):
    """Two hundred random questions, of text, numbers, order and place."""

    async def work(flow):
        await flow.pay(300, keys=120)
        await flow.pay(100, keys=60)
        await flow.follow()
        chance = random.Random(5)
        for _ in range(100):
            for table in TABLES:
                same(flow, table, _question(flow.names(table), chance.random, chance.choice))

    on_flow(work)


def _question(names, chance, choice):
    columns = [*names, "partition", "window_start_ms", "window_end_ms"]
    return TableQuery(
        words=tuple(choice(["ACCT", "ä", "1-1", "-0-", "zz", "%", "_", "\\"]) for _ in range(int(chance() * 2))),
        key=choice([None] * 9 + ["acct-0-3", "nobody"]),
        where=tuple(
            Condition(choice(columns), choice(OPERATORS), choice([0, 1, 2, 150.5, 1_000, -3]))
            for _ in range(int(chance() * 3))
        ),
        partition=choice([None, None, None, 0, 1, 7]),
        sort=choice([None, "key", *columns]),
        descending=chance() < 0.5,
        offset=choice([0, 0, 3, 60, 10_000]),
        limit=choice([1, 7, 500]),
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store and a view of the same state."""
    database = open_database("duckdb://:memory:", "app")
    prepare(database)

    async def work():
        log = open_log(f"local://{tmp_path_factory.mktemp('log')}/log.db")
        flow = Flow(log, database)
        await flow.create()
        await flow.pay(400, keys=150)
        await flow.pay(90, keys=60, span_ms=200)
        await flow.follow()
        await log.close()
        return flow

    yield asyncio.run(work())
    database.close()


@given(data=st.data())
def test_a_question_gives_what_brute_force_does(filled, data):
    """Whatever is asked, page by page, in whatever order."""
    columns = [*filled.names("recent"), "partition", "window_start_ms", "window_end_ms"]
    where = st.builds(
        Condition, st.sampled_from(columns), st.sampled_from(OPERATORS), st.floats(-1_000, 1_000, allow_nan=False)
    )
    asked = data.draw(
        st.builds(
            TableQuery,
            words=st.lists(st.text("aäctÄACT-0123", max_size=3), max_size=2).map(tuple),
            key=st.sampled_from([None, None, None, "ÄcCt-1-7", "acct-1-7"]),
            where=st.lists(where, max_size=2).map(tuple),
            partition=st.sampled_from([None, 0, 1, 2]),
            sort=st.sampled_from([None, "key", *columns]),
            descending=st.booleans(),
            offset=st.integers(0, 320),
            limit=st.integers(1, MAX_LIMIT),
        )
    )
    same(filled, data.draw(st.sampled_from(TABLES)), asked)


def test_what_can_not_be_asked(filled):
    """A column that does not exist, a comparison with the key, a page that can't be."""
    for asked, said in (
        (TableQuery(sort="spnt"), "did you mean 'spent'"),
        (TableQuery(where=(Condition("mean.p98", ">", 1.0),)), "no column 'mean.p98'"),
        (TableQuery(where=(Condition("key", ">", 1.0),)), "key can't be compared"),
        (TableQuery(limit=MAX_LIMIT + 1), "limit must be"),
        (TableQuery(offset=-1), "offset must not"),
    ):
        with pytest.raises(UsageError, match=said):
            filled.page("recent", asked)
