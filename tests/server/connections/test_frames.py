"""The flood limit of WebSocket frames, before anything is parsed."""

from __future__ import annotations

from appliance.server.connections.frames import BURST, FRAMES_PER_S, FrameMeter
from tests.server.sockets import frame

PING = frame(b"", opcode=9)


def test_a_burst_passes_and_the_flood_behind_it_does_not() -> None:
    meter = FrameMeter()
    assert meter.take(PING * 10_000, 0.0) == int(BURST) * len(PING)
    assert meter.take(PING, 0.0) == 0
    assert meter.take(PING * 100, 1.0) == int(FRAMES_PER_S) * len(PING)


def test_frames_are_counted_wherever_the_reads_end() -> None:
    data = b"".join(frame(b"x" * size) for size in (0, 1, 125, 126, 300, 70_000)) + PING
    for step in (1, 2, 3, 7, 1000):
        meter = FrameMeter()
        meter._tokens = 7.0
        assert sum(meter.take(data[at : at + step], 0.0) for at in range(0, len(data), step)) == len(data)
        assert meter.take(PING, 0.0) == 0, "seven frames and no more"


def test_a_long_message_is_one_frame() -> None:
    meter = FrameMeter()
    for at in range(1000):
        data = frame(b"x" * 60_000)
        assert meter.take(data, at / FRAMES_PER_S) == len(data)
