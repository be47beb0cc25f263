"""Limits the bytes of a media body in flight, so that a mark does not wait behind them in a network queue.

Owns: the rule, from round-trip times to bytes. Must not know: sockets, tasks, files.

Why: packets queue at the slowest hop of a link. The kernel's congestion control fills that queue, 0.2 to 1 s
long, and a mark waits at its end. So a round trip that is longer than the shortest one of this connection
is taken as a sign of a queue, and bodies keep only as much in flight as passes in QUEUE_S beyond that
shortest round trip (as TCP Vegas and LEDBAT, RFC 6817, do). Without a queue nothing is limited: on a fast
link the kernel decides.

Measured: `scripts/bench narrow`. Wi-Fi delays packets without any queue, and a shorter QUEUE_S mistakes that
for one: on an emulated busy channel 20 ms gave half of its rate, 40 ms about nine tenths.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

QUEUE_S = 0.040  # how long our bodies may make another packet wait
START_BYTES = 16 * 1024  # until a whole round trip has been measured; the kernel begins with as much
FREE_BYTES = 1 << 20  # a link with this much in flight and no queue is fast: no limit
FLOOR_PACKETS = 4  # with fewer, the receiver's delayed acknowledgements determine the speed
FLOOR_BYTES_PER_S = 125_000  # 1 Mbit/s for each body, however long the queue: it may be that of other senders
FLOOR_RTT_S = 0.5  # the longest round trip for which FLOOR_BYTES_PER_S holds
BORROWED_S = 1.5 * QUEUE_S  # a connection that begins beside a body has our own queue in its round trips
CHANGE = 4.0  # the largest factor by which the limit changes in one round trip
OPEN_STATES = (1, 8)  # TCP_ESTABLISHED, TCP_CLOSE_WAIT

# struct tcp_info, linux/tcp.h (4.6): state, snd_mss, unacked, rtt, bytes_acked, notsent_bytes, min_rtt
_INFO = struct.Struct("=B15xI4xI40xI48xQ16xII")
INFO_BYTES = _INFO.size


@dataclass(frozen=True, slots=True)
class Flow:
    """The kernel's present values of a connection. `rtt_s` is smoothed; `least_rtt_s` is the shortest of the
    last minutes."""

    packet_bytes: int
    in_flight_bytes: int  # sent and not acknowledged
    unsent_bytes: int  # in the socket buffer, behind them
    acked_bytes: int  # since the connection began
    rtt_s: float
    least_rtt_s: float
    is_open: bool = True

    @property
    def under_way_bytes(self) -> int:
        return self.in_flight_bytes + self.unsent_bytes


def parse_info(info: bytes) -> Flow | None:
    """A Flow from getsockopt(TCP_INFO); None when this kernel does not give the needed values."""
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
    """The shortest round trip to one address. A connection that begins while another connection's body is in
    flight measures only round trips with a queue; it takes the address's shortest one instead."""

    __slots__ = ("__weakref__", "least_rtt_s")

    def __init__(self) -> None:
        self.least_rtt_s = math.inf

    def least(self, own_s: float) -> float:
        """The shortest round trip for a connection that has measured `own_s`. An `own_s` that is much longer
        is kept: it is that of another client behind the same address."""
        self.least_rtt_s = min(self.least_rtt_s, own_s)
        return self.least_rtt_s if own_s - self.least_rtt_s <= BORROWED_S else own_s


class SendPace:
    """The limit of one connection. `limit_bytes` None: there is no queue, the kernel decides."""

    __slots__ = ("_peer", "_round_ends", "limit_bytes")

    def __init__(self, peer: Peer) -> None:
        self.limit_bytes: float | None = START_BYTES
        self._peer = peer
        self._round_ends: int | None = None  # the value of acked_bytes at which the present round trip ends

    def room(self, flow: Flow) -> int | None:
        """Bytes that may be written to the socket now. 0: wait for `pause_s`; None: as many as it accepts."""
        self._adjust(flow)
        limit, packet = self.limit_bytes, flow.packet_bytes
        if limit is None or not flow.is_open:
            return None  # a closed socket reports its end when it is written to
        if not flow.under_way_bytes:
            return max(packet, int(limit) // packet * packet)  # never stalls, whatever the limit
        room = limit - flow.under_way_bytes
        return int(room) // packet * packet if room >= max(limit / 4, packet) else 0

    def _adjust(self, flow: Flow) -> None:
        """Once a round trip: bytes sent under the old limit have been acknowledged, so `rtt_s` is their round
        trip."""
        if self._round_ends is None:
            self._round_ends = flow.acked_bytes + START_BYTES
        if flow.acked_bytes < self._round_ends:
            return
        self._round_ends = flow.acked_bytes + flow.in_flight_bytes + flow.packet_bytes
        self.limit_bytes = next_limit(self.limit_bytes, flow, self._peer.least(flow.least_rtt_s))


def next_limit(limit_bytes: float | None, flow: Flow, least_rtt_s: float) -> float | None:
    """The limit for the next round trip: the bytes in flight took rtt_s to pass, and as many are allowed as
    pass in the wanted time at that rate.

    One packet is added each time, so that bodies which share a link end up with equal shares.
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
    """Seconds to wait before calling `room` again: about until a quarter of the limit has passed."""
    return min(0.020, max(0.001, flow.rtt_s / 4))
