"""Rows after a restart, a reset, another definition, or a turn without time."""

from tests.pipeline.store.flow import EVERYTHING, TABLES, Flow, same


def test_a_restart_writes_nothing_anew(on_flow):
    """What is there is shown at once, with its freshness, and blocks that did not change are left alone."""

    async def work(flow):
        await flow.pay(300, keys=100)
        await flow.follow()
        before = {table: flow.page(table, EVERYTHING) for table in TABLES}
        fresh = flow.keeper.freshness("recent")
        assert [each.applied for each in fresh] == [300, 300]
        points = flow.database.read("SELECT count(*) FROM points_0")
        flow.begin()
        flow.keeper.begin()
        assert {table: flow.page(table, EVERYTHING) for table in TABLES} == before
        await flow.follow()
        assert {table: flow.page(table, EVERYTHING) for table in TABLES} == before
        assert flow.database.read("SELECT count(*) FROM points_0") == points
        assert flow.keeper.freshness("recent") == fresh

    on_flow(work)


def test_a_restart_takes_up_what_came_meanwhile(on_flow):
    """Blocks that changed, and keys that went, while nobody followed."""

    async def work(flow):
        await flow.pay(200, keys=100)
        await flow.follow()
        flow.now_ms += 9_000
        await flow.pay(20, keys=10, parts=(0,))
        flow.begin()
        await flow.follow()
        for table in TABLES:
            same(flow, table)
        assert {row.partition for row in flow.page("recent", EVERYTHING).rows} == {0, 1}

    on_flow(work)


def test_the_state_made_anew(on_flow):
    """After the application was reset no row of before is left."""

    async def work(flow):
        await flow.pay(200, keys=100)
        await flow.follow()
        await flow.log.delete_topic("app-payments-state")
        again = Flow(flow.log, flow.database)
        await again.create()
        await again.pay(3, keys=2, parts=(1,))
        await again.follow()
        assert 0 < again.page("recent", EVERYTHING).total <= 2
        await flow.follow()
        for table in TABLES:
            same(again, table)
            same(flow, table)

    on_flow(work)


def test_other_definitions_begin_anew(on_flow, database):
    """A table of another definition has other columns; its rows are made of the state of that definition only."""

    async def work(flow):
        await flow.pay(50)
        await flow.follow()
        config = flow.config
        tables = {"recent": config.tables["recent"]}
        other = Flow(flow.log, database, config=type(config)(**{**_fields(config), "tables": tables}))
        await other.follow()
        same(other, "recent")
        assert "rows_1" not in _tables(database)

    on_flow(work)


def _fields(config):
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def _tables(database):
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    return [name for (name,) in database.read(sql)]


def test_time_is_shared_and_freshness_says_what_waits(on_flow):
    """Once all was built, a turn without time writes nothing, and says of when the rows are that are shown."""

    async def work(flow):
        await flow.pay(100)
        await flow.follow()
        shown = flow.page("recent", EVERYTHING)
        fresh = flow.keeper.freshness("recent")
        flow.keeper._credit_s = 0.0
        await flow.pay(100)
        await flow.follow(seconds=0)
        assert flow.page("recent", EVERYTHING) == shown
        assert flow.keeper.freshness("recent") == fresh
        await flow.follow(seconds=100)
        same(flow, "recent")
        assert [each.applied for each in flow.keeper.freshness("recent")] == [200, 200]

    on_flow(work)
