"""The TCP side of a TLS connection: what trio's SSLStream reads encrypted bytes from, and writes them to.

Owns: when a handshake may compute, and waiting for a client that does not read. Must not know: requests.

A handshake costs the event loop half a millisecond (key agreement and signature) as soon as its bytes have
been read, and happens before the client is known. So what arrives before its end waits for its turn
(priority.py): otherwise a hundred tablets that reconnect at once, or an attacker, would delay a mark by all
of their handshakes.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import trio

from appliance.server.connections.priority import MarkPriority


class TlsTransport(trio.abc.Stream):
    """`when_full`: called while the socket accepts nothing, instead of waiting for the kernel to give up; it
    may raise (http/sendfile.py). `instead`: takes bytes in the place of the socket (http/passthrough.py)."""

    def __init__(self, tcp: trio.SocketStream, priority: MarkPriority) -> None:
        self.tcp = tcp
        self.when_full: Callable[[], Awaitable[None]] | None = None
        self.instead: Callable[[bytes], None] | None = None
        self.waits_its_turn = False  # with bytes that are already read
        self._turn: Callable[[], Awaitable[None]] | None = priority.take_handshake

    @property
    def socket(self) -> trio.socket.SocketType:
        return self.tcp.socket

    def end_handshake(self) -> None:
        """The handshake is complete: from now on each request waits for a turn, not each read of bytes."""
        self._turn = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = await self.tcp.receive_some(max_bytes)
        if self._turn is not None and data:
            self.waits_its_turn = True
            await self._turn()
            self.waits_its_turn = False
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises what `when_full` raises, OSError when the connection is broken."""
        if self.instead is not None:
            self.instead(bytes(data))
            await trio.lowlevel.checkpoint()
            return
        if self.when_full is None:
            await self.tcp.send_all(data)
            return
        await trio.lowlevel.checkpoint()
        view = memoryview(data)
        while view:
            try:
                written = os.write(self.socket.fileno(), view)
            except BlockingIOError:
                await self.when_full()
            else:
                view = view[written:]

    async def wait_send_all_might_not_block(self) -> None:
        await self.tcp.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.tcp.aclose()
