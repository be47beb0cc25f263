"""The named attacks. Each runs against a target for some seconds, and leaves nothing of its own behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import trio

from tests.attacks.raw import raw_bytes
from tests.attacks.target import Target, close_all

Attack = Callable[[Target, Random, float], Awaitable[object]]

SILENT = 1100  # more than the box allows
BACK_S = 0.3  # delay before a closed client reconnects
VIEWERS = 300
UNREAD_BUFFER = 2048
PING = b"\x89\x80\0\0\0\0"
PIECE = b"\x00\x81\0\0\0\0x"  # a byte of a message that never ends
NOTHING = b"\x82\x80\0\0\0\0"  # a complete message of no bytes


async def one_byte_behind(target: Target, rnd: Random, seconds: float) -> None:
    """The packet that once ended the daemon, repeatedly."""
    kinds = [
        target.request("/time") + b"X",
        target.request("/time").replace(b"HTTP/1.1", b"HTTP/1.0") + b"X",
        target.request("/snapshot") + target.request("/time"),
        target.request("/sessions", "POST", b"{}") + b"\0",
    ]

    async def sender(dice: Random) -> None:
        while True:
            await _send_and_leave(target, dice.choice(kinds), read=dice.random() < 0.5)

    await _many(sender, rnd, seconds, 16)


async def silent_sockets(target: Target, rnd: Random, seconds: float) -> None:
    """Connections that never send anything, reopened when they are closed."""
    await _crowd(target, SILENT, b"", seconds)


async def storm(target: Target, rnd: Random, seconds: float) -> None:
    """The same from one address, reconnecting at once: clients of other addresses must not lose their
    place."""

    async def caller(dice: Random) -> None:
        while True:
            try:
                stream = await target.connect(as_stranger=True)
                try:
                    await stream.receive_some(1)
                finally:
                    stream.socket.close()
            except (OSError, trio.BrokenResourceError):
                await trio.lowlevel.checkpoint()

    await _many(caller, rnd, seconds, SILENT)


async def half_headers(target: Target, rnd: Random, seconds: float) -> None:
    """Connections that start a request and stop."""
    await _crowd(target, SILENT, b"GET /time HTTP/1.1\r\nHo", seconds)


async def kept_connections(target: Target, rnd: Random, seconds: float) -> None:
    """Connections that make one request and then keep their place."""
    await _crowd(target, SILENT, target.request("/time", keep=True), seconds)


async def slow_bodies(target: Target, rnd: Random, seconds: float) -> None:
    """Bodies that arrive a byte at a time."""
    head = target.request("/sessions", "POST", b"{" + b" " * 999)[:-999]

    async def dripper(dice: Random) -> None:
        async with _connected(target) as stream:
            await stream.send_all(head)
            while True:
                await trio.sleep(0.1)
                await stream.send_all(b" ")

    await _many(_again(dripper), rnd, seconds, 100)


async def endless_bodies(target: Target, rnd: Random, seconds: float) -> None:
    """Endless uploads, by length and in chunks."""
    lengths = target.request("/sessions", "POST", b"x").replace(
        b"Content-Length: 1", b"Content-Length: 1000000000"
    )
    chunks = lengths.replace(b"Content-Length: 1000000000", b"Transfer-Encoding: chunked")[:-1]
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"

    async def uploader(dice: Random) -> None:
        async with _connected(target) as stream:
            await stream.send_all(dice.choice((lengths, chunks)))
            for _ in range(200):
                await stream.send_all(chunk)

    await _many(_again(uploader), rnd, seconds, 8)


async def unread_viewers(target: Target, rnd: Random, seconds: float) -> None:
    """Viewers of live pictures that complete the handshake and never read."""
    await _crowd(
        target, VIEWERS, target.handshake("/channels/cam1/live"), seconds, receive_buffer=UNREAD_BUFFER
    )


async def unread_downloads(target: Target, rnd: Random, seconds: float) -> None:
    """Large answers that are never read."""
    data = target.request("/openapi.json", keep=True) * 20
    await _crowd(target, VIEWERS, data, seconds, receive_buffer=UNREAD_BUFFER)


async def leaves_in_line(target: Target, rnd: Random, seconds: float) -> None:
    """Clients that request much, several requests per packet, and disconnect."""
    data = target.request("/openapi.json", keep=True) * 20

    async def leaver(dice: Random) -> None:
        async with _connected(target, UNREAD_BUFFER) as stream:
            await stream.send_all(data)
            await stream.receive_some(1)

    await _many(_again(leaver), rnd, seconds, 16)


async def unread_sockets(target: Target, rnd: Random, seconds: float) -> None:
    """Tablets that complete the handshake, send many commands and never read."""
    data = target.handshake("/ws?since=0")
    await _crowd(target, VIEWERS, data, seconds, receive_buffer=UNREAD_BUFFER)


async def ping_flood(target: Target, rnd: Random, seconds: float) -> None:
    await _socket_flood(target, rnd, seconds, "/ws", PING)


async def viewer_flood(target: Target, rnd: Random, seconds: float) -> None:
    await _socket_flood(target, rnd, seconds, "/channels/cam1/live", NOTHING)


async def viewer_ping_flood(target: Target, rnd: Random, seconds: float) -> None:
    await _socket_flood(target, rnd, seconds, "/channels/cam1/live", PING)


async def piece_flood(target: Target, rnd: Random, seconds: float) -> None:
    """A message in fragments of one byte."""
    await _socket_flood(target, rnd, seconds, "/ws", PIECE, first=b"\x01\x80\0\0\0\0")


async def snapshot_crowd(target: Target, rnd: Random, seconds: float) -> None:
    """Two hundred tablets load everything at the same moment, repeatedly."""

    async def tablet(dice: Random) -> None:
        while True:
            await _send_and_leave(target, target.request("/snapshot"), read=True)

    await _many(tablet, rnd, seconds, 200)


async def hostile_json(target: Target, rnd: Random, seconds: float) -> None:
    bodies = [
        b"[" * 20_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"name":"x","type":"game","week":1' + b"0" * 60_000 + b"}",
        b'{"' + b"k" * 60_000 + b'":1}',
        b'{"name":' + b'["x"],' * 9_000 + b"1}",
        b'{"session_id":"' + b"\\u0000" * 10_000 + b'"}',
    ]

    async def sender(dice: Random) -> None:
        while True:
            path = dice.choice(("/sessions", "/clips", "/plays", "/tags", "/channels/cam1/heartbeat"))
            await _send_and_leave(target, target.request(path, "POST", dice.choice(bodies)), read=True)

    await _many(sender, rnd, seconds, 8)


ATTACKS: dict[str, Attack] = {
    "raw_bytes": raw_bytes,
    "one_byte_behind": one_byte_behind,
    "silent_sockets": silent_sockets,
    "storm": storm,
    "half_headers": half_headers,
    "kept_connections": kept_connections,
    "slow_bodies": slow_bodies,
    "endless_bodies": endless_bodies,
    "unread_viewers": unread_viewers,
    "unread_downloads": unread_downloads,
    "leaves_in_line": leaves_in_line,
    "unread_sockets": unread_sockets,
    "ping_flood": ping_flood,
    "viewer_flood": viewer_flood,
    "viewer_ping_flood": viewer_ping_flood,
    "piece_flood": piece_flood,
    "snapshot_crowd": snapshot_crowd,
    "hostile_json": hostile_json,
}


# -- building blocks ----------------------------------------------------------------------------------------


async def _many(client: Callable[[Random], Awaitable[None]], rnd: Random, seconds: float, count: int) -> None:
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(client, Random(rnd.random()))


def _again(client: Callable[[Random], Awaitable[None]]) -> Callable[[Random], Awaitable[None]]:
    async def repeated(dice: Random) -> None:
        while True:
            try:
                await client(dice)
            except (OSError, trio.BrokenResourceError):
                await trio.sleep(0.01)

    return repeated


@asynccontextmanager
async def _connected(target: Target, receive_buffer: int | None = None) -> AsyncIterator[trio.SocketStream]:
    stream = await target.connect(receive_buffer)
    try:
        yield stream
    finally:
        stream.socket.close()


async def _send_and_leave(target: Target, data: bytes, *, read: bool) -> None:
    try:
        async with _connected(target) as stream:
            await stream.send_all(data)
            while read and await stream.receive_some(1 << 16):
                pass
    except (OSError, trio.BrokenResourceError):
        await trio.sleep(0.01)


async def _crowd(
    target: Target, count: int, data: bytes, seconds: float, *, receive_buffer: int | None = None
) -> None:
    """`count` connections that send this and nothing more; a closed one reconnects a moment later."""
    streams: list[trio.SocketStream] = []

    async def hold(dice: Random) -> None:
        stream = await target.connect(receive_buffer)
        streams.append(stream)
        try:
            await stream.send_all(data)
            if receive_buffer is not None:
                await trio.sleep_forever()
            while await stream.receive_some(4096):
                pass
        finally:
            streams.remove(stream)
            stream.socket.close()
        await trio.sleep(BACK_S)

    try:
        await _many(_again(hold), Random(count), seconds, count)
    finally:
        await close_all(streams)


async def _socket_flood(
    target: Target, rnd: Random, seconds: float, path: str, frame: bytes, *, first: bytes = b""
) -> None:
    """WebSocket clients that send small frames as fast as they can."""
    flood = frame * (60_000 // len(frame))

    async def flooding(dice: Random) -> None:
        async with _connected(target) as stream:
            await stream.send_all(target.handshake(path))
            answer = b""
            while b"\r\n\r\n" not in answer:
                part = await stream.receive_some(4096)
                if not part:
                    await trio.sleep(0.01)
                    return
                answer += part
            if not answer.startswith(b"HTTP/1.1 101"):
                await trio.sleep(0.01)
                return
            await stream.send_all(first)
            for _ in range(100):
                await stream.send_all(flood)

    await _many(_again(flooding), rnd, seconds, 8)
