"""Fragments without a start time."""

from __future__ import annotations

from array import array

from appliance.media.mp4.moof import TrackRun, track_run
from appliance.media.mp4.untimed import go_on, is_untimed


def run(track: int, tfdt: int, *durations: int, timed: bool = False) -> TrackRun:
    sizes = array("I", [1] * len(durations))
    return track_run(track, tfdt, array("I", durations), sizes, None, None, 0, is_timed=timed)


def test_each_track_goes_on_where_it_ended() -> None:
    runs, ends = go_on([run(1, 0, 10, 10), run(2, 0, 7)], {})
    assert [each.tfdt for each in runs] == [0, 0]
    runs, ends = go_on([run(2, 0, 7), run(1, 0, 10), run(1, 10, 10)], ends)
    assert [(each.track_id, each.tfdt) for each in runs] == [(2, 7), (1, 20), (1, 30)]
    assert ends == {1: 40, 2: 14}


def test_a_time_that_is_reported_counts() -> None:
    timed_run = run(1, 500, 10, timed=True)
    assert not is_untimed([timed_run]) and is_untimed([timed_run, run(2, 0, 7)])
    runs, ends = go_on([timed_run, run(2, 0, 7)], {1: 20, 2: 14})
    assert [item.tfdt for item in runs] == [500, 14]
    assert ends == {1: 510, 2: 21}
