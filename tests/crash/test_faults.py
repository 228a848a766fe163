"""Plans of faults."""

import pytest

from tests.crash.faults import Kind, make_plan


@pytest.mark.parametrize("seed", range(5))
def test_a_minute_has_every_fault_and_thirty_kills(seed):
    """Whatever the seed; and the same seed gives the same plan."""
    plan = make_plan(seed, 60, ttl_s=6)
    assert plan.kills >= 30
    assert {fault.kind for fault in plan.faults} == set(Kind)
    assert plan == make_plan(seed, 60, ttl_s=6)


def test_a_zombie_sleeps_for_longer_than_it_is_believed_to_live():
    """Else nobody would take its partitions, and a short stop would end after that."""
    faults = make_plan(1, 600, ttl_s=6).faults
    assert min(fault.hold_s for fault in faults if fault.kind is Kind.ZOMBIE) > 6
    assert max(fault.hold_s for fault in faults if fault.kind is Kind.STOP) < 6
