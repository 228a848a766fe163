"""Responses come out of the reader as they were sent, however the network cuts them."""

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kafka.consuming import reading
from pipeline.kafka.consuming.reading import Frames, ResponseReader

sizes = st.one_of(st.integers(0, 30), st.sampled_from([65_531, 65_532, 65_536, 200_000]))
cuts = st.lists(st.one_of(st.integers(1, 9), st.sampled_from([60_000, 65_536, 150_000])), max_size=30)


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


def framed(*bodies):
    return b"".join(struct.pack(">i", len(body)) + body for body in bodies)


def feed(reader, data, cut, *, in_place):
    """Hand over at most ``cut`` bytes of ``data`` as a socket does, and return the rest."""
    if not in_place:
        reader.feed_data(data[:cut])
        return data[cut:]
    room = reader.frames.room()
    count = min(cut, len(room), len(data))
    room[:count] = data[:count]
    reader.feed_count(count)
    return data[count:]


@given(st.lists(sizes, max_size=6), cuts, st.booleans(), st.integers(0, 7))
def test_frames_come_out_as_they_came_in(lengths, cuts, in_place, more):
    """Whether a socket writes in place or hands its bytes over; a beginning that goes on no more is an error."""
    bodies = [bytes([65 + number]) * length for number, length in enumerate(lengths)]
    begun = framed(bytes(9))[:more]

    async def read():
        reader = fresh()

        async def send():
            data, sizes = framed(*bodies) + begun, iter(cuts)
            while data:
                data = feed(reader, data, next(sizes, 1 << 20), in_place=in_place)
                await asyncio.sleep(0)
            reader.feed_eof()

        sending, got = asyncio.create_task(send()), []
        for _ in bodies:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            got.append(await reader.readexactly(size))
        with pytest.raises(asyncio.IncompleteReadError) as error:
            await reader.readexactly(4)
        await sending
        return got, error.value.partial

    got, rest = asyncio.run(read())
    assert got == bodies
    assert all(type(body) is bytes for body in got)  # what the client shares without a copy
    assert rest == (begun if more < 4 else begun[4:])


def test_a_large_frame_is_received_into_its_place():
    """The socket is given all the room that is left, and the reader is woken once."""
    frames = Frames()
    frames.put(struct.pack(">i", 1 << 20) + b"abc")
    assert len(frames.room()) == (1 << 20) - 3
    frames.filled(100)
    assert not frames.sizes
    frames.filled((1 << 20) - 103)
    assert list(frames.sizes) == [1 << 20]
    assert len(frames.pop()) == 1 << 20
    assert not frames.sizes


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request", b"\xff\xfb\x01\xff\xfb\x03"])
def test_what_is_no_broker_is_told(greeting):
    async def greet():
        reader = fresh()
        reader.feed_data(greeting)
        with pytest.raises(ValueError, match="no Kafka broker"):
            await reader.readexactly(4)

    asyncio.run(greet())


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
            reader.feed_data(framed(bytes(9)))
        assert (socket.stops, socket.starts) == (1, 0)
        for _ in range(5):
            await reader.readexactly(4)
            assert await reader.readexactly(9) == bytes(9)
        waiting = asyncio.create_task(reader.readexactly(4))
        await asyncio.sleep(0)
        assert socket.starts == 1
        reader.feed_data(framed(b"x"))
        assert await waiting == framed(b"x")[:4]

    asyncio.run(flood())
