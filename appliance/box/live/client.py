"""One connected client: its cursor, its waiting messages, and the two tasks that serve it.

Owns: the order of one client's messages, and when it is closed. Nothing is copied per client: events are read
from the journal with the client's cursor, the shared ring is the queue. Must not know: sockets (transport.py,
hypercorn_transport.py), other clients (hub.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import trio

from appliance.box.live.protocol import (
    BACKLOG_MAX,
    REPLIES_MAX,
    About,
    Auth,
    Bucket,
    CloseCode,
    CommandFrame,
    Ping,
    ProtocolError,
    parse_message,
)
from appliance.box.live.transport import Disconnected, Transport, TransportCallbacks
from appliance.http.access import Grant
from appliance.http.api import Receive
from appliance.kernel.errors import Refused
from appliance.kernel.journal import Journal
from appliance.kernel.signal import Signal

PAGE = 128  # events per write: about 80 kB, the most that is half-sent when a client is closed
COMMANDS_MAX = 8  # running commands of one client; its next message waits, so that a flood delays only itself
LATEST_MAX = 64  # keys of latest-only messages stored for one client; the oldest is dropped first


class MessageHandler(Protocol):
    """Answers the messages of clients; returns encoded JSON text."""

    def pong(self, ping: Ping) -> bytes: ...

    async def perform(self, device: str, command: CommandFrame, grant: Grant | None) -> bytes: ...


@dataclass(slots=True, eq=False)
class Client:
    """`cursor` is the seq of the last event handed to the transport."""

    device: str
    peer: str
    transport: Transport
    journal: Journal
    cursor: int = 0
    grant: Grant | None = None  # the paired device; None where access is open
    refused: Refused | None = None  # why the door refused it, while it has not sent its token
    connected_us: int = 0  # box time at which it joined
    joined_head: int = 0  # head when it joined: events missed before do not count as being slow
    now_s: Callable[[], float] = trio.current_time
    is_idle: bool = False  # nothing waits and the writer sleeps: the fan-out may send at once
    ending: tuple[int, str] | None = None
    sent_events: int = 0
    commands_now: int = 0
    promises_pings: bool = False
    about: About = field(default_factory=About)
    heard_s: float = field(default_factory=trio.current_time)
    bucket: Bucket = field(default_factory=lambda: Bucket(trio.current_time()))
    _replies: deque[bytes] = field(default_factory=deque)
    _latest: dict[str, bytes] = field(default_factory=dict)
    _wake: Signal = field(default_factory=Signal)
    _scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _slots: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(COMMANDS_MAX))

    def upcalls(self) -> TransportCallbacks:
        return TransportCallbacks(
            self._on_heard, self._spend, lambda why: self.close(CloseCode.PROTOCOL, why), self._wake.notify
        )

    @property
    def lag(self) -> int:
        """Events it has not been sent yet."""
        return self.journal.head - self.cursor

    def admitted(self, grant: Grant) -> None:
        """It sent its token as its first message."""
        self.grant, self.device, self.refused = grant, grant.name, None

    def start_at(self, cursor: int, head: int) -> None:
        """Set its cursor. Call before it joins."""
        self.cursor = cursor
        self.joined_head = head

    # -- called by the hub and the transport -------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """Close it with this code. The first reason counts."""
        if self.ending is None:
            self.ending = (code, reason)
        self._scope.cancel()

    def gone(self) -> None:
        """The connection ended; no close code can be sent."""
        self._scope.cancel()

    def reply(self, payload: bytes) -> None:
        """Queue an answer to one of its messages."""
        if len(self._replies) >= REPLIES_MAX:
            self.close(CloseCode.TOO_SLOW, "answers are not read")
            return
        self._replies.append(payload)
        self._wake.notify()

    def show_latest(self, key: str, payload: bytes, frame: bytes) -> bool:
        """A message of which only the newest matters; `frame` is `payload` as a finished frame for direct
        transports.

        True when it was sent at once.
        """
        if self.is_idle and self._offered(frame):
            return True
        self._latest.pop(key, None)
        self._latest[key] = payload
        if len(self._latest) > LATEST_MAX:
            del self._latest[next(iter(self._latest))]
        self._wake.notify()
        return False

    def take_events(self, after: int, last: int, frames: bytes, count: int) -> None:
        """Events after seq `after` up to `last`, encoded once for all clients. A client with another cursor
        reads them by that cursor; one that has fallen too far behind is closed, and resumes."""
        if self.is_idle and self.cursor == after and self._offered(frames):
            self.cursor = last
            self.sent_events += count
            return
        if last - max(self.cursor, self.joined_head) > BACKLOG_MAX:
            self.close(CloseCode.TOO_SLOW, "too slow: come back with your last seq")
        self._wake.notify()

    def check_silence(self, silent_s: float) -> None:
        """Close it when nothing was received for `silent_s`, unless we are the ones who keep it waiting."""
        owes_life = self.transport.hears_pongs or self.promises_pings
        if owes_life and not self.commands_now and self.now_s() - self.heard_s > silent_s:
            self.close(CloseCode.SILENT, f"nothing heard for {silent_s:g} s")

    def _offered(self, frames: bytes) -> bool:
        try:
            return self.transport.offer(frames)
        except Disconnected:
            self.gone()
            return True

    def _on_heard(self) -> None:
        self.heard_s = self.now_s()

    def _spend(self) -> bool:
        """Take a token of the rate limit for a control frame; False: there is none, do not answer the
        frame."""
        return self.bucket.take(self.now_s())

    async def _wait_turn(self) -> None:
        """For a message. A tablet that was offline sends all it has kept: it waits, and so does what it sends
        meanwhile, in its own socket; it is never closed for that."""
        if wait_s := self.bucket.spend(self.now_s()):
            await trio.sleep(wait_s)

    # -- serving it --------------------------------------------------------------------------------

    async def serve(self, receive: Receive, desk: MessageHandler) -> None:
        """Until it leaves or is closed; `ending` has the close code, None when it left by itself."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read(receive, desk, nursery)
                self._scope.cancel()

    async def _read(self, receive: Receive, desk: MessageHandler, nursery: trio.Nursery) -> None:
        while (message := await receive())["type"] != "websocket.disconnect":
            self._on_heard()
            await self._wait_turn()
            text = message.get("text")
            try:
                if text is None:
                    raise ProtocolError("messages are JSON text")
                asked = parse_message(text)
            except ProtocolError as error:
                self.close(CloseCode.PROTOCOL, str(error))
                return
            if isinstance(asked, Auth):
                continue
            if isinstance(asked, Ping):
                self.promises_pings = True
                self.about = asked.about or self.about
                self.reply(desk.pong(asked))
                continue
            await self._slots.acquire()
            nursery.start_soon(self._perform, desk, asked)

    async def _perform(self, desk: MessageHandler, command: CommandFrame) -> None:
        self.commands_now += 1
        try:
            self.reply(await desk.perform(self.device, command, self.grant))
        finally:
            self.commands_now -= 1
            self._on_heard()  # what it sent meanwhile may still be unread in the socket
            self._slots.release()

    async def _write(self) -> None:
        try:
            while True:
                seen = self._wake.count
                await self.transport.flush()
                if not await self._write_next():
                    self.is_idle = True
                    await self._wake.wait_past(seen)
                    self.is_idle = False
        except Disconnected:
            self.gone()

    async def _write_next(self) -> bool:
        """Write what waits: answers, latest values, then one page of events. False: there was nothing."""
        payloads = [*self._replies, *self._latest.values()]
        self._replies.clear()
        self._latest.clear()
        events = await self.journal.read(self.cursor, PAGE)
        if self.cursor < self.journal.oldest - 1:
            self.close(CloseCode.TOO_SLOW, "your cursor is no longer kept: load the snapshot")
            return False
        payloads += [entry.event for entry in events]
        if not payloads:
            return False
        await self.transport.write(payloads)
        if events:
            self.cursor = events[-1].seq
            self.sent_events += len(events)
        return True
