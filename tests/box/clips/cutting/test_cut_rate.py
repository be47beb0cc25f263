"""Detection of clips that are cut too often."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from appliance.box.clips.cutting.cut_rate import CutRate


async def test_more_than_three_cuts_in_a_minute_are_too_many(autojump_clock: MockClock) -> None:
    rate = CutRate()
    for _ in range(3):
        rate.note("a", "wish")
        await trio.sleep(10)
    rate.note("b", "wish")
    assert rate.too_often() == {}
    rate.note("a", "wish")
    assert rate.too_often() == {"a": 4}
    await trio.sleep(31)
    assert rate.too_often() == {}, "the first two are more than a minute ago"


async def test_frequent_trims_by_a_person_are_not_reported(autojump_clock: MockClock) -> None:
    rate = CutRate()
    for length in range(10):
        rate.note("a", length)
    assert rate.too_often() == {}


async def test_cuts_older_than_a_minute_do_not_count(autojump_clock: MockClock) -> None:
    rate = CutRate()
    for number in range(500):
        rate.note(str(number), "wish")
        await trio.sleep(1)
    assert len(rate._clips) <= 61
