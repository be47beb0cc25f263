"""Which of the callers of a channel's port is recorded. Pure: events in, actions out.

Owns: the rule. Must not know: sockets, the library, files. Times are monotonic seconds; arrivals are
CLOCK_BOOTTIME in us.

- The caller that sends pictures holds the port. A caller that sends no transport stream within FIRST_MEDIA_S
  is dropped, and reported with its address and what it sent instead.
- A stream without pictures (sound alone, tables alone) holds the port while no other caller is connected: it
  is legal and not recorded. Any caller that sends pictures replaces it at once.
- A holder that has sent no picture for WEAK_S loses to another caller that sends some: a camera that lost
  its power and calls again need not wait until the old connection times out. No byte of the new caller is
  lost: they are buffered meanwhile.
- While the holder sends pictures, another caller is dropped after FIRST_MEDIA_S: the first one stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from appliance.media.ingest.mpegts import PACKET, Demuxer, Programme

FIRST_MEDIA_S: Final = 2.0
WEAK_S: Final = 1.0
QUIET_S: Final = 2.0
LOST_S: Final = 5.0
MAX_WAITING: Final = 8
_HELD_BYTES: Final = 16 << 20  # 6 s at 20 Mbit/s
_NULL_PID: Final = 0x1FFF
# in a row: random bytes have a sync byte at the expected place once in 256 times
_BELIEVED_PACKETS: Final = 5
_PICTURES: Final = frozenset({"h264", "hevc"})


@dataclass(frozen=True, slots=True)
class Begin:
    """The caller at `address` is recorded from now on."""

    address: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Bytes of the recorded caller."""

    arrival_us: int
    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The recorded caller has ended."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """End connection `id`, which is not recorded for `reason`."""

    id: int
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class CloseRecorded:
    """End connection `id`, which was recorded: its End comes before."""

    id: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """The recorded caller sends nothing for `since_s`: QUIET_S, then LOST_S; 0: it sends again."""

    address: str
    since_s: float


Action = Begin | Forward | End | CloseRecorded | Drop | Quiet


class PictureScan:
    """Whether bytes are a transport stream, and when pictures last arrived in it."""

    def __init__(self) -> None:
        self.bytes = 0
        self.stream_s: float | None = None  # when packets other than filler last arrived
        self.picture_s: float | None = None
        self._tables = Demuxer()
        self._table_pids = self._tables.table_pids
        self._video = -1
        self._tail = b""
        self._in_a_row = 0

    def feed(self, data: bytes, now_s: float) -> None:
        """Process the byte stream in any chunks."""
        self.bytes += len(data)
        data = self._tail + data if self._tail else data
        at, end = 0, len(data) - PACKET
        while at <= end:
            if data[at] != 0x47:
                self._in_a_row = 0
                at = data.find(b"\x47", at + 1)
                if at < 0:
                    at = len(data)
                continue
            pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
            self._in_a_row += 1
            if pid != _NULL_PID and self._in_a_row >= _BELIEVED_PACKETS:
                self.stream_s = now_s
            if pid == self._video:
                self.picture_s = now_s
            elif pid in self._table_pids:
                self._table(data[at : at + PACKET])
            at += PACKET
        self._tail = data[at:]

    def _table(self, packet: bytes) -> None:
        for event in self._tables.feed(packet):
            if isinstance(event, Programme):
                self._video = next((s.pid for s in event.streams if s.codec in _PICTURES), -1)
        self._table_pids = self._tables.table_pids

    def lacks(self) -> str:
        """What is wrong with a connection that sent no transport stream."""
        if not self.bytes:
            return "sent nothing"
        return (
            "sent filling packets only" if self._in_a_row >= _BELIEVED_PACKETS else "sent no transport stream"
        )


@dataclass(slots=True)
class _Caller:
    id: int
    address: str
    since_s: float
    scan: PictureScan = field(default_factory=PictureScan)
    held: list[Forward] = field(default_factory=list)
    held_bytes: int = 0


class Callers:
    """All connections of one port. Carry out the returned actions, in order.

    `silence_s`: a recorded caller that sends nothing for so long is ended; 0 leaves that to SRT.
    `first_media_s`: a caller without a stream this long after connecting is dropped.
    """

    def __init__(self, silence_s: float = 0.0, first_media_s: float = FIRST_MEDIA_S) -> None:
        self._silence_s, self._first_media_s = silence_s, first_media_s
        self._holder: _Caller | None = None
        self._waiting: dict[int, _Caller] = {}
        self._quiet_s = 0.0  # the pause reported last

    @property
    def recorded(self) -> int | None:
        """The connection that is recorded now."""
        return None if self._holder is None else self._holder.id

    def accepted(self, id: int, address: str, now_s: float) -> list[Action]:
        """A caller has connected. When too many wait, the one that has waited longest is dropped."""
        out: list[Action] = []
        if len(self._waiting) >= MAX_WAITING:
            out += self._refuse(next(iter(self._waiting.values())))
        self._waiting[id] = _Caller(id, address, now_s)
        return out

    def received(self, id: int, data: bytes, arrival_us: int, now_s: float) -> list[Action]:
        """Bytes of a connection, which may already have been dropped."""
        holder = self._holder
        if holder is not None and holder.id == id:
            holder.scan.feed(data, now_s)
            return [*self._heard(now_s), Forward(arrival_us, data)]
        caller = self._waiting.get(id)
        if caller is None:
            return []
        caller.scan.feed(data, now_s)
        _hold(caller, Forward(arrival_us, data))
        return self._decide(caller, now_s)

    def ended(self, id: int, reason: str, now_s: float) -> list[Action]:
        """A connection ended by itself."""
        if self._holder is not None and self._holder.id == id:
            return [End(self._holder.address, reason), *self._next(now_s)]
        self._waiting.pop(id, None)
        return []

    def look(self, now_s: float) -> list[Action]:
        """Apply deadlines; call at least ten times a second."""
        out: list[Action] = []
        for caller in list(self._waiting.values()):
            out += self._decide(caller, now_s)
            if caller.id in self._waiting and now_s - caller.since_s >= self._first_media_s:
                out += self._refuse(caller)
        holder = self._holder
        if holder is None or holder.scan.stream_s is None:
            return out
        silent_s = now_s - holder.scan.stream_s
        if self._silence_s and silent_s >= self._silence_s:
            reason = f"silent for {self._silence_s:g} s"
            return [*out, End(holder.address, reason), CloseRecorded(holder.id), *self._next(now_s)]
        reached_s = max((at for at in (QUIET_S, LOST_S) if silent_s >= at), default=0.0)
        if reached_s > self._quiet_s:
            self._quiet_s = reached_s
            out.append(Quiet(holder.address, reached_s))
        return out

    def _heard(self, now_s: float) -> list[Action]:
        holder = self._holder
        if holder is None or not self._quiet_s or holder.scan.stream_s != now_s:
            return []
        self._quiet_s = 0.0
        return [Quiet(holder.address, 0.0)]

    def _decide(self, caller: _Caller, now_s: float) -> list[Action]:
        """Whether `caller` replaces the holder now."""
        holder, scan = self._holder, caller.scan
        if scan.stream_s is None:
            return []
        if holder is None:
            return self._take(caller, now_s)
        if scan.picture_s is None or now_s - scan.picture_s > WEAK_S or not _is_weak(holder, now_s):
            return []
        last = holder.scan.picture_s
        reason = "sends no pictures" if last is None else f"sent no picture for {now_s - last:.1f} s"
        reason = f"{reason}, {caller.address} sends some"
        return [End(holder.address, reason), CloseRecorded(holder.id), *self._take(caller, now_s)]

    def _take(self, caller: _Caller, now_s: float) -> list[Action]:
        self._waiting.pop(caller.id, None)
        self._holder, self._quiet_s = caller, 0.0
        buffered, caller.held = caller.held, []
        return [Begin(caller.address), *buffered]

    def _next(self, now_s: float) -> list[Action]:
        """The port is free: a waiting caller that sends a stream gets it, one with pictures first."""
        self._holder = None
        waiting = sorted(self._waiting.values(), key=lambda caller: caller.scan.picture_s is None)
        for caller in waiting:
            if caller.scan.stream_s is not None:
                return self._take(caller, now_s)
        return []

    def _refuse(self, caller: _Caller) -> list[Action]:
        del self._waiting[caller.id]
        holder = self._holder
        if caller.scan.stream_s is None or holder is None:
            reason = caller.scan.lacks()
        else:
            reason = f"{holder.address} sends already"
        return [Drop(caller.id, caller.address, reason)]


def _hold(caller: _Caller, forward: Forward) -> None:
    """Buffer a waiting caller's stream, except garbage and what exceeds the limit."""
    if caller.scan.stream_s is None:
        caller.held, caller.held_bytes = caller.held[-1:], 0
    caller.held.append(forward)
    caller.held_bytes += len(forward.data)
    if caller.held_bytes > _HELD_BYTES:
        caller.held, caller.held_bytes = [], 0


def _is_weak(holder: _Caller, now_s: float) -> bool:
    """Whether a caller has sent no picture for so long that another may replace it."""
    last_s = holder.scan.picture_s
    if last_s is None:  # sound alone: its first picture may be on its way
        return now_s - holder.since_s > WEAK_S
    return now_s - last_s > WEAK_S
