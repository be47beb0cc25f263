"""Limits of one viewer of live pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from appliance.box.live.pictures.video import LiveVideo
from appliance.box.live.pictures.viewer import QUIET_S, TAKE_S, Dropped, Viewer
from appliance.box.live.protocol import BURST, PING_FRAME, CloseCode
from appliance.box.live.transport import TransportCallbacks
from appliance.kernel.signal import Signal
from tests.box.live.raw import RawClient, close_frame
from tests.kit.asgi import serving
from tests.kit.waiting import LIMIT_S
from tests.server.sockets import circles, frame, handshake


class Socket:
    """A transport whose client reads when `reads` is set. Controlled by the test."""

    hears_pongs = True

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.reads = trio.Event()

    async def accept(self, subprotocol: str | None, upcalls: TransportCallbacks) -> None:
        await trio.lowlevel.checkpoint()

    def offer(self, frames: bytes) -> bool:
        self.taken.append(frames)
        return True

    def probe(self) -> None:
        raise AssertionError

    def release(self) -> None:
        raise AssertionError

    async def flush(self) -> None:
        raise AssertionError

    async def write(self, payloads: Any) -> None:
        await self.write_binary(b"".join(payloads))

    async def write_binary(self, frame: bytes) -> None:
        await self.reads.wait()
        self.taken.append(frame)

    async def close(self, receive: Any, code: int, reason: str) -> None:
        raise AssertionError


async def test_a_viewer_that_does_not_read_is_dropped_in_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    viewer = Viewer(Socket())
    began_s = trio.current_time()
    with pytest.raises(Dropped):
        await viewer.show(b"x")
    assert trio.current_time() - began_s == TAKE_S


async def test_without_pictures_a_viewer_is_asked_whether_it_is_there(
    autojump_clock: trio.testing.MockClock,
) -> None:
    socket = Socket()
    viewer = Viewer(socket)
    for _ in range(3):
        viewer.probe_when_quiet()
    assert socket.taken == []
    await trio.sleep(QUIET_S + 0.1)
    for _ in range(3):
        viewer.probe_when_quiet()
    assert socket.taken == [PING_FRAME]


class Dark:
    """Footage of a camera that is off."""

    changed = Signal()

    def channel_ids(self) -> list[str]:
        return ["cam1"]

    def newest_view(self, channel_id: str) -> None:
        return None


@asynccontextmanager
async def watching() -> AsyncIterator[tuple[LiveVideo, int]]:
    """Live pictures of the camera that is off, and their port."""
    dark: Any = Dark()
    video = LiveVideo(dark, trio.CapacityLimiter(1), trio.Event())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await video.handle(scope, receive, send, {"channel_id": "cam1"})

    async with serving(app) as port:
        yield video, port


async def viewer_at(port: int) -> tuple[trio.SocketStream, bytes]:
    """A viewer after its handshake, and the messages it received."""
    client = await trio.open_tcp_stream("127.0.0.1", port)
    await client.send_all(handshake("/channels/cam1/live"))
    received = bytes(await client.receive_some(4096))
    assert received.startswith(b"HTTP/1.1 101 ")
    return client, received.partition(b"\r\n\r\n")[2]


async def all_left(video: LiveVideo) -> None:
    with trio.fail_after(LIMIT_S):
        while video.audience.count:  # noqa: ASYNC110  # the client end of a socket
            await trio.sleep(0.01)


@pytest.mark.parametrize(
    "message",
    [frame(b"hello", opcode=1), frame(b"", opcode=2), frame(b"", opcode=9), frame(b"x", opcode=9)],
    ids=["text", "empty", "ping", "ping with words"],
)
async def test_a_viewer_that_sends_too_much_is_closed_with_a_reason(message: bytes) -> None:
    async with watching() as (video, port):
        client, data = await viewer_at(port)
        await client.send_all(message * int(BURST * 30))
        with trio.fail_after(LIMIT_S):
            while (result := close_frame(data)) is None:
                part = await client.receive_some(65536)
                assert part, "ended without a reason"
                data += bytes(part)
        assert result[0] == CloseCode.PROTOCOL
        await trio.aclose_forcefully(client)
        await all_left(video)


async def test_viewers_leave_no_reference_cycles() -> None:
    async with watching() as (video, port):

        async def watch() -> None:
            client, _ = await viewer_at(port)
            await trio.aclose_forcefully(client)
            await all_left(video)

        assert await circles(watch) == []


async def test_the_talk_of_a_calm_viewer_is_ignored() -> None:
    async with watching() as (_, port):
        client, _ = await viewer_at(port)
        await client.send_all(frame(b"hello", opcode=1) * 10 + RawClient.frame(b"there?", opcode=9))
        with trio.fail_after(LIMIT_S):
            assert bytes(await client.receive_some(100)) == b"\x8a\x06there?"
        await trio.aclose_forcefully(client)
