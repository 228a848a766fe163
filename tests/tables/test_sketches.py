"""Unions of panes that leave one by one are those of all panes that stay, whatever came late and whenever restored."""

import datasketches
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.cells.distinct import Distinct
from tables.cells.sketches import Sketches, new_sketch


def union_of(sketches):
    union = datasketches.hll_union(12)
    for sketch in sketches:
        union.update(sketch)
    return union.get_result(datasketches.HLL_8)


@settings(max_examples=12)
@given(st.randoms(use_true_random=False))
def test_a_union_is_that_of_the_panes_that_stay(random):
    """``now`` is the newest pane; a record is up to five panes late, a window has six."""
    sketches, now, first = Sketches(), 100, 95
    panes, union = {}, new_sketch()
    for _ in range(300):
        step = random.random()
        if step < 0.65 or not panes:
            pane = now - random.randrange(6)
            panes.setdefault(pane, new_sketch())
            for value in random.sample(range(10**6), 20):
                panes[pane].update(value)
                union.update(value)
                assert sketches.add(pane, value) == round(union.get_estimate())
        elif step < 0.95:
            now, first = now + 1, first + 1
            gone = [pane for pane in panes if pane < first]
            if len(gone) == len(panes):  # then the key has no sketches any more
                sketches, panes, union = Sketches(), {}, new_sketch()
                continue
            assert sketches.leave(first) == gone
            panes = {pane: sketch for pane, sketch in panes.items() if pane >= first}
            union = union_of(panes.values()) if gone else union
        else:
            stored = {pane: new_sketch(sketch.serialize_compact()) for pane, sketch in sketches.panes.items()}
            sketches = Sketches(stored, new_sketch(sketches.union.serialize_compact()))
        assert sketches.estimate() == round(union.get_estimate())
    assert list(sketches.panes) == list(panes)


def filled(now: int) -> Distinct:
    """A key in sketches over two panes."""
    distinct = Distinct(6, 1024, sliding=True)
    distinct._large[-1, 7] = sketches = Sketches()
    for value in range(3_000):
        sketches.add(now - value % 2, value)
    distinct._note((-1, 7), sketches.panes)
    return distinct


def test_panes_are_stored_one_by_one():
    distinct = filled(100)
    assert sorted(distinct.take_dirty(0)) == ["sketch-pane/-1/7/100", "sketch-pane/-1/7/99", "sketch/-1/7"]
    assert distinct.take_dirty(0) == {}
    distinct.start_pane(100)
    stored = distinct.take_dirty(0)
    assert {name: slab is None for name, slab in stored.items()} == {"sketch-pane/-1/7/99": True, "sketch/-1/7": False}
    distinct.start_pane(101)
    assert distinct.take_dirty(0) == {"sketch-pane/-1/7/100": None, "sketch/-1/7": None}


def test_panes_that_were_stored_together_are_taken_in_and_stored_one_by_one():
    """State of a former version goes on."""
    distinct = filled(100)
    head = distinct.take_dirty(0)["sketch/-1/7"]
    sketches = distinct._large[-1, 7]
    extra = head.extra | {"panes": [(pane, sketch.serialize_compact()) for pane, sketch in sketches.panes.items()]}
    again = Distinct(6, 1024, sliding=True)
    again.load(type(head)(applied=0, extra=extra))
    again.settle()
    assert again.counts[0, 7] == sketches.estimate()
    assert sorted(again.take_dirty(0)) == ["sketch-pane/-1/7/100", "sketch-pane/-1/7/99"]
    again.start_pane(100)
    distinct.start_pane(100)
    assert again.counts[0, 7] == distinct.counts[0, 7] > 0
