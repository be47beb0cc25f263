"""The decision who is alive, at its exact limits."""

from __future__ import annotations

import math

from appliance.box.channels.liveness import Beat, Edge
from tests.box.channels.test_liveness import TIMED_OUT, E, S, Table


def test_a_second_late_is_a_timeout_and_more_is_a_stalled_box() -> None:
    assert Table().due(31.0) == [TIMED_OUT]
    table = Table()
    table.watches.learn("cam2", S.ACTIVE, "heartbeat", 1, now_s=2.0)
    assert table.due(31.5) == [], "only what is due is put off"
    assert table.watches.next_deadline_s() == 32.0
    assert table.due(32.0) == [Edge("cam2", E.TIMEOUT, TIMED_OUT.reason)]
    assert table.due(32.5) == [TIMED_OUT]


def test_a_stalled_box_puts_off_a_deadline_of_this_very_instant_too() -> None:
    table = Table()
    table.watches.learn("cam2", S.ACTIVE, "heartbeat", 1, now_s=2.0)
    assert table.due(32.0) == [] and table.watches.next_deadline_s() == 33.0


def test_learn_returns_whether_the_next_deadline_may_have_moved() -> None:
    table = Table()
    assert not table.watches.learn("cam1", S.ACTIVE, "heartbeat", 2, now_s=5.0)
    assert not table.watches.learn("cam1", S.INACTIVE, "heartbeat", 2, now_s=5.0), "no newer than the known"
    assert table.watches.learn("cam1", S.INACTIVE, "heartbeat", 3, now_s=5.0)
    assert table.watches.learn("cam2", S.ACTIVE, "heartbeat", 0, now_s=5.0)
    assert table.watches.ids() == {"cam1", "cam2"}


def test_a_channel_in_error_is_looked_at_again_only_if_footage_can_end_it() -> None:
    assert Table(S.TIMED_OUT).watches.next_deadline_s() == math.inf
    table = Table(S.TIMED_OUT, "footage")
    assert table.watches.next_deadline_s() == 0.5
    assert table.due(0.5) == [] and table.watches.next_deadline_s() == 1.0
    assert Table(S.FAULTY, "footage").watches.next_deadline_s() == math.inf


def test_a_timeout_by_footage_looks_for_its_return_at_once() -> None:
    table = Table(liveness="footage")
    assert len(table.due(30.0)) == 1
    assert table.watches.next_deadline_s() == 30.5


def test_a_device_clock_set_back_by_no_more_than_the_timeout_may_be_a_late_heartbeat() -> None:
    table = Table()
    table.beat(10.0, sent_s=100.0, framerate=25.0)
    table.beat(11.0)
    table.beat(12.0, sent_s=70.0, framerate=50.0)
    assert table.watches.report("cam1")["framerate"] == 25.0
    table.beat(13.0, sent_s=69.999999, framerate=60.0)
    assert table.watches.report("cam1")["framerate"] == 60.0


def test_a_heartbeat_sent_at_the_time_of_the_newest_is_not_newer() -> None:
    table = Table()
    table.beat(10.0, sent_s=10.0, framerate=25.0)
    table.beat(11.0, sent_s=10.0, framerate=50.0)
    assert table.watches.report("cam1")["framerate"] == 25.0


def test_last_seen_stays_when_the_box_clock_is_set_back() -> None:
    table = Table()
    table.beat(10.0)
    table.watches.heard("cam1", Beat(), now_s=11.0, now_us=5_000_000)
    assert table.watches.report("cam1") == {"last_seen_us": 10_000_000, "heartbeat_us": 10_000_000}


def test_footage_is_reported_once_and_only_where_it_is_the_sign_of_life() -> None:
    table = Table()
    table.footage_age_s = 2.0
    table.watches.notice_footage(now_us=10_000_000)
    assert table.watches.take_dirty() == {}
    table = Table(liveness="footage")
    table.watches.notice_footage(now_us=10_000_000)
    assert table.watches.take_dirty() == {}, "no footage is known"
    for age_s, now_us, reported in (
        (2.0, 10_000_000, True),
        (3.0, 11_000_000, False),
        (2.0, 12_000_000, True),
    ):
        table.footage_age_s = age_s
        table.watches.notice_footage(now_us=now_us)
        assert bool(table.watches.take_dirty()) is reported


def test_a_forgotten_channel_is_neither_touched_reported_nor_put_back() -> None:
    table = Table()
    [edge] = table.due(30.0)
    table.beat(30.5)
    taken = table.watches.take_dirty()
    table.watches.forget("cam1")
    table.watches.forget("cam1")
    table.watches.touch("cam1", now_s=31.0)
    table.watches.undo_timeout(edge, now_s=31.0)
    table.watches.put_back(taken)
    assert (table.watches.ids(), table.watches.report("cam1"), table.watches.take_dirty()) == (set(), {}, {})


def test_only_a_timeout_that_still_stands_is_undone() -> None:
    table = Table()
    [edge] = table.due(30.0)
    table.watches.undo_timeout(Edge("cam1", E.FAULT, "reported"), now_s=31.0)
    assert table.watches.next_deadline_s() == math.inf
    table.commit(E.TIMEOUT, 31.0)
    table.commit(E.DEACTIVATE, 31.0)
    table.watches.undo_timeout(edge, now_s=31.0)
    assert table.watch_state is S.INACTIVE and table.watches.next_deadline_s() == math.inf


def test_the_next_deadline_is_the_earliest_of_all_channels() -> None:
    table = Table()
    table.watches.learn("cam2", S.ACTIVE, "heartbeat", 1, now_s=2.0)
    assert table.watches.next_deadline_s() == 30.0


def test_a_channel_without_heartbeats_reports_nothing() -> None:
    assert Table().watches.report("cam1") == {}


def test_a_heartbeat_does_not_put_a_deadline_on_a_channel_in_error() -> None:
    table = Table()
    table.due(30.0)
    table.beat(30.5)
    assert table.watches.next_deadline_s() == math.inf
