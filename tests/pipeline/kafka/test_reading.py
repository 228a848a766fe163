"""Responses come out of the reader as they were sent, however the network cuts them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kafka.consuming import reading
from pipeline.kafka.consuming.reading import ResponseReader


class Socket(asyncio.Transport):
    """Counts how often it was stopped and started."""

    def __init__(self):
        super().__init__()
        self.stops = self.starts = 0

    def pause_reading(self):
        self.stops += 1

    def resume_reading(self):
        self.starts += 1


def fresh():
    reader = asyncio.StreamReader(limit=8)
    reader.set_transport(Socket())
    ResponseReader.adopt(reader)
    return reader


@given(st.binary(max_size=60), st.lists(st.integers(0, 20), max_size=12), st.lists(st.integers(0, 20), max_size=12))
def test_bytes_come_out_as_they_came_in(data, cuts, wanted):
    async def read():
        reader, got, at = fresh(), [], 0

        async def send():
            nonlocal at
            for cut in [*cuts, len(data)]:
                reader.feed_data(data[at : at + cut])
                at = min(len(data), at + cut)
                await asyncio.sleep(0)
            reader.feed_eof()

        sending, left = asyncio.create_task(send()), len(data)
        for count in wanted:
            if count > left:
                break
            got.append(await reader.readexactly(count))
            left -= count
        with pytest.raises(asyncio.IncompleteReadError) as error:
            await reader.readexactly(left + 1)
        await sending
        return got, error.value.partial

    got, rest = asyncio.run(read())
    assert b"".join(got) + rest == data
    assert [len(each) for each in got] == wanted[: len(got)]


def test_a_failure_reaches_who_waits_and_who_comes_later():
    async def fail():
        reader = fresh()
        waiting = asyncio.create_task(reader.readexactly(4))
        await asyncio.sleep(0)
        reader.set_exception(ConnectionResetError("gone"))
        with pytest.raises(ConnectionResetError):
            await waiting
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)

    asyncio.run(fail())


def test_a_socket_that_brings_too_much_is_stopped_until_more_is_wanted(monkeypatch):
    async def flood():
        monkeypatch.setattr(reading, "_LIMIT_BYTES", 10)
        reader = fresh()
        socket = reader._transport
        for _ in range(5):
            reader.feed_data(bytes(9))
        assert (socket.stops, socket.starts) == (1, 0)
        waiting = asyncio.create_task(reader.readexactly(46))
        await asyncio.sleep(0)
        assert socket.starts == 1
        reader.feed_data(b"x")
        assert await waiting == bytes(45) + b"x"

    asyncio.run(flood())
