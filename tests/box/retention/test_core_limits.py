"""What is deleted when a limit is met exactly, and what stays for more than one reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.box.recordings.model import StoredSegment
from appliance.box.retention.core import FOR_EVER, Holds, Pin, Reason, decide
from tests.box.retention.test_core import (
    DAY_US,
    LIMITS,
    NOW_US,
    S,
    gone,
    old_clip,
    segment,
    spans,
    view,
)


def test_overlapping_stretches_count_as_one() -> None:
    joined = spans(
        *[("cam1", NOW_US + start * S, NOW_US + end * S) for start, end in ((0, 100), (10, 20))],
        *[("cam1", NOW_US + start * S, NOW_US + end * S) for start, end in ((200, 300), (250, 260))],
        *[("cam1", NOW_US + start * S, NOW_US + end * S) for start, end in ((400, 500), (450, 600))],
    )

    def touched(start_s: int, end_s: int) -> bool:
        start_us, end_us = NOW_US + start_s * S, NOW_US + end_s * S
        return joined.touch(segment(0, start_us=start_us, end_us=end_us))

    inside = [(50, 60), (99, 101), (270, 280), (550, 560)]
    assert [touched(*each) for each in inside] == [True] * 4
    assert [touched(*each) for each in [(100, 200), (300, 400), (600, 700), (-9, 0)]] == [False] * 4


def test_footage_that_ended_exactly_as_long_ago_as_the_limit_is_deleted() -> None:
    assert gone(decide(view(segment(7 * 24 * 60), free=10**12), LIMITS)) == [
        (segment(10080).name, "raw_days")
    ]
    decision = decide(view(clips=[old_clip(90)]), replace(LIMITS, min_free_bytes=5))
    assert [clip.clip_id for clip in decision.clips] == ["clip-90"]


def test_a_copy_made_lately_does_not_keep_the_footage_after_it() -> None:
    copied, expired = segment(30 * 24 * 60, written_us=NOW_US - DAY_US), segment(8 * 24 * 60)
    assert gone(decide(view(copied, expired, free=10**12), LIMITS)) == [(expired.name, "raw_days")]


def test_nothing_is_deleted_for_a_limit_that_is_met_exactly() -> None:
    forgotten, old = old_clip(1, is_forgotten=True), old_clip(100)
    aim = replace(LIMITS, min_free_bytes=15)
    assert decide(view(segment(5), free=15, clips=[forgotten, old]), aim).clips == ()
    own_disk = replace(view(segment(5), free=15, clips=[forgotten, old]), clips_free_bytes=15)
    assert decide(own_disk, aim).clips == ()
    assert gone(decide(own_disk, aim)) == []


def test_footage_written_when_its_channel_was_met_does_not_wait() -> None:
    expired = segment(8 * 24 * 60)

    def decided(met_us: int) -> list[tuple[str, str]]:
        return gone(decide(view(expired, free=10**12, holds=Holds(met_us={"cam1": met_us})), LIMITS))

    assert decided(expired.written_us) == [(expired.name, "raw_days")]
    assert decided(expired.written_us + 1) == []


def test_clips_of_the_same_disk_count_for_what_it_could_have_free() -> None:
    gb = 10**9
    full = view(segment(5, 10 * gb), free=10 * gb, clips=[old_clip(1, 5 * gb), old_clip(2, 5 * gb)])
    aim = replace(LIMITS, min_free_bytes=30 * gb)
    assert decide(full, aim).unmet == ()
    assert decide(full, replace(aim, min_free_bytes=30 * gb + 1)).unmet == (Reason.MIN_FREE,)
    own_disk = replace(full, clips_free_bytes=100 * gb)
    assert decide(own_disk, replace(aim, min_free_bytes=20 * gb)).unmet == ()
    assert decide(own_disk, replace(aim, min_free_bytes=20 * gb + 1)).unmet == (Reason.MIN_FREE,)


def test_no_clip_is_deleted_while_files_of_others_are_still_to_be_written() -> None:
    pinned, pin = segment(9), Pin("clip", 2, True)
    holds = Holds(pins={pinned.name: (pin,)})
    decision = decide(view(pinned, holds=holds, clips=[old_clip(100)]), replace(LIMITS, min_free_bytes=20))
    assert (decision.write_first, decision.clips) == ((pin,), ())


def test_the_clips_of_footage_whose_days_are_over_get_files_first() -> None:
    pinned, pin = segment(8 * 24 * 60), Pin("clip", 2, True)
    decision = decide(view(pinned, free=10**12, holds=Holds(pins={pinned.name: (pin,)})), LIMITS)
    assert (gone(decision), decision.write_first) == ([], (pin,))


def test_only_so_many_clips_are_written_before_the_next_decision() -> None:
    pinned = segment(9)
    pins = tuple(Pin(f"clip-{number}", 1, True) for number in range(20))
    decision = decide(view(pinned, holds=Holds(pins={pinned.name: pins})), replace(LIMITS, min_free_bytes=5))
    assert decision.write_first == pins[:16]


def test_on_a_disk_of_the_clips_own_forgotten_ones_go_before_older_ones() -> None:
    clips = [old_clip(100), old_clip(2, is_forgotten=True, clip_id="forgotten")]
    decision = decide(replace(view(clips=clips), clips_free_bytes=20), replace(LIMITS, min_free_bytes=25))
    assert [clip.clip_id for clip in decision.clips] == ["forgotten"]


PINNED = segment(9)
NEEDED = Pin("clip", 1, True)
STAYS: dict[str, tuple[StoredSegment, Holds, frozenset[tuple[str, int]]]] = {
    "it grows": (replace(PINNED, is_growing=True), Holds(pins={PINNED.name: (NEEDED,)}), frozenset()),
    "it is condemned already": (
        PINNED,
        Holds(pins={PINNED.name: (NEEDED,)}, condemned=frozenset({PINNED.name})),
        frozenset(),
    ),
    "a clip is still to be cut": (
        PINNED,
        Holds(pins={PINNED.name: (NEEDED,)}, unfinished=spans(("cam1", 0, FOR_EVER))),
        frozenset(),
    ),
    "a cut that was replaced keeps it": (
        PINNED,
        Holds(pins={PINNED.name: (NEEDED, Pin("other", 1, False))}),
        frozenset(),
    ),
    "one of its clips cannot be written": (
        PINNED,
        Holds(pins={PINNED.name: (NEEDED, Pin("other", 1, True))}),
        frozenset({("other", 1)}),
    ),
}


@pytest.mark.parametrize("case", STAYS)
def test_no_file_is_written_where_the_footage_stays_for_another_reason(case: str) -> None:
    footage, holds, unwritable = STAYS[case]
    decision = decide(view(footage, holds=holds, unwritable=unwritable), replace(LIMITS, min_free_bytes=5))
    assert (gone(decision), decision.write_first) == ([], ())
