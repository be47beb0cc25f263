"""How much of a body may be in flight: the rule alone, and on a simulated link."""

from __future__ import annotations

import heapq
import socket
from collections import deque
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.http.pacing import (
    FLOOR_BYTES_PER_S,
    FLOOR_PACKETS,
    FREE_BYTES,
    INFO_BYTES,
    QUEUE_S,
    START_BYTES,
    Flow,
    Peer,
    SendPace,
    next_limit,
    parse_info,
    pause_s,
)

PACKET = 1448
CALM = Flow(PACKET, 20 * PACKET, 0, 1_000_000, rtt_s=0.002, least_rtt_s=0.002)
QUEUED = replace(CALM, rtt_s=0.4)


# -- the rule ----------------------------------------------------------------------------------------


def test_a_round_trip_twice_the_wanted_one_halves_the_limit() -> None:
    flow = replace(CALM, rtt_s=2 * (CALM.least_rtt_s + QUEUE_S))
    assert next_limit(100 * PACKET, flow, CALM.least_rtt_s) == pytest.approx(51 * PACKET)


def test_without_a_queue_the_kernel_decides() -> None:
    assert next_limit(None, CALM, CALM.least_rtt_s) is None
    assert next_limit(FREE_BYTES, CALM, CALM.least_rtt_s) is None


def test_a_queue_on_a_free_connection_limits_it_by_what_is_in_flight() -> None:
    flow = replace(QUEUED, in_flight_bytes=1_000_000, unsent_bytes=4_000_000)
    limit = next_limit(None, flow, CALM.least_rtt_s)
    assert limit is not None
    assert limit < 300_000


def test_a_queue_of_others_leaves_each_body_its_floor() -> None:
    limit: float | None = 100 * PACKET
    for _ in range(20):
        limit = next_limit(limit, QUEUED, CALM.least_rtt_s)
    assert limit == pytest.approx(FLOOR_BYTES_PER_S * QUEUED.rtt_s)


def test_a_later_connection_borrows_the_least_round_trip_of_an_earlier_one() -> None:
    peer = Peer()
    assert peer.least(0.002) == 0.002
    assert peer.least(0.002 + QUEUE_S) == 0.002
    assert peer.least(0.200) == 0.200  # another client far away behind the same address
    assert peer.least(0.001) == 0.001


def test_one_unusual_round_trip_changes_little() -> None:
    limit = next_limit(100 * PACKET, replace(CALM, rtt_s=30.0), CALM.least_rtt_s)
    assert limit is not None
    assert limit >= 25 * PACKET


def test_nothing_is_learned_before_a_whole_round() -> None:
    pace = SendPace(Peer())
    assert pace.room(replace(CALM, in_flight_bytes=0)) == START_BYTES // PACKET * PACKET
    assert pace.room(replace(CALM, in_flight_bytes=START_BYTES)) == 0
    assert pace.limit_bytes == START_BYTES
    pace.room(replace(CALM, acked_bytes=CALM.acked_bytes + START_BYTES))
    assert pace.limit_bytes is not None
    assert pace.limit_bytes > START_BYTES


def test_pacing_does_not_limit_a_closed_connection() -> None:
    assert SendPace(Peer()).room(replace(CALM, in_flight_bytes=10 * START_BYTES, is_open=False)) is None


SECONDS = st.floats(1e-6, 60)
FLOWS = st.builds(
    Flow,
    st.integers(500, 65_483),
    st.integers(0, 1 << 24),
    st.integers(0, 1 << 24),
    st.integers(0, 1 << 40),
    SECONDS,
    SECONDS,
    st.booleans(),
)


@given(st.lists(FLOWS, max_size=20))
def test_a_body_continues_whatever_figures_the_kernel_gives(flows: list[Flow]) -> None:
    pace = SendPace(Peer())
    for flow in flows:
        room = pace.room(flow)
        assert room is None or (room >= 0 and room % flow.packet_bytes == 0)
        if not flow.under_way_bytes:
            assert room != 0
        assert 0.001 <= pause_s(flow) <= 0.020
        decided = next_limit(pace.limit_bytes, flow, flow.least_rtt_s)
        assert decided is None or decided >= FLOOR_PACKETS * flow.packet_bytes


