"""Points that tell how a key went, and how many are kept."""

from pipeline.readmodel.query import TableQuery
from pipeline.store.rows.points import key_history


def test_how_a_key_went(on_flow):
    """One point for each commit that changed the key, none for those that did not, oldest first."""

    async def work(flow):
        expected = []
        for step in range(6):
            flow.now_ms += 10
            await flow.pay(20, keys=3, span_ms=1, parts=(0,) if step % 2 else (1,))
            await flow.follow()
            row = flow.page("recent", TableQuery(words=("-0-1",))).rows
            if row and (not expected or expected[-1] != row[0].values):
                expected.append(row[0].values)
        found = key_history(flow.database, flow.keeper.layouts["recent"], "ÄcCt-0-1")
        assert [*zip(*found.values.values(), strict=True)] == expected
        assert [*found.values] == flow.names("recent")
        assert found.times_ms == sorted(found.times_ms)
        assert len(expected) == 3
        nobody = key_history(flow.database, flow.keeper.layouts["recent"], "nobody")
        assert nobody.times_ms == []
        assert not any(nobody.values.values())

    on_flow(work)


def test_points_are_bounded(on_flow, monkeypatch):
    """When more rows change than there is a budget for, each key gets a point every few times."""
    monkeypatch.setattr("pipeline.store.rows.points.POINTS_PER_S", 20)
    monkeypatch.setattr("pipeline.store.rows.points.POINTS_KEPT", 100)

    async def work(flow):
        for step in range(12):
            await flow.pay(200, keys=50, parts=(0,), span_ms=20)
            await flow.follow(seconds=1)
            kept = flow.database.read(f"SELECT count(*) FROM {flow.keeper.layouts['recent'].points}")[0][0]
            assert kept <= min(60 * (step + 1), 50)
        keys = flow.database.read(f"SELECT count(DISTINCT key) FROM {flow.keeper.layouts['recent'].points}")[0][0]
        assert keys > 15

    on_flow(work)
