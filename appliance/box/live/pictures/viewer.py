"""One viewer of live video: its position in the recording, and its limits.

Owns: its descriptor, its transport, how long it may leave a message unread, how much it may send. Must not
know: parts, other viewers.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from appliance.box.live.hypercorn_transport import HypercornTransport
from appliance.box.live.protocol import PING_FRAME, Bucket, CloseCode
from appliance.box.live.transport import PlainTransport, Transport, TransportCallbacks
from appliance.http.api import Receive, Send
from appliance.kernel import json
from appliance.media.index.view import Key, SegmentView

T = TypeVar("T")

TAKE_S = 4.0  # seconds for one message, which is 0.2 to 1 s of pictures: a slower link cannot show them
QUIET_S = 5.0  # seconds without a picture (the camera is off) until a ping checks that it is still there
FLOOD = "a viewer has nothing to say: at most 20 messages a second"


class Dropped(Exception):
    """The viewer is closed for this reason, and may reconnect."""


@dataclass(slots=True, eq=False)
class Viewer:
    """The segment, the number of the next part to send, and the one open descriptor.

    `key`: the newest one whose init was sent. `sound`: id of the sound track it gets, 0 for none.
    `leading_of`: the stream began at this recovery point; pictures shown before it are left out. `with_idr`:
    its player can only begin at an IDR picture.
    """

    transport: Transport
    view: SegmentView | None = None
    next_part: int = 0
    fd: int = -1
    key: Key | None = None
    leading_of: Key | None = None
    with_idr: bool = False
    sound: int = 0
    ending: tuple[int, str] | None = None  # close code and reason; None: it left by itself
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _last_sent: Mapping[str, object] | None = None
    _bucket: Bucket = field(default_factory=lambda: Bucket(trio.current_time()))
    _shown_s: float = field(default_factory=trio.current_time)

    @classmethod
    def behind(cls, send: Send) -> Viewer:
        return cls(HypercornTransport.behind(send) or PlainTransport(send))

    async def accept(self) -> None:
        """Finish the handshake. Raises Disconnected."""
        upcalls = TransportCallbacks(
            _nothing, self._spend, lambda why: self.end(CloseCode.PROTOCOL, why), _nothing
        )
        await self.transport.accept(None, upcalls)

    def end(self, code: int, reason: str) -> None:
        """Close it. The first reason counts."""
        if self.ending is None:
            self.ending = (code, reason)
        self.scope.cancel(reason=reason)

    async def listen(self, receive: Receive, scope: trio.CancelScope) -> None:
        """Read and drop what the viewer sends (viewers send nothing of use) until it leaves. Then cancels
        `scope`."""
        with self.scope:
            while (await receive())["type"] != "websocket.disconnect" and self._spend():
                pass
        scope.cancel(reason="the viewer left")

    async def say(self, message: Mapping[str, object]) -> None:
        self._last_sent = message
        await self._within(self.transport.write, [json.encode(message)])

    async def say_once(self, message: Mapping[str, object]) -> None:
        """Send the message unless it was the last one sent."""
        if message != self._last_sent:
            await self.say(message)

    async def show(self, frame: bytes) -> None:
        """Send one finished binary frame. Raises Disconnected; Dropped when it is not accepted in TAKE_S."""
        await self._within(self.transport.write_binary, frame)

    async def _within(self, write: Callable[[T], Awaitable[None]], what: T) -> None:
        with trio.move_on_after(TAKE_S) as patience:
            await write(what)
        if patience.cancelled_caught:
            raise Dropped(f"pictures were not read for {TAKE_S:g} s")
        self._shown_s = trio.current_time()

    def probe_when_quiet(self) -> None:
        """Sending something makes the kernel notice a viewer that has vanished. Raises Disconnected."""
        if trio.current_time() - self._shown_s > QUIET_S:
            self._shown_s = trio.current_time()
            self.transport.offer(PING_FRAME)

    def _spend(self) -> bool:
        if self._bucket.take(trio.current_time()):
            return True
        self.end(CloseCode.PROTOCOL, FLOOD)
        return False

    def turn_to(self, view: SegmentView, next_part: int, fd: int) -> None:
        """Continue in another segment; the viewer owns `fd` from now on."""
        self.leave()
        self.view, self.next_part, self.fd = view, next_part, fd

    def leave(self) -> None:
        """Close the descriptor, once: its number may be reused at once."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def _nothing() -> None:
    pass
