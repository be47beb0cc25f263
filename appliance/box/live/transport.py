"""How bytes reach one WebSocket client: the interface, and its plain ASGI implementation.

Owns: writing and closing. Must not know: events, cursors, commands. live/hypercorn_transport.py is the fast
implementation; both guarantee the same and pass the same tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import h11
import trio

from appliance.box.live.protocol import payload_of, short_reason
from appliance.http.api import Receive, Send

CLOSE_GRACE_S = 2.0  # seconds for the close frame to be sent and answered


class Disconnected(Exception):
    """The connection has ended: nothing more can be written."""


@dataclass(frozen=True, slots=True)
class TransportCallbacks:
    """Callbacks from a transport to its client. All are called on the trio thread and return at once."""

    heard: Callable[[], None]  # bytes came in, pongs included
    control: Callable[[], bool]  # the client sent a ping frame; False: it floods, do not answer
    refuse: Callable[[str], None]  # the client broke the protocol
    wake: Callable[[], None]  # there is something to flush


class Transport(Protocol):
    """One accepted connection. One task at a time calls write and flush."""

    # False: only messages prove that the client is alive, not the pongs that clients send automatically
    hears_pongs: bool

    async def accept(self, subprotocol: str | None, upcalls: TransportCallbacks) -> None:
        """Finish the handshake. Raises Disconnected."""
        ...

    def offer(self, frames: bytes) -> bool:
        """Accept finished frames now, without waiting; False: refused, use write. Raises Disconnected."""
        ...

    def probe(self) -> None:
        """Send a ping with the next bytes, if pongs can be received."""
        ...

    async def flush(self) -> None:
        """Wait until everything accepted was sent. Raises Disconnected."""
        ...

    async def write(self, payloads: Sequence[bytes]) -> None:
        """Send JSON texts, one message each; always a checkpoint. Raises Disconnected."""
        ...

    async def write_binary(self, frame: bytes) -> None:
        """Send one finished frame (`binary_frame`), without a copy if possible. Raises Disconnected."""
        ...

    def release(self) -> None:
        """The client has left: drop references, so that its memory is freed at once."""
        ...

    async def close(self, receive: Receive, code: int, reason: str) -> None:
        """Send the reason, give the client CLOSE_GRACE_S to answer, end the connection."""
        ...


class PlainTransport:
    """Uses only the ASGI specification. A blocked send is released by the listener's TCP_USER_TIMEOUT."""

    hears_pongs = False

    def __init__(self, send: Send) -> None:
        self._send = send

    async def accept(self, subprotocol: str | None, upcalls: TransportCallbacks) -> None:
        await send_accept(self._send, subprotocol)

    def offer(self, frames: bytes) -> bool:
        return False

    def probe(self) -> None:
        pass

    async def flush(self) -> None:
        pass

    def release(self) -> None:
        pass

    async def write(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            await self._send({"type": "websocket.send", "text": payload.decode()})
            await (
                trio.lowlevel.checkpoint()
            )  # a send to a client that has gone is none: it would freeze the box

    async def write_binary(self, frame: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": payload_of(frame)})
        await trio.lowlevel.checkpoint()

    async def close(self, receive: Receive, code: int, reason: str) -> None:
        with trio.move_on_after(CLOSE_GRACE_S, shield=True):
            await self._send({"type": "websocket.close", "code": code, "reason": short_reason(reason)})
            await until_disconnect(receive)


async def send_accept(send: Send, subprotocol: str | None) -> None:
    try:
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
    except h11.LocalProtocolError as error:
        raise Disconnected("the client sent data before the handshake was over") from error


async def until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
