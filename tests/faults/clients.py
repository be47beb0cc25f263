"""Malicious or broken clients, and the process figures they must not change."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.box.live.raw import RawClient, close_frame
from tests.kit.running import Box

PAGE = os.sysconf("SC_PAGE_SIZE")


class BareTablet(RawClient):
    """A socket after its handshake with the real box, which accepts its own address."""

    @staticmethod
    def handshake(query: str) -> bytes:
        return RawClient.handshake(query).replace(b"Host: box", b"Host: 127.0.0.1")

    async def say_long(self, payload: bytes) -> None:
        """One masked text frame of up to 64 KiB."""
        await self.stream.send_all(b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload)

    async def ended(self) -> int | None:
        """The code of the close frame; None: the connection ended without one."""
        while (result := close_frame(self.data)) is None:
            part = await self.stream.receive_some(65536)
            if not part:
                return None
            self.data += bytes(part)
        return result[0]


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def port_of(box: Box) -> int:
    return int(box.url.rpartition(":")[2])


async def drip(port: int, request: bytes, every_s: float) -> None:
    """One byte at intervals until the box ends it."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream, trio.open_nursery() as nursery:

        async def until_cut() -> None:
            try:
                while await stream.receive_some(4096):
                    pass
            except trio.BrokenResourceError:
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(until_cut)
        try:
            for byte in request:
                await stream.send_all(bytes([byte]))
                await trio.sleep(every_s)
            await trio.sleep_forever()
        except trio.BrokenResourceError:
            nursery.cancel_scope.cancel()


async def pour(port: int, head: bytes, chunk: bytes, limit_bytes: int) -> tuple[int, bytes]:
    """Send `head`, then `chunk` repeatedly up to `limit_bytes`; returns the accepted bytes and the answer."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    sent, received = 0, bytearray()
    async with stream, trio.open_nursery() as nursery:

        async def listen() -> None:
            try:
                while part := await stream.receive_some(65536):
                    received.extend(part)
            except trio.BrokenResourceError:
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(listen)
        try:
            await stream.send_all(head)
            while sent < limit_bytes:
                await stream.send_all(chunk)
                sent += len(chunk)
        except trio.BrokenResourceError:
            nursery.cancel_scope.cancel()
    return sent, bytes(received)


@asynccontextmanager
async def stuck_tablets(box: Box, count: int) -> AsyncIterator[None]:
    """WebSocket clients that complete the handshake and never read again."""
    clients = [await BareTablet.connect(port_of(box), receive_buffer=4096) for _ in range(count)]
    try:
        yield
    finally:
        for client in clients:
            await trio.aclose_forcefully(client.stream)


async def flood(box: Box, frames: int) -> int:
    """A client that sends faster than allowed; returns the close code it reads."""
    client = await BareTablet.connect(port_of(box))
    try:
        for number in range(frames):
            await client.say(b'{"type":"ping","id":%d}' % number)
    except trio.BrokenResourceError:
        pass  # disconnected while it was still sending
    code, _ = await client.read_to_close()
    await trio.aclose_forcefully(client.stream)
    return code
