"""How bytes reach one WebSocket client: the interface, and its plain ASGI form.

Owns: writing and closing. Must not know: events, cursors, commands. live/direct.py is the fast form; both
keep the same promises and pass the same tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import h11
import trio

from appliance.http.api import Receive, Send
from appliance.live.protocol import payload_of, short_reason

CLOSE_GRACE_S = 2.0  # for the close frame to leave and the client to answer it


class Gone(Exception):
    """The connection has ended underneath: nothing more can be written."""


@dataclass(frozen=True, slots=True)
class Upcalls:
    """What a transport tells its client. All are called on the trio thread and return at once."""

    heard: Callable[[], None]  # bytes came in, pongs included
    control: Callable[[], bool]  # the client sent a ping frame; False: it floods, do not answer
    refuse: Callable[[str], None]  # the client broke the protocol
    wake: Callable[[], None]  # there is something to flush


class Transport(Protocol):
    """One accepted connection. One task at a time calls write and flush."""

    hears_pongs: bool  # False: only messages prove life, not the pongs every client sends by itself

    async def accept(self, subprotocol: str | None, upcalls: Upcalls) -> None:
        """Finish the handshake. Raises Gone."""
        ...

    def offer(self, frames: bytes) -> bool:
        """Take finished frames now, without waiting; False: not taken, use write. Raises Gone."""
        ...

    def probe(self) -> None:
        """Send a ping with the next bytes, where pongs can be heard."""
        ...

    async def flush(self) -> None:
        """Wait until everything taken has left. Raises Gone."""
        ...

    async def write(self, payloads: Sequence[bytes]) -> None:
        """Send JSON texts, one message each; always a checkpoint. Raises Gone."""
        ...

    async def write_binary(self, frame: bytes) -> None:
        """Send one finished binary frame (`binary_frame`), without a copy if possible. Raises Gone."""
        ...

    def release(self) -> None:
        """The client is over: forget it, so that its memory is free at once."""
        ...

    async def close(self, receive: Receive, code: int, reason: str) -> None:
        """Say why, give the client CLOSE_GRACE_S to answer, end the connection."""
        ...


class PlainTransport:
    """Nothing but the ASGI specification. A blocked send is released by the listener's TCP_USER_TIMEOUT."""

    hears_pongs = False

    def __init__(self, send: Send) -> None:
        self._send = send

    async def accept(self, subprotocol: str | None, upcalls: Upcalls) -> None:
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
        raise Gone("the client sent data before the handshake was over") from error


async def until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
