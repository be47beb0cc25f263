"""Sends every event to every client, each event encoded and framed once.

Owns: the set of clients, the fan-out, heartbeats, and closing all of them at a restart. Events are not stored
here: a client that cannot receive them now reads the journal later. Must not know: what an event means, how
bytes reach a client, what commands do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import trio

from appliance.box.live import protocol
from appliance.box.live.client import Client
from appliance.box.live.protocol import (
    PING_FRAME,
    RESTART,
    SILENT_HEARTBEATS,
    About,
    Bucket,
    CloseCode,
    text_frame,
)
from appliance.kernel.clock import Clock
from appliance.kernel.follow import follow
from appliance.kernel.journal import Journal
from appliance.kernel.signal import Signal

PAGE = 64  # events per fan-out step: one write per client, and not long without a checkpoint
REST = 2  # the fan-out takes at most a third of the loop: marks and heartbeats are processed in between
REST_MIN_S = 0.001  # below this a sleep takes longer than requested
REST_MAX_S = 0.005  # the longest wait of a page for the one before
TICKS = 5  # silence is checked this often per heartbeat
STOP_GRACE_S = 3.0  # seconds for all clients together to receive 4001
LEFT = 1005  # counted for a client that left by itself (RFC 6455 section 7.4.1: no status)


@dataclass(frozen=True, slots=True)
class ClientStats:
    device: str
    peer: str
    lag: int  # events behind head
    sent_events: int
    is_direct: bool
    connected_us: int  # box time
    heard_age_s: float  # since anything came from it, pongs included
    about: About


@dataclass(slots=True)
class Hub:
    """The actor's state."""

    journal: Journal
    clock: Clock
    heartbeat_s: float
    clients: set[Client] = field(default_factory=set)
    opened: int = 0
    closed: Counter[int] = field(default_factory=Counter)
    is_stopping: bool = False
    buckets: WeakValueDictionary[str, Bucket] = field(default_factory=WeakValueDictionary)  # by device id
    _left: Signal = field(default_factory=Signal)

    @contextmanager
    def joined(self, client: Client) -> Iterator[None]:
        """The client gets every event from its cursor on for the length of the block."""
        self.opened += 1
        client.connected_us = self.clock.now_us()
        self.clients.add(client)
        if self.is_stopping:
            client.close(CloseCode.RESTART, RESTART)
        try:
            yield
        finally:
            self.clients.discard(client)
            self.closed[client.ending[0] if client.ending else LEFT] += 1
            self._left.notify()

    async def fan_out(self) -> None:
        """Until cancelled: send new events to every client. Level-triggered, a page at a time.

        The first event after a quiet moment is sent at once. After a page it pauses in proportion to the time
        the page took, so the faster events come, the more of them share one write per client.
        """
        follower = follow(self.journal)
        while True:
            await follower.wait()
            began_s, after = trio.current_time(), follower.cursor
            entries = follower.take(PAGE)  # too many for memory, every client reads with its own cursor
            frames = b"".join([text_frame(entry.event) for entry in entries or ()])
            for client in list(self.clients):
                client.take_events(after if frames else -1, follower.cursor, frames, len(entries or ()))
            await _rest((trio.current_time() - began_s) * REST)

    async def heartbeats(self) -> None:
        """Until cancelled: send heartbeats with a ping, and close clients that answer neither.

        After a stall of the box itself no client is judged for a tick: what came meanwhile is still unread.
        """
        tick_s = self.heartbeat_s / TICKS
        while True:
            self._beat()
            for _ in range(TICKS):
                due_s = trio.current_time() + tick_s
                await trio.sleep_until(due_s)
                if trio.current_time() - due_s <= tick_s:
                    self._check_silence()

    def _check_silence(self) -> None:
        """A separate function: the loop's last client would be referenced while `heartbeats` sleeps."""
        for client in list(self.clients):
            client.check_silence(self.heartbeat_s * SILENT_HEARTBEATS)

    def _beat(self) -> None:
        payload = protocol.heartbeat(head=self.journal.head, now_us=self.clock.now_us())
        frames = PING_FRAME + text_frame(payload)  # first: a client may close on reading a text
        for client in list(self.clients):
            if not client.show_latest("heartbeat", payload, frames):
                client.transport.probe()

    def show_latest(self, key: str, payload: bytes) -> None:
        """Send a message without seq to every client; one that is behind gets only the newest of each key."""
        frame = text_frame(payload)
        for client in list(self.clients):
            client.show_latest(key, payload, frame)

    async def stop(self) -> None:
        """Close every client with 4001 (reconnect), and wait until they have left, at most STOP_GRACE_S."""
        self.is_stopping = True
        for client in list(self.clients):
            client.close(CloseCode.RESTART, RESTART)
        with trio.move_on_after(STOP_GRACE_S, shield=True):
            seen = self._left.count
            while self.clients:
                seen = await self._left.wait_past(seen)

    def stats(self) -> tuple[ClientStats, ...]:
        return tuple(
            ClientStats(
                each.device,
                each.peer,
                each.lag,
                each.sent_events,
                each.transport.hears_pongs,
                each.connected_us,
                each.now_s() - each.heard_s,
                each.about,
            )
            for each in self.clients
        )


async def _rest(rest_s: float) -> None:
    if rest_s < REST_MIN_S:
        await trio.lowlevel.checkpoint()
    else:
        await trio.sleep(min(rest_s, REST_MAX_S))
