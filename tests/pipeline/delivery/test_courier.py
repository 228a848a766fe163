"""Attempts, waits and the circuit, in virtual time."""

import asyncio

import pytest

from pipeline.delivery import Destination, File
from pipeline.delivery.courier import Courier
from pipeline.errors import DeliveryError, RefusedError
from tests.pipeline.delivery.given import Clock, message


class Told:
    """Does with each attempt what is told; the ids that it was given."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.ids = []

    async def send(self, given):
        self.ids.append(given.id)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome


def away():
    return DeliveryError("away")


def deliver(sender, *, messages=1, **settings):
    """Outcomes of so many messages, and the clock."""
    clock = Clock()

    async def work():
        destination = Destination(name="d", target=File(path=""), **settings)
        courier = Courier(destination, sender, sleep=clock.sleep, now=lambda: clock.now)
        return [await courier.deliver(message(n)) for n in range(messages)]

    return asyncio.run(work()), clock


def test_what_is_taken_at_once_waits_for_nothing():
    """One attempt, no sleep."""
    told = Told()
    outcomes, clock = deliver(told, messages=3)
    assert (outcomes, clock.slept, len(set(told.ids))) == ([None] * 3, [], 3)


def test_attempts_wait_twice_as_long_each_time_with_a_random_part():
    """Waits double up to the bound, plus at most one first wait; each attempt carries the same id."""
    told = Told(*(away() for _ in range(6)))
    outcomes, clock = deliver(told, wait_ms=1_000, longest_wait_ms=8_000, failures=100)
    assert outcomes == [None]
    assert len(set(told.ids)) == 1
    for slept, least in zip(clock.slept, [1, 2, 4, 8, 8, 8], strict=True):
        assert least <= slept <= min(least + 1, 8)
    assert len(set(clock.slept[:3])) == 3


def test_who_asks_to_be_left_alone_is():
    """The longer of both waits counts, an hour at most."""
    told = Told(DeliveryError("busy", wait_s=90), DeliveryError("busy", wait_s=1e9), DeliveryError("busy", wait_s=0.1))
    outcomes, clock = deliver(told, wait_ms=1_000, longest_wait_ms=8_000, failures=100)
    assert outcomes == [None]
    assert clock.slept[:2] == [90, 3_600]
    assert 4 <= clock.slept[2] <= 5


def test_after_its_attempts_a_message_is_given_up_with_the_reason():
    """The last error is the reason; the next message has its own attempts."""
    told = Told(*(DeliveryError(f"no {n}") for n in range(3)))
    outcomes, _ = deliver(told, messages=2, attempts=3, failures=100)
    assert outcomes == [(3, "no 2"), None]


def test_a_refusal_is_not_tried_again_and_does_not_open_the_circuit():
    """It is about the message; the destination is well."""
    told = Told(*(RefusedError("bad") for _ in range(5)))
    outcomes, clock = deliver(told, messages=6, failures=2)
    assert outcomes == [(1, "bad")] * 5 + [None]
    assert clock.slept == []


def test_the_circuit_opens_over_messages_and_lets_one_attempt_through_each_pause():
    """Failures in a row count across messages; open, there is one attempt each pause; a success closes it."""
    told = Told(*(away() for _ in range(5)))
    outcomes, clock = deliver(told, messages=4, attempts=2, wait_ms=1, longest_wait_ms=1, failures=3, pause_ms=60_000)
    assert [outcome is None for outcome in outcomes] == [False, False, True, True]
    pauses = [slept for slept in clock.slept if slept > 1]
    # attempts 1-3 fail and open it; 4 and 5 come a pause later each, 6 succeeds after another; then it is closed
    assert pauses == pytest.approx([60, 60, 60], abs=0.01)


def test_a_destination_that_hangs_is_left_after_the_time_out():
    """No answer is a failure like any other."""

    class Hangs:
        async def send(self, given):
            await asyncio.Event().wait()

    outcomes, _ = deliver(Hangs(), attempts=1, timeout_ms=20)
    assert outcomes == [(1, "no answer within 20 ms")]


def test_a_sender_that_breaks_gives_one_message_up(caplog):
    """Whatever a sender raises, others go on."""
    told = Told(KeyError("x"))
    outcomes, _ = deliver(told, messages=2, attempts=1)
    assert outcomes == [(1, "unexpected KeyError: 'x'"), None]
    assert "KeyError" in caplog.text


def test_a_rate_bounds_messages():
    """The messages of a minute go at once, each further one waits for its share of a minute."""

    async def work():
        told = Told()
        courier = Courier(Destination(name="d", target=File(path=""), per_minute=300), told)
        loop = asyncio.get_running_loop()
        started = loop.time()
        for n in range(303):
            await courier.deliver(message(n))
        return loop.time() - started, len(set(told.ids))

    took_s, delivered = asyncio.run(work())
    assert took_s >= 0.59  # three of them, a fifth of a second each
    assert delivered == 303
