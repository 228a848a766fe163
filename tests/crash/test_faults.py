"""Plans of faults."""

import pytest

from tests.crash.faults import Kind, make_plan
from tests.crash.kafka.setting import PACE as KAFKA
from tests.crash.local.setting import PACE as LOCAL


@pytest.mark.parametrize("seed", range(5))
def test_a_minute_on_the_local_log_has_every_fault_and_thirty_kills(seed):
    """Whatever the seed; and the same seed gives the same plan. Nobody leaves for long, and the log is no process."""
    plan = make_plan(seed, 60, LOCAL, ttl_s=6)
    assert plan.kills >= 30
    assert {fault.kind for fault in plan.faults} == set(Kind) - {Kind.LEAVE}
    assert plan.outages == []
    assert plan == make_plan(seed, 60, LOCAL, ttl_s=6)


@pytest.mark.parametrize("seed", range(5))
def test_three_minutes_on_kafka_have_every_fault_and_outages(seed):
    """Whatever the seed; an outage is over before the load is."""
    plan = make_plan(seed, 180, KAFKA, ttl_s=6)
    assert plan.kills >= 12
    assert {fault.kind for fault in plan.faults} == set(Kind)
    assert len(plan.outages) >= 3
    assert max(outage.at_s + outage.away_s for outage in plan.outages) < 180


@pytest.mark.parametrize("pace", [LOCAL, KAFKA])
def test_a_zombie_sleeps_for_longer_than_it_is_believed_to_live(pace):
    """Else nobody would take its partitions, and a short stop would end after that."""
    faults = make_plan(1, 600, pace, ttl_s=6).faults
    assert min(fault.hold_s for fault in faults if fault.kind is Kind.ZOMBIE) > 6
    assert max(fault.hold_s for fault in faults if fault.kind is Kind.STOP) < 6


def test_only_the_worker_that_comes_late_leaves_for_a_while():
    """The others are what the group lives by."""
    faults = make_plan(1, 600, KAFKA, ttl_s=6).faults
    assert {fault.worker for fault in faults if fault.kind is Kind.LEAVE} == {2}
