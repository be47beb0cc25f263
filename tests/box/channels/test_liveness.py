"""The pure core: events and their consequences in readable form."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.box.channels.liveness import Beat, Edge, Watches
from appliance.box.channels.machine import CHANNEL, ChannelEvent, ChannelState

S, E = ChannelState, ChannelEvent
TIMED_OUT = Edge("cam1", E.TIMEOUT, "no heartbeat for 30 seconds")


class Table:
    """One channel "cam1", its row, and time set by the test."""

    def __init__(
        self, state: ChannelState = S.ACTIVE, liveness: str = "heartbeat", *, outside: bool = False
    ) -> None:
        self.footage_age_s: float | None = None
        self.watches = Watches(30.0, lambda channel_id: self.footage_age_s, footage_from_outside=outside)
        self.state, self.liveness, self.rev = state, liveness, 1
        self.watches.learn("cam1", state, liveness, 1, now_s=0.0)

    def beat(
        self, at_s: float, ok: bool | None = None, sent_s: float | None = None, **figures: Any
    ) -> Edge | None:
        sent_us = None if sent_s is None else int(sent_s * 1e6)
        return self.watches.heard("cam1", Beat(ok, sent_us, figures), now_s=at_s, now_us=int(at_s * 1e6))

    def due(self, at_s: float) -> list[Edge]:
        return self.watches.due(now_s=at_s)

    def commit(self, event: ChannelEvent, at_s: float) -> None:
        """The closure of an edge or a command: the row changes, and the core is informed."""
        self.state = CHANNEL.next(self.state, event)
        self.rev += 1
        self.watches.learn("cam1", self.state, self.liveness, self.rev, now_s=at_s)

    @property
    def watch_state(self) -> ChannelState:
        watch = self.watches.get("cam1")
        assert watch is not None
        return watch.state


def test_silence_is_an_error_after_thirty_seconds_and_is_reported_once() -> None:  # V27
    table = Table()
    assert table.beat(100.0) is None
    assert table.due(129.9) == []
    assert table.due(130.1) == [TIMED_OUT]
    assert table.due(130.2) == []
    table.commit(E.TIMEOUT, 130.2)
    assert table.due(1000.0) == []
    assert table.watches.next_deadline_s() == math.inf


@pytest.mark.parametrize("rev", [0, 1])
def test_a_stale_row_does_not_undo_a_timeout(rev: int) -> None:
    """The heartbeat was read before the timeout is written: the channel would look alive for another 30 s."""
    table = Table()
    assert table.due(30.0) == [TIMED_OUT]
    assert not table.watches.learn("cam1", S.ACTIVE, "heartbeat", rev, now_s=30.0)
    assert table.watch_state is S.TIMED_OUT and table.due(1000.0) == []


def test_any_heartbeat_ends_a_timeout() -> None:  # V27
    table = Table()
    table.due(30.0)
    table.commit(E.TIMEOUT, 30.0)
    assert table.beat(40.0) == Edge("cam1", E.HEARTBEAT, "heartbeat")
    table.commit(E.HEARTBEAT, 40.0)
    assert table.due(69.9) == []
    assert table.due(70.1) == [TIMED_OUT]


def test_a_heartbeat_while_its_timeout_is_being_written_still_ends_it() -> None:
    table = Table()
    table.due(30.0)
    assert table.beat(30.01) == Edge("cam1", E.HEARTBEAT, "heartbeat")
    table.commit(E.TIMEOUT, 30.02)
    table.commit(E.HEARTBEAT, 30.02)
    assert table.watch_state is S.ACTIVE


def test_a_start_gives_every_active_channel_a_full_timeout() -> None:  # V30
    table = Table()
    assert table.watches.next_deadline_s() == 30.0
    assert table.due(29.9) == []
    assert table.due(30.1) == [TIMED_OUT]


def test_a_heartbeat_on_an_inactive_channel_is_accepted_and_changes_nothing() -> None:  # V30
    table = Table(S.INACTIVE)
    assert table.beat(5.0, ok=True) is None
    assert table.watches.report("cam1") == {"last_seen_us": 5_000_000, "heartbeat_us": 5_000_000}
    assert table.watches.next_deadline_s() == math.inf


def test_a_reported_fault_ends_by_ok_and_not_by_a_sign_of_life() -> None:  # V30
    table = Table(S.FAULTY)
    assert table.beat(1.0) is None
    assert table.beat(2.0, ok=False) is None
    assert table.beat(3.0, ok=True) == Edge("cam1", E.HEARTBEAT_OK, "heartbeat")


def test_an_old_ok_does_not_end_a_fault() -> None:
    table = Table(S.ACTIVE)
    table.beat(10.0, ok=True, sent_s=10.0)
    table.commit(E.FAULT, 11.0)
    assert table.beat(12.0, ok=True, sent_s=10.0) is None  # delivered twice
    assert table.beat(12.0, ok=True, sent_s=9.0) is None  # out of order
    assert table.beat(13.0, ok=True, sent_s=13.0) is not None


def test_a_set_back_device_clock_does_not_silence_its_figures() -> None:
    table = Table()
    table.beat(10.0, sent_s=5000.0, framerate=25.0)
    table.beat(15.0, sent_s=4999.0, framerate=50.0)
    assert table.watches.report("cam1")["framerate"] == 25.0
    table.beat(20.0, sent_s=20.0, framerate=60.0)
    assert table.watches.report("cam1")["framerate"] == 60.0


def test_activation_gives_a_full_timeout_from_then() -> None:  # V30
    table = Table(S.INACTIVE)
    table.commit(E.ACTIVATE, 100.0)
    assert table.watches.next_deadline_s() == 130.0


def test_a_change_without_a_transition_does_not_extend_the_timeout() -> None:
    table = Table()
    table.watches.learn("cam1", S.ACTIVE, "heartbeat", 2, now_s=20.0)  # a PATCH of the name
    assert table.due(30.1) == [TIMED_OUT]


def test_an_older_row_is_ignored() -> None:
    table = Table()
    table.watches.learn("cam1", S.INACTIVE, "heartbeat", 3, now_s=1.0)
    table.watches.learn("cam1", S.ACTIVE, "heartbeat", 2, now_s=2.0)
    assert table.watch_state is S.INACTIVE


def test_a_timeout_that_could_not_be_written_is_decided_again() -> None:
    table = Table()
    [edge] = table.due(30.0)
    table.watches.undo_timeout(edge, now_s=30.5)
    assert table.due(31.4) == []
    assert table.due(31.5) == [TIMED_OUT]


def test_a_timeout_that_could_not_be_written_is_dropped_when_the_channel_was_heard_meanwhile() -> None:
    table = Table()
    [edge] = table.due(30.0)
    table.beat(30.2)
    table.watches.undo_timeout(edge, now_s=30.5)
    assert table.watches.next_deadline_s() == 60.2


def test_after_a_stall_waiting_heartbeats_are_read_before_a_timeout() -> None:
    table = Table()
    assert table.due(75.0) == []  # woken 45 s late
    assert table.watches.next_deadline_s() == 76.0
    assert table.beat(75.1) is None
    assert table.due(76.0) == []
    assert table.due(105.2) == [TIMED_OUT]


# -- channels whose liveness comes from footage -------------------------------------------------------------


def test_footage_keeps_a_channel_alive_and_its_end_is_noticed_after_thirty_seconds() -> None:
    table = Table(liveness="footage")
    table.footage_age_s = 12.0
    assert table.due(30.0) == []
    assert table.watches.next_deadline_s() == 48.0  # 30 s after the newest part
    table.footage_age_s = 30.0
    assert table.due(48.0) == [Edge("cam1", E.TIMEOUT, "no footage for 30 seconds")]


def test_returning_footage_ends_the_error() -> None:
    table = Table(liveness="footage")
    table.due(30.0)
    table.commit(E.TIMEOUT, 30.0)
    assert table.due(30.5) == []
    table.footage_age_s = 0.2
    assert table.due(31.0) == [Edge("cam1", E.FOOTAGE, "footage")]
    table.commit(E.FOOTAGE, 31.0)
    assert table.watch_state is S.ACTIVE


def test_a_heartbeat_of_a_footage_channel_is_only_information() -> None:
    table = Table(liveness="footage")
    assert table.beat(29.0, resolution="1280x720") is None
    assert [edge.event for edge in table.due(30.0)] == [E.TIMEOUT]
    table.commit(E.TIMEOUT, 30.0)
    assert table.beat(31.0) is None
    assert table.beat(32.0, ok=True) is None
    assert table.watches.report("cam1")["resolution"] == "1280x720"


def test_footage_does_not_end_a_reported_fault_but_ok_does() -> None:
    table = Table(S.FAULTY, "footage")
    table.footage_age_s = 0.1
    assert table.due(100.0) == []
    assert table.beat(101.0, ok=True) == Edge("cam1", E.REPORT_OK, "heartbeat")


def test_footage_moves_last_seen_of_the_channels_that_live_by_it() -> None:
    table = Table(liveness="footage")
    table.footage_age_s = 2.0
    table.watches.notice_footage(now_us=10_000_000)
    assert table.watches.take_dirty() == {"cam1": {"last_seen_us": 8_000_000}}
    table.footage_age_s = 7.0
    table.watches.notice_footage(now_us=15_000_000)
    assert table.watches.take_dirty() == {}


# -- state between two flushes ----------------------------------------------------------------------


def test_reports_are_taken_once_and_put_back_when_they_could_not_be_written() -> None:
    table = Table()
    assert table.watches.take_dirty() == {}
    table.beat(1.0, framerate=25.0)
    taken = table.watches.take_dirty()
    assert taken == {"cam1": {"last_seen_us": 1_000_000, "heartbeat_us": 1_000_000, "framerate": 25.0}}
    assert table.watches.take_dirty() == {}
    table.watches.put_back(taken)
    assert table.watches.take_dirty() == taken


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.randoms())
def test_shuffled_and_repeated_heartbeats_leave_the_newest_report(
    numbers: list[int], random: Any
) -> None:  # V04
    delivered = numbers + numbers
    random.shuffle(delivered)
    table = Table()
    seen = []
    for at, number in enumerate(delivered):
        table.beat(float(at), sent_s=float(number), dropped_frames=number)
        seen.append(table.watches.report("cam1")["last_seen_us"])
    assert table.watches.report("cam1")["dropped_frames"] == max(numbers)
    assert seen == sorted(seen)


@given(st.lists(st.floats(0.01, 45.0), max_size=30))
def test_edges_alternate_whatever_the_gaps_between_heartbeats(gaps: list[float]) -> None:  # V27
    """One edge per transition: never two timeouts in a row, one for each gap of thirty seconds or more."""
    table, at, edges = Table(), 0.0, []
    for gap in gaps:
        until = at + gap
        while (deadline := table.watches.next_deadline_s()) <= until:
            for edge in table.due(deadline):
                edges.append(edge.event)
                table.commit(edge.event, deadline)
        at = until
        back = table.beat(at)
        if back is not None:
            edges.append(back.event)
            table.commit(back.event, at)
    long = sum(1 for gap in gaps if gap >= 30.0)
    assert edges == [E.TIMEOUT, E.HEARTBEAT] * long


def test_footage_from_outside_keeps_a_channel_alive_until_its_first_heartbeat() -> None:
    table = Table(outside=True)
    table.footage_age_s = 0.1
    assert table.due(30.1) == [] and table.due(60.1) == []
    table.footage_age_s = 30.5
    assert table.due(90.1) == [Edge("cam1", E.TIMEOUT, "no footage and no heartbeat for 30 seconds")]
    table.commit(E.TIMEOUT, 90.1)
    table.footage_age_s = 0.1
    assert [edge.event for edge in table.due(91.0)] == [E.FOOTAGE]
    table.commit(E.FOOTAGE, 91.0)
    assert table.beat(100.0) is None
    assert table.due(130.1) == [TIMED_OUT], "from its first heartbeat on they are its sign of life"


def test_footage_of_the_embedded_recorder_does_not_affect_a_channel_with_heartbeats() -> None:
    table = Table()
    table.footage_age_s = 0.1
    assert table.due(30.1) == [TIMED_OUT]


def test_a_heartbeat_of_an_earlier_life_still_counts_as_one() -> None:
    watches = Watches(30.0, lambda channel_id: 0.1, footage_from_outside=True)
    watches.learn("cam1", S.ACTIVE, "heartbeat", 1, now_s=0.0, beat_us=5)
    assert watches.due(now_s=30.1) == [TIMED_OUT]


def test_liveness_changed_while_silent_is_followed_at_once() -> None:
    table = Table(outside=True)
    table.beat(1.0)
    table.footage_age_s = 0.1
    assert table.due(31.1) == [TIMED_OUT]
    table.commit(E.TIMEOUT, 31.1)
    table.rev, table.liveness = table.rev + 1, "footage"
    table.watches.learn("cam1", table.state, "footage", table.rev, now_s=32.0)
    assert [edge.event for edge in table.due(32.6)] == [E.FOOTAGE]
