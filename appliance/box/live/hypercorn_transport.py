"""The fast transport of a WebSocket client: finished frames written directly to hypercorn's socket.

Owns: everything that depends on hypercorn 0.18's WSStream. Measured: 200 clients at 500 events/s cost a third
of a core, where plain ASGI reaches its limit at 120 events/s. Hypercorn still does the handshake and the
reads; everything it would write (pongs, close frames) is taken over, so that no other code writes to the
socket between two halves of a frame. Over TLS the frames are encrypted at once and the result is written in
the same way; what TLS itself has to send goes behind it.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import trio
from wsproto.events import CloseConnection, Pong
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from appliance.box.live.protocol import FLOOD, PING_FRAME, TOO_LARGE, CloseCode, short_reason, text_frame
from appliance.box.live.transport import (
    CLOSE_GRACE_S,
    Disconnected,
    TransportCallbacks,
    send_accept,
    until_disconnect,
)
from appliance.http.api import Receive, Send
from appliance.http.passthrough import Wire, wire_of

SEND_BUFFER_BYTES = 128 * 1024  # the kernel's send buffer for one client; Linux doubles it
CLOSING_BUFFER_BYTES = 256 * 1024  # space for the last frames to a client that does not read
CONTROL_BYTES_MAX = 4096  # bytes of pongs that wait for a full socket; more are dropped


NO_UPCALLS = TransportCallbacks(lambda: None, lambda: False, lambda why: None, lambda: None)


class HypercornTransport:
    """See Transport. `_rest` is what the socket has not accepted yet, encrypted where TLS is on; it always
    ends at a frame's end."""

    hears_pongs = True

    def __init__(self, wire: Wire, send: Send, encrypt: Callable[[bytes], bytes] | None = None) -> None:
        self._wire = wire
        self._send = send
        self._encrypt = encrypt
        self._rest = memoryview(b"")
        self._control = b""
        self._probing = False
        self._closed = False
        self._said_goodbye = False
        self._upcalls = NO_UPCALLS

    @classmethod
    def behind(cls, send: Send) -> HypercornTransport | None:
        """A transport when `send` belongs to the supported hypercorn, else None."""
        wire = wire_of(send, encrypted=True)
        if wire is None or not wire.is_websocket:
            return None
        return cls(wire, send, wire.encrypt if wire.is_encrypted else None)

    async def accept(self, subprotocol: str | None, upcalls: TransportCallbacks) -> None:
        stream = self._wire.stream
        stream.handshake.extensions = None  # no compression: it would need one frame per client, and CPU
        await send_accept(self._send, subprotocol)
        self._upcalls = upcalls
        self._limit_buffer(SEND_BUFFER_BYTES)
        if self._encrypt is not None:
            self._wire.take_over_writing(self._append)
        stream.handle = self._heard_by(stream.handle)
        stream._send_wsproto_event = self._take_over
        self._wire.tcp.when_flooded = lambda: self._upcalls.refuse(FLOOD)

    def offer(self, frames: bytes) -> bool:
        if self._said_goodbye:
            raise Disconnected("nothing may follow a close frame")
        if self._rest or self._control:
            return False
        self._rest = self._sealed(frames)
        self._push()
        return True

    def probe(self) -> None:
        self._probing = True

    async def flush(self) -> None:
        while self._rest or self._control:
            if not self._rest:
                self._rest, self._control = self._sealed(self._control), b""
            self._push()
            if self._rest:
                await self._writable()

    async def write(self, payloads: Sequence[bytes]) -> None:
        frames = b"".join(map(text_frame, payloads))
        if self._probing:
            self._probing, frames = False, PING_FRAME + frames
        await self.write_binary(frames)

    async def write_binary(self, frame: bytes) -> None:
        await self.flush()
        self.offer(frame)
        await self.flush()
        await trio.lowlevel.checkpoint()

    async def close(self, receive: Receive, code: int, reason: str) -> None:
        """The frame goes behind the waiting data, into a send buffer enlarged for it: a client that stopped
        reading gets the code when it reads again, and nothing here waits for it."""
        with trio.move_on_after(CLOSE_GRACE_S, shield=True):
            try:
                self._end_hypercorns_side()
                connection = getattr(self._wire.stream, "connection", None)
                if connection is None:
                    raise Disconnected("it left before its handshake was answered")
                self._control += connection.send(CloseConnection(code, short_reason(reason)))
                self._said_goodbye = True
                self._limit_buffer(CLOSING_BUFFER_BYTES)
                await self.flush()
                await until_disconnect(receive)
            except (Disconnected, OSError, LocalProtocolError):
                pass  # it has left, or has closed first
        self._closed = True
        if self._rest or self._control:
            with trio.CancelScope(shield=True):
                await self._wire.abort()

    def release(self) -> None:
        self._closed = True
        self._upcalls = NO_UPCALLS
        self._wire.tcp.when_flooded = None
        if self._encrypt is not None:
            self._wire.take_over_writing(None)

    # -- the socket ------------------------------------------------------------------------------

    def _sealed(self, frames: bytes) -> memoryview:
        """Raises Disconnected."""
        if self._encrypt is None:
            return memoryview(frames)
        try:
            return memoryview(self._encrypt(frames))
        except ssl.SSLError as error:
            raise Disconnected(str(error)) from error

    def _append(self, data: bytes) -> None:
        """Bytes of TLS itself: records keep the order in which they were encrypted."""
        self._rest = memoryview(bytes(self._rest) + data)
        self._upcalls.wake()

    def _push(self) -> None:
        """Write what the socket accepts now. Raises Disconnected."""
        try:
            written = os.write(self._wire.socket.fileno(), self._rest)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._rest, self._control = memoryview(b""), b""
            raise Disconnected(str(error)) from error
        self._rest = self._rest[written:]
        if self._rest:
            self._upcalls.wake()

    def _limit_buffer(self, size: int) -> None:
        try:
            self._wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        except OSError:
            pass  # closed already: the next write raises

    async def _writable(self) -> None:
        try:
            await trio.lowlevel.wait_writable(self._wire.socket)
        except (trio.ClosedResourceError, trio.BusyResourceError, OSError) as error:
            raise Disconnected(str(error)) from error

    # -- hypercorn -------------------------------------------------------------------------------

    def _heard_by(self, handle: Any) -> Any:
        async def heard(event: Any) -> None:
            self._upcalls.heard()
            await handle(event)

        return heard

    def _end_hypercorns_side(self) -> None:
        """Otherwise hypercorn would send a close frame of its own when the handler returns."""
        stream = self._wire.stream
        stream.state = type(stream.state).CLOSED

    async def _take_over(self, event: Any) -> None:
        """Replaces WSStream._send_wsproto_event: pongs, and hypercorn's own reasons to close."""
        await trio.lowlevel.checkpoint()  # many pings may come in one read
        if self._closed:
            return
        if isinstance(event, CloseConnection) and event.code == CloseReason.MESSAGE_TOO_BIG:
            # The server may end the connection right after this: send our close reason now.
            event = CloseConnection(CloseCode.PROTOCOL, TOO_LARGE)
            self._upcalls.refuse(TOO_LARGE)
        if isinstance(event, Pong) and not self._upcalls.control():
            return
        try:
            data = self._wire.stream.connection.send(event)
            if not self.offer(data) and len(self._control) + len(data) <= CONTROL_BYTES_MAX:
                self._control += data
                self._upcalls.wake()
            self._said_goodbye = self._said_goodbye or isinstance(event, CloseConnection)
        except (LocalProtocolError, Disconnected):
            pass  # the client is gone
