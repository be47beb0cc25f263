"""Which plays share video."""

from __future__ import annotations

from appliance.box.datasets.model import Play
from appliance.box.datasets.plays.overlaps import overlap_groups


def test_plays_that_share_video_are_one_group_and_those_that_touch_are_not() -> None:  # T19
    times = {"a": (0, 10), "b": (2, 3), "c": (9, 12), "d": (12, 15), "e": (20, 21)}
    plays = [
        Play(id=name, game_id="g", angle="LEFT", start_s=start, end_s=end)
        for name, (start, end) in reversed(times.items())
    ]
    assert overlap_groups(plays) == [("a", "b", "c"), ("d",), ("e",)]
    assert overlap_groups([]) == []
