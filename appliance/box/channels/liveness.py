"""Which channels are alive: the decision, without a clock, a task or a database.

Owns: the state of each channel between two writes: its status, the time of its last sign of life, its last
report. Times `*_s` are of one monotonic clock given by the caller; `*_us` are box time. Must not know: where
heartbeats come from, or how an edge is written.

A channel times out when `timeout_s` have passed since its last sign of life: 29.9 s alive, 30.1 s error
(V27). Where the footage is recorded by another program (MediaMTX) no device may send heartbeats: until the
first one has arrived, such a channel's liveness is its footage, whatever its `liveness` is. A timeout decided
here takes effect at once, so it is reported once; a sign of life that ends an error takes effect when its
transaction is committed, so it may be reported twice, and the table treats the second as no transition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.box.channels.machine import CHANNEL, ChannelEvent, ChannelState, heartbeat_event
from appliance.kernel.machine import ILLEGAL

LATE_S = 1.0  # woken this much after a deadline: the box itself was stalled, not the cameras
GRACE_S = 1.0  # then heartbeats that wait in the sockets are processed first
# how soon returning footage ends an error; there is no event for it, only the age of the newest part
POLL_S = 0.5
RETRY_S = 1.0  # a timeout that could not be written (disk full) is decided again after this

FootageAge = Callable[[str], float | None]
"""Seconds since the newest part of a channel was written; None: no footage known."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The content of one heartbeat. `figures` has only the fields that were sent."""

    ok: bool | None = None
    sent_us: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of state to be written: `event` is for the machine, `reason` for people."""

    channel_id: str
    event: ChannelEvent
    reason: str


@dataclass(slots=True)
class ChannelWatch:
    """The state of one channel. `deadline_s` is the time of the next check; inf: none needed."""

    state: ChannelState
    liveness: str
    rev: int
    deadline_s: float = math.inf
    heard_s: float = -math.inf
    last_seen_us: int | None = None
    beat_us: int | None = None  # newest heartbeat; None: none ever came
    sent_us: int | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    error_reason: str | None = None  # as stored in the row
    dirty: bool = False


class Watches:
    """All channels. Every method is synchronous, so that nothing can change between a check and its
    effect."""

    def __init__(
        self, timeout_s: float, footage_age_s: FootageAge, *, footage_from_outside: bool = False
    ) -> None:
        self.timeout_s = timeout_s
        self._footage_from_outside = footage_from_outside
        self._footage_age_s = footage_age_s
        self._by_id: dict[str, ChannelWatch] = {}

    def get(self, channel_id: str) -> ChannelWatch | None:
        return self._by_id.get(channel_id)

    def ids(self) -> set[str]:
        return set(self._by_id)

    # -- the rows --------------------------------------------------------------------------------

    def learn(
        self,
        channel_id: str,
        state: ChannelState,
        liveness: str,
        rev: int,
        *,
        now_s: float,
        beat_us: int | None = None,
    ) -> bool:
        """Apply a committed row; an older revision than the known one has no effect.

        `beat_us`: its newest heartbeat according to the row. A channel that becomes active, or changes its
        liveness, has a full timeout from now (V30). Returns whether the next deadline may have moved.
        """
        known = self._by_id.get(channel_id)
        if known is None:
            known = self._by_id[channel_id] = ChannelWatch(state, liveness, rev, beat_us=beat_us)
        elif rev <= known.rev:
            return False
        elif (state, liveness) == (known.state, known.liveness):
            known.rev = rev
            return False
        known.state, known.liveness, known.rev = state, liveness, rev
        known.deadline_s = self._first_look(known, now_s)
        return True

    def forget(self, channel_id: str) -> None:
        self._by_id.pop(channel_id, None)

    def _lives_by_footage(self, watch: ChannelWatch) -> bool:
        return watch.liveness == "footage" or (self._footage_from_outside and watch.beat_us is None)

    def _first_look(self, watch: ChannelWatch, now_s: float) -> float:
        if watch.state is ChannelState.ACTIVE:
            return now_s + self.timeout_s
        if watch.state is ChannelState.TIMED_OUT and self._lives_by_footage(watch):
            return now_s + POLL_S
        return math.inf

    # -- heartbeats ------------------------------------------------------------------------------

    def touch(self, channel_id: str, *, now_s: float) -> None:
        """Give an active channel a full timeout from now, because of a command."""
        watch = self._by_id.get(channel_id)
        if watch is not None:
            watch.heard_s = now_s
            if watch.state is ChannelState.ACTIVE:
                watch.deadline_s = now_s + self.timeout_s

    def heard(self, channel_id: str, beat: Beat, *, now_s: float, now_us: int) -> Edge | None:
        """Process a heartbeat. Returns the edge to write, if it causes one.

        One sent before another that is already processed (delivered twice, or out of order) is a sign of life
        and nothing else: it neither replaces figures nor ends a reported fault.
        """
        watch = self._by_id[channel_id]
        newest = self._is_newest(watch, beat)
        watch.last_seen_us = max(now_us, watch.last_seen_us or 0)
        watch.beat_us = max(now_us, watch.beat_us or 0)
        watch.dirty = True
        if newest:
            watch.figures.update(beat.figures)
            watch.sent_us = beat.sent_us if beat.sent_us is not None else watch.sent_us
        event = heartbeat_event(watch.liveness, ok=beat.ok if newest else None)
        if event is None:
            return None
        if event is not ChannelEvent.REPORT_OK:
            self.touch(channel_id, now_s=now_s)
        return self._edge(channel_id, watch, event, "heartbeat")

    def _is_newest(self, watch: ChannelWatch, beat: Beat) -> bool:
        if beat.sent_us is None or watch.sent_us is None or beat.sent_us > watch.sent_us:
            return True
        set_back_us = watch.sent_us - beat.sent_us  # further than any delay: the device's clock was set back
        return set_back_us > self.timeout_s * 1_000_000

    def _edge(self, channel_id: str, watch: ChannelWatch, event: ChannelEvent, reason: str) -> Edge | None:
        after = CHANNEL.table[watch.state][event]
        return None if after in (watch.state, ILLEGAL) else Edge(channel_id, event, reason)

    # -- deadlines -------------------------------------------------------------------------------

    def next_deadline_s(self) -> float:
        """When `due` must be called again; inf: only after the next change."""
        return min((watch.deadline_s for watch in self._by_id.values()), default=math.inf)

    def due(self, *, now_s: float) -> list[Edge]:
        """Edges of all deadlines that have passed. Each is returned once."""
        if now_s - self.next_deadline_s() > LATE_S:
            self._excuse(now_s)
        edges = []
        for channel_id, watch in self._by_id.items():
            if watch.deadline_s <= now_s:
                edge = self._look(channel_id, watch, now_s)
                if edge is not None:
                    edges.append(edge)
        return edges

    def undo_timeout(self, edge: Edge, *, now_s: float) -> None:
        """Undo a timeout that could not be written: the channel is still active, and is checked again
        soon."""
        watch = self._by_id.get(edge.channel_id)
        if watch is not None and edge.event is ChannelEvent.TIMEOUT and watch.state is ChannelState.TIMED_OUT:
            watch.state = ChannelState.ACTIVE
            watch.deadline_s = max(watch.heard_s + self.timeout_s, now_s + RETRY_S)

    def _excuse(self, now_s: float) -> None:
        for watch in self._by_id.values():
            if watch.deadline_s <= now_s:
                watch.deadline_s = now_s + GRACE_S

    def _look(self, channel_id: str, watch: ChannelWatch, now_s: float) -> Edge | None:
        by_footage = self._lives_by_footage(watch)
        age_s = self._footage_age_s(channel_id) if by_footage else None
        alive = age_s is not None and age_s < self.timeout_s
        if watch.state is ChannelState.ACTIVE:
            if age_s is not None and alive:
                watch.deadline_s = now_s + self.timeout_s - age_s
                return None
            watch.state, watch.deadline_s = ChannelState.TIMED_OUT, math.inf
            if by_footage:
                watch.deadline_s = now_s + POLL_S
            missed = (
                "footage and no heartbeat" if by_footage != (watch.liveness == "footage") else watch.liveness
            )
            return Edge(channel_id, ChannelEvent.TIMEOUT, f"no {missed} for {self.timeout_s:g} seconds")
        watch.deadline_s = now_s + POLL_S
        return self._edge(channel_id, watch, ChannelEvent.FOOTAGE, "footage") if alive else None

    # -- reports, written every 5 s --------------------------------------------------------------

    def notice_footage(self, *, now_us: int) -> None:
        """Move last_seen of the channels whose liveness is footage: footage is their sign of life."""
        for channel_id, watch in self._by_id.items():
            if self._lives_by_footage(watch):
                age_s = self._footage_age_s(channel_id)
                seen_us = None if age_s is None else now_us - int(age_s * 1_000_000)
                if seen_us is not None and seen_us > (watch.last_seen_us or 0):
                    watch.last_seen_us, watch.dirty = seen_us, True

    def report(self, channel_id: str) -> dict[str, Any]:
        """Columns that are newer here than in the row; empty: no change."""
        watch = self._by_id.get(channel_id)
        if watch is None or watch.last_seen_us is None:
            return {}
        beat = {} if watch.beat_us is None else {"heartbeat_us": watch.beat_us}
        return {"last_seen_us": watch.last_seen_us, **beat, **watch.figures}

    def take_dirty(self) -> dict[str, dict[str, Any]]:
        """Reports not yet written, marked as written; call `put_back` for those that could not be written."""
        taken = {}
        for channel_id, watch in self._by_id.items():
            if watch.dirty:
                watch.dirty = False
                taken[channel_id] = self.report(channel_id)
        return taken

    def put_back(self, channel_ids: Mapping[str, Any]) -> None:
        for channel_id in channel_ids:
            if channel_id in self._by_id:
                self._by_id[channel_id].dirty = True
