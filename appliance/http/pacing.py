"""How much of a media body may be under way, so that no queue stands in front of a mark.

Owns: one rule, numbers in, bytes out. Must not know: sockets, tasks, files.

Why: a link is as slow as its slowest piece, and the queue there is as long as its senders make it. The
kernel's congestion control fills whatever buffer it finds, 0.2 to 1 s of it, and a mark stands at its end. So
a round trip that takes longer than the least this connection has seen is taken for a queue, and bodies keep
under way what passes in QUEUE_S beyond that least round trip (as TCP Vegas and LEDBAT, RFC 6817, do). Where
no queue stands nothing is limited: a fast link's buffers stay the kernel's.

Measured: `scripts/bench narrow`. Wi-Fi's turns come late without any queue, and a shorter QUEUE_S takes that
for one: on an emulated busy channel 20 ms gave half of its rate, 40 ms about nine tenths.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

QUEUE_S = 0.040  # how long our bodies may make a packet of somebody else's wait
START_BYTES = 16 * 1024  # until a whole round trip has been seen; the kernel begins with as much
FREE_BYTES = 1 << 20  # under way without a queue: a fast link; no limit
FLOOR_PACKETS = 4  # fewer, and the receiver's delayed acknowledgements set the speed
FLOOR_BYTES_PER_S = 125_000  # however long the queue, which may be others': 1 Mbit/s a body
FLOOR_RTT_S = 0.5  # up to here
BORROWED_S = 1.5 * QUEUE_S  # a later connection sees a queue of ours, and no round trip without it
CHANGE = 4.0  # at most, a round trip
OPEN_STATES = (1, 8)  # TCP_ESTABLISHED, TCP_CLOSE_WAIT

# struct tcp_info, linux/tcp.h (4.6): state, snd_mss, unacked, rtt, bytes_acked, notsent_bytes, min_rtt
_INFO = struct.Struct("=B15xI4xI40xI48xQ16xII")
INFO_BYTES = _INFO.size


@dataclass(frozen=True, slots=True)
class Flow:
    """What the kernel says of a connection now. `rtt_s` is smoothed; `least_rtt_s` the least of minutes."""

    packet_bytes: int
    in_flight_bytes: int  # sent and not acknowledged
    unsent_bytes: int  # in the socket, behind them
    acked_bytes: int  # since the connection began
    rtt_s: float
    least_rtt_s: float
    is_open: bool = True

    @property
    def under_way_bytes(self) -> int:
        return self.in_flight_bytes + self.unsent_bytes


def parse_info(info: bytes) -> Flow | None:
    """A Flow of getsockopt(TCP_INFO); None where this kernel does not say what is needed."""
    if len(info) < INFO_BYTES:
        return None
    state, packet_bytes, unacked, rtt_us, acked_bytes, unsent_bytes, least_us = _INFO.unpack_from(info)
    if not packet_bytes or not rtt_us:
        return None
    return Flow(
        packet_bytes,
        unacked * packet_bytes,
        unsent_bytes,
        acked_bytes,
        rtt_us / 1e6,
        min(least_us, rtt_us) / 1e6,
        state in OPEN_STATES,
    )


class Peer:
    """The least round trip to one address. A connection that begins while another's body is under way sees
    that one's queue from its first packet on, and would add its own to it."""

    __slots__ = ("__weakref__", "least_rtt_s")

    def __init__(self) -> None:
        self.least_rtt_s = math.inf

    def least(self, own_s: float) -> float:
        """For a connection that has seen own_s. A much longer one is somebody else's, behind one address."""
        self.least_rtt_s = min(self.least_rtt_s, own_s)
        return self.least_rtt_s if own_s - self.least_rtt_s <= BORROWED_S else own_s


class Pace:
    """The limit of one connection. `limit_bytes` None: no queue stands, the kernel decides."""

    __slots__ = ("_peer", "_round_ends", "limit_bytes")

    def __init__(self, peer: Peer) -> None:
        self.limit_bytes: float | None = START_BYTES
        self._peer = peer
        self._round_ends: int | None = None  # acked_bytes then

    def room(self, flow: Flow) -> int | None:
        """Bytes that may go into the socket now, 0: wait a little; None: as many as it takes."""
        self._adjust(flow)
        limit, packet = self.limit_bytes, flow.packet_bytes
        if limit is None or not flow.is_open:
            return None  # of a closed one the socket says what became of it
        if not flow.under_way_bytes:
            return max(packet, int(limit) // packet * packet)  # never stalls, whatever the limit
        room = limit - flow.under_way_bytes
        return int(room) // packet * packet if room >= max(limit / 4, packet) else 0

    def _adjust(self, flow: Flow) -> None:
        """Once a round trip: bytes sent under the old limit have been acknowledged, so `rtt_s` is of them."""
        if self._round_ends is None:
            self._round_ends = flow.acked_bytes + START_BYTES
        if flow.acked_bytes < self._round_ends:
            return
        self._round_ends = flow.acked_bytes + flow.in_flight_bytes + flow.packet_bytes
        self.limit_bytes = next_limit(self.limit_bytes, flow, self._peer.least(flow.least_rtt_s))


def next_limit(limit_bytes: float | None, flow: Flow, least_rtt_s: float) -> float | None:
    """The rule. What is under way takes rtt_s to pass; of it, what passes in the wanted time may stay.

    One packet more each time makes bodies that share a link alike in the end.
    """
    wanted = (least_rtt_s + QUEUE_S) / flow.rtt_s
    if limit_bytes is None:
        if wanted >= 1:
            return None
        limit_bytes = flow.in_flight_bytes
    limit = limit_bytes * min(CHANGE, max(1 / CHANGE, wanted)) + flow.packet_bytes
    if wanted >= 1 and limit > FREE_BYTES:
        return None
    return max(limit, floor_bytes(flow))


def floor_bytes(flow: Flow) -> float:
    return max(FLOOR_PACKETS * flow.packet_bytes, FLOOR_BYTES_PER_S * min(flow.rtt_s, FLOOR_RTT_S))


def pause_s(flow: Flow) -> float:
    """How long to wait before asking for room again: about until a quarter of the limit has passed."""
    return min(0.020, max(0.001, flow.rtt_s / 4))
