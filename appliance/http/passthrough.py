"""The objects under an ASGI `send`: hypercorn 0.18's, down to the TCP socket.

Owns: the one walk from `send` to the socket, and the check that these internals are the expected ones.
Anything else (another version, HTTP/2, another server, a test; TLS, unless the caller permits it) gives
None, and the caller uses plain ASGI. Used by http/sendfile.py, http/requests.py, server/endpoint.py and
box/live/hypercorn_transport.py; no other module may use these internals.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import trio
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.tcp_server import TCPServer

KNOWN_HYPERCORN = "0.18.0"


@dataclass(frozen=True, slots=True)
class Wire:
    """One HTTP/1.1 connection: `stream` implements ASGI, `protocol` HTTP, `tcp` owns the socket."""

    stream: Any  # HTTPStream or WSStream
    protocol: Any  # H11Protocol
    tcp: Any  # TCPServer

    @property
    def socket(self) -> trio.socket.SocketType:
        carrier = self.tcp.stream.transport_stream if self.is_encrypted else self.tcp.stream
        connection: trio.socket.SocketType = carrier.socket
        return connection

    @property
    def is_encrypted(self) -> bool:
        """Bytes must be written by `send_encrypted`, or to the socket after `encrypt`."""
        return isinstance(self.tcp.stream, trio.SSLStream)

    async def send_encrypted(self, data: bytes, when_full: Callable[[], Awaitable[None]]) -> None:
        """Encrypt at once, then write; `when_full` waits while the socket accepts nothing. Raises what it
        raises, and errors of the socket: then the connection cannot be used any more."""
        transport = self.tcp.stream.transport_stream
        transport.when_full = when_full
        try:
            await self.tcp.stream.send_all(data)
        finally:
            transport.when_full = None

    def encrypt(self, data: bytes) -> bytes:
        """What to write to the socket for `data`, in one piece and in this order; the caller writes all of it
        before anything else is sent. Raises ssl.SSLError."""
        stream, left = self.tcp.stream, memoryview(data)
        while left:  # one TLS record, of 16 KiB, in each turn
            left = left[stream._ssl_object.write(left) :]
        sealed: bytes = stream._outgoing.read()
        return sealed

    def take_over_writing(self, write: Callable[[bytes], None] | None) -> None:
        """What TLS itself sends from now on (a change of keys) goes through `write`; None: as before."""
        self.tcp.stream.transport_stream.instead = write

    @property
    def is_websocket(self) -> bool:
        return isinstance(self.stream, WSStream)

    def let_body_be_long(self) -> None:
        """The limit of time of this request's body begins again with each of its bytes."""
        self.protocol.is_long_body = True

    async def abort(self) -> None:
        """Close the socket at once. Every task that waits on it, also in hypercorn, is released."""
        await trio.aclose_forcefully(self.tcp.stream)


@cache
def is_known_hypercorn() -> bool:
    try:
        return version("hypercorn") == KNOWN_HYPERCORN
    except PackageNotFoundError:
        return False


def wire_of(send: object, *, encrypted: bool = False) -> Wire | None:
    """The connection behind `send`, or None when it is not exactly the expected one. `encrypted`: one with
    TLS is expected too.

    A wrapper around hypercorn's `send` is followed when it sets `__wrapped__` (functools.wraps does).
    """
    while (inner := getattr(send, "__wrapped__", None)) is not None:
        send = inner
    stream = getattr(send, "__self__", None)
    if not is_known_hypercorn() or not isinstance(stream, HTTPStream | WSStream):
        return None
    protocol = getattr(stream.send, "__self__", None)
    if not isinstance(protocol, H11Protocol):
        return None
    tcp: Any = getattr(protocol.send, "__self__", None)
    if not isinstance(tcp, TCPServer) or not isinstance(tcp.send_lock, trio.Lock):
        return None
    carrier: Any = getattr(tcp, "stream", None)
    is_tls = (
        encrypted
        and isinstance(carrier, trio.SSLStream)
        and hasattr(carrier.transport_stream, "when_full")
        and hasattr(carrier, "_ssl_object")
        and hasattr(carrier, "_outgoing")  # trio's, read and written by `encrypt`
    )
    if not is_tls and not isinstance(carrier, trio.SocketStream):
        return None
    return Wire(stream, protocol, tcp)