# -- the kernel's figures ---------------------------------------------------------------------------


def test_tcp_info_of_the_kernel_is_parsed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far = listener.accept()[0]
        with near, far:
            near.sendall(b"x" * 5000)
            assert len(far.recv(5000, socket.MSG_WAITALL)) == 5000
            info = near.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
            flow = parse_info(info)
            assert flow is not None
            assert (flow.is_open, flow.under_way_bytes) == (True, 0)
            assert flow.acked_bytes in (5000, 5001)  # with the handshake
            assert 0 < flow.least_rtt_s <= flow.rtt_s < 1
            assert parse_info(info[:-1]) is None
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            far.close()
            assert near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
            closed = parse_info(near.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES))
            assert closed is not None
            assert not closed.is_open


def test_empty_tcp_info_gives_no_figures() -> None:
    assert parse_info(bytes(INFO_BYTES)) is None


# -- a simulated link -------------------------------------------------------------------------------


@dataclass
class Body:
    """An endless download through a kernel that sends everything at once."""

    begins_s: float
    pace: SendPace
    in_flight: int = 0
    acked: int = 0
    rtt_s: float = 0.0
    least_s: float = 60.0

    def flow(self) -> Flow:
        return Flow(PACKET, self.in_flight, 0, self.acked, self.rtt_s, self.least_s)


def run_link(bits_per_s: float, base_s: float, begins_s: list[float], lasts_s: float) -> tuple[float, float]:
    """(longest wait in the queue, share of the link used), both over the second half."""
    peer = Peer()
    bodies = [Body(at, SendPace(peer)) for at in begins_s]
    queue: deque[tuple[int, float]] = deque()  # body, sent at
    events: list[
        tuple[float, int, int, float]
    ] = []  # at, kind (0 served, 1 acknowledged, 2 asks), body, sent at
    for number, body in enumerate(bodies):
        body.rtt_s = body.least_s = base_s
        heapq.heappush(events, (body.begins_s, 2, number, 0.0))
    packet_s, busy, served, longest = PACKET * 8 / bits_per_s, False, 0, 0.0
    while events and events[0][0] < lasts_s:
        now, kind, number, sent_s = heapq.heappop(events)
        body = bodies[number]
        if kind == 0:
            queue.popleft()
            busy = False
            heapq.heappush(events, (now + base_s, 1, number, sent_s))
            if now > lasts_s / 2:
                served, longest = served + 1, max(longest, now - sent_s)
        elif kind == 1:
            body.in_flight -= PACKET
            body.acked += PACKET
            body.rtt_s += (now - sent_s - body.rtt_s) / 8
            body.least_s = min(body.least_s, now - sent_s)
        else:
            room = body.pace.room(body.flow())
            packets = 200 if room is None else room // PACKET
            queue.extend([(number, now)] * packets)
            body.in_flight += packets * PACKET
            heapq.heappush(events, (now + pause_s(body.flow()), 2, number, 0.0))
        if queue and not busy:
            busy = True
            first, first_sent_s = queue[0]
            heapq.heappush(events, (now + packet_s, 0, first, first_sent_s))
    return longest, served * packet_s / (lasts_s / 2)


@pytest.mark.parametrize(
    ("bits_per_s", "base_s", "begins_s", "longest_s"),
    [
        (5e6, 0.002, [0.0], 0.075),
        (5e6, 0.002, [0.0, 0.0], 0.075),
        (5e6, 0.002, [0.0, 1.5], 0.075),
        (5e6, 0.002, [0.0, 0.0, 0.0, 0.0], 0.075),
        (20e6, 0.005, [0.0, 0.5], 0.075),
        (20e6, 0.005, [0.0, 0.5, 1.0, 1.5], 0.075),
        (5e6, 0.080, [0.0, 0.3], 0.075),
    ],
)
def test_a_link_is_full_and_its_queue_short(
    bits_per_s: float, base_s: float, begins_s: list[float], longest_s: float
) -> None:
    longest, used = run_link(bits_per_s, base_s, begins_s, lasts_s=6.0)
    assert longest < longest_s
    assert used > 0.95
