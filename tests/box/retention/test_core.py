"""What is deleted, in which order, and what is never deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.box.recordings.model import StoredSegment
from appliance.box.retention.core import (
    FOR_EVER,
    ChannelStretch,
    Holds,
    OldClip,
    Pin,
    Reason,
    RetentionDecision,
    RetentionInput,
    RetentionLimits,
    Stretches,
    decide,
    hours_left,
    pause_s,
)

S = 1_000_000
MINUTE_US = 60 * S
DAY_US = 86_400 * S
NOW_US = 1_795_203_000 * S
LIMITS = RetentionLimits(
    min_free_bytes=0, reserve_bytes=0, raw_us=7 * DAY_US, clip_us=90 * DAY_US, guard_us=DAY_US // 2
)


def segment(age_min: float, size: int = 10, channel: str = "cam1", **more: Any) -> StoredSegment:
    """A minute of footage that ended this long ago."""
    end_us = NOW_US - round(age_min * MINUTE_US)
    fields = {
        "channel_id": channel,
        "name": f"{channel}/{age_min}.mp4",
        "start_us": end_us - MINUTE_US,
        "end_us": end_us,
        "written_us": end_us,
        "bytes": size,
        "is_growing": False,
    }
    return StoredSegment(**{**fields, **more})


def view(*footage: StoredSegment, free: int = 0, holds: Holds | None = None, **more: Any) -> RetentionInput:
    return RetentionInput(NOW_US, free, None, footage, more.pop("clips", ()), holds or Holds(), **more)


def gone(decision: RetentionDecision) -> list[tuple[str, str]]:
    return [(item.segment.name, item.reason.value) for item in decision.footage]


def old_clip(days: float, size: int = 10, **more: Any) -> OldClip:
    fields = {"clip_id": f"clip-{days}", "is_kept": False, "is_guarded": False}
    return OldClip(created_us=NOW_US - round(days * DAY_US), bytes=size, **{**fields, **more})


def spans(*stretches: tuple[str, int, int]) -> Stretches:
    return Stretches(ChannelStretch(*element) for element in stretches)


# -- by example -----------------------------------------------------------------------------------------


def test_raw_footage_is_deleted_after_raw_days_even_on_an_empty_disk() -> None:
    old, young = segment(7 * 24 * 60 + 1), segment(7 * 24 * 60 - 1)
    assert gone(decide(view(young, old, free=10**12), LIMITS)) == [(old.name, "raw_days")]


def test_a_copied_recording_is_as_old_as_its_copy() -> None:
    copied = segment(30 * 24 * 60, written_us=NOW_US - DAY_US)
    assert gone(decide(view(copied, free=10**12), LIMITS)) == []


def test_the_oldest_footage_of_all_cameras_is_deleted_first_and_no_more_than_needed() -> None:
    files = [segment(age, channel=f"cam{age % 2}") for age in range(1, 9)]
    decision = decide(view(*files, free=75), replace(LIMITS, min_free_bytes=100))
    assert gone(decision) == [(f"cam{age % 2}/{age}.mp4", "min_free_gb") for age in (8, 7, 6)]
    assert decision.short_bytes == 0
    assert decision.deletable_bytes == 50


def test_clips_are_deleted_only_when_no_raw_footage_can_be() -> None:
    clips = [
        old_clip(100),
        old_clip(120),
        old_clip(89),
        old_clip(200, is_kept=True),
        old_clip(200, is_guarded=True),
    ]
    limits = replace(LIMITS, min_free_bytes=25)
    decision = decide(view(segment(5), free=0, clips=clips), limits)
    assert gone(decision) == [(segment(5).name, "min_free_gb")]
    assert [clip.clip_id for clip in decision.clips] == ["clip-120", "clip-100"]
    assert decide(view(segment(5, 30), clips=clips), limits).clips == ()


def test_files_of_forgotten_clips_go_before_any_footage() -> None:
    clips = [
        old_clip(100),
        old_clip(2, is_forgotten=True, clip_id="b"),
        old_clip(1, is_forgotten=True, clip_id="c"),
        old_clip(3, is_forgotten=True, clip_id="a", is_guarded=True),
        old_clip(3, is_forgotten=True, clip_id="d", is_kept=True),
    ]
    decision = decide(view(segment(5), free=0, clips=clips), replace(LIMITS, min_free_bytes=15))
    assert [clip.clip_id for clip in decision.clips] == ["b", "c"] and gone(decision) == []
    decision = decide(view(segment(5), free=0, clips=clips), replace(LIMITS, min_free_bytes=25))
    assert [clip.clip_id for clip in decision.clips] == ["b", "c"]
    assert gone(decision) == [(segment(5).name, "min_free_gb")]


@pytest.mark.parametrize("limit", [{"min_free_bytes": 5}, {"reserve_bytes": 5}])
def test_no_file_is_written_for_a_forgotten_clip_to_free_its_recording(limit: dict[str, int]) -> None:
    pinned = segment(10)
    holds = Holds(pins={pinned.name: (Pin("forgotten", 1, True), Pin("watched", 1, True))})
    clips = [old_clip(1, 0, is_forgotten=True, clip_id="forgotten")]
    decision = decide(view(pinned, holds=holds, clips=clips), replace(LIMITS, **limit))
    assert [clip.clip_id for clip in decision.clips] == ["forgotten"] and decision.again
    assert [pin.clip_id for pin in decision.write_first] == ["watched"]
    assert gone(decision) == []


def test_a_recording_that_forgotten_clips_play_outlives_its_days_while_there_is_room() -> None:
    """When less than a file remains for each of them."""
    pinned = segment(8 * 24 * 60)
    holds = Holds(pins={pinned.name: (Pin("forgotten", 1, True),)})
    clips = [old_clip(8, 0, is_forgotten=True, clip_id="forgotten")]
    decision = decide(view(pinned, holds=holds, clips=clips, free=10**12), LIMITS)
    assert (gone(decision), decision.write_first, decision.clips) == ([], (), ())


def test_a_disk_of_the_clips_own_is_kept_free_by_clips_alone() -> None:
    limits = replace(LIMITS, min_free_bytes=25)
    crowded = replace(view(segment(5), free=1000, clips=[old_clip(100), old_clip(120)]), clips_free_bytes=20)
    decision = decide(crowded, limits)
    assert gone(decision) == []
    assert [clip.clip_id for clip in decision.clips] == ["clip-120"]
    roomy = replace(crowded, free_bytes=0, clips_free_bytes=1000)
    assert decide(roomy, limits).clips == ()
    assert gone(decide(roomy, limits)) == [(segment(5).name, "min_free_gb")]


def test_footage_of_a_session_stays_until_the_reserve_is_touched() -> None:
    game = Holds(sessions=spans(("cam1", NOW_US - 10 * MINUTE_US, FOR_EVER)))
    inside, before, other = segment(3), segment(20), segment(4, channel="cam2")
    aim = replace(LIMITS, min_free_bytes=100, reserve_bytes=50)
    decision = decide(view(inside, before, other, free=30, holds=game), aim)
    assert gone(decision) == [(before.name, "min_free_gb"), (other.name, "min_free_gb")]
    assert decision.short_bytes == 50
    assert gone(decide(view(inside, before, other, free=20, holds=game), aim))[-1] == (
        inside.name,
        "reserve_gb",
    )


def test_a_clip_without_a_file_is_written_before_its_footage_is_deleted() -> None:
    pinned, younger, oldest = segment(9), segment(8), segment(10)
    pin = Pin("clip", 2, True)
    holds = Holds(pins={pinned.name: (pin,)})
    aim = replace(LIMITS, min_free_bytes=20, reserve_bytes=15)
    decision = decide(view(younger, pinned, oldest, holds=holds), aim)
    assert gone(decision) == [(oldest.name, "min_free_gb")]
    assert decision.write_first == (pin,)
    stuck = decide(view(younger, pinned, oldest, holds=holds, unwritable=frozenset({("clip", 2)})), aim)
    assert gone(stuck) == [(oldest.name, "min_free_gb"), (younger.name, "min_free_gb")]
    assert stuck.write_first == ()


def test_the_source_of_a_clip_that_cannot_be_written_stays_whatever_happens() -> None:
    pinned = segment(10)
    holds = Holds(pins={pinned.name: (Pin("clip", 1, True),)})
    aim = replace(LIMITS, min_free_bytes=100, reserve_bytes=100, raw_us=0)
    assert gone(decide(view(pinned, holds=holds, unwritable=frozenset({("clip", 1)})), aim)) == []


def test_a_cut_that_was_replaced_is_spared_but_not_at_the_price_of_the_reserve() -> None:
    spared = segment(10)
    holds = Holds(pins={spared.name: (Pin("clip", 1, False),)})
    assert gone(decide(view(spared, holds=holds), replace(LIMITS, min_free_bytes=5))) == []
    assert gone(decide(view(spared, holds=holds), replace(LIMITS, reserve_bytes=5))) == [
        (spared.name, "reserve_gb")
    ]


def test_no_clip_is_written_for_footage_that_stays_anyway() -> None:
    pinned = segment(10)
    holds = Holds(pins={pinned.name: (Pin("clip", 1, True),)}, sessions=spans(("cam1", 0, FOR_EVER)))
    assert decide(view(pinned, holds=holds), replace(LIMITS, min_free_bytes=5)).write_first == ()


def test_an_empty_file_overlaps_the_stretch_that_contains_its_start() -> None:
    empty = segment(5, end_us=segment(5).start_us)
    assert spans(("cam1", empty.start_us, empty.start_us + 1)).touch(empty)
    assert not spans(("cam1", empty.start_us + 1, FOR_EVER)).touch(empty)
    assert not spans(("cam1", 0, empty.start_us), ("cam2", 0, FOR_EVER)).touch(empty)


@pytest.mark.parametrize(("rate", "hours"), [(0.0, None), (1.0, 2.0), (2.0, 1.0)])
def test_hours_left_count_what_may_be_deleted(rate: float, hours: float | None) -> None:
    assert hours_left(5400, 1800, rate) == hours


@pytest.mark.parametrize(
    ("spare", "rate", "pause"),
    [(0, 0.5, 2.0), (20_000, 1000.0, 5.0), (-1, 1000.0, 2.0), (10**9, 1000.0, 10.0), (0, 0.0, 10.0)],
)
def test_a_fast_stream_on_a_small_disk_is_looked_at_sooner(spare: int, rate: float, pause: float) -> None:
    assert pause_s(spare, rate) == pause


# -- by property ----------------------------------------------------------------------------------------

channels = st.sampled_from(["cam1", "cam2"])
ages_min = st.integers(0, 20)


@st.composite
def segments(draw: st.DrawFn) -> list[StoredSegment]:
    result = {}
    for number in range(draw(st.integers(0, 12))):
        age, channel = draw(ages_min), draw(channels)
        name = f"{channel}/{age}-{number}.mp4"
        growing = draw(st.integers(0, 9)) == 0
        result[name] = segment(age, draw(st.integers(0, 30)), channel, name=name, is_growing=growing)
    return list(result.values())


@st.composite
def stretches(draw: st.DrawFn) -> Stretches:
    results = []
    for _ in range(draw(st.integers(0, 3))):
        start_us = NOW_US - draw(ages_min) * MINUTE_US
        results.append(
            ChannelStretch(draw(channels), start_us, start_us + draw(st.integers(0, 5)) * MINUTE_US)
        )
    return Stretches(results)


@st.composite
def views(draw: st.DrawFn) -> RetentionInput:
    footage = draw(segments())
    pins: dict[str, tuple[Pin, ...]] = {}
    for segment in footage:
        if draw(st.integers(0, 4)) == 0:
            pins[segment.name] = (Pin(f"clip-{segment.name}", 1, draw(st.booleans())),)
    condemned = frozenset(segment.name for segment in footage if draw(st.integers(0, 9)) == 0)
    every_pin = sorted({pin[:2] for each in pins.values() for pin in each})
    clips = [
        old_clip(
            draw(st.integers(0, 30)),
            draw(st.integers(0, 30)),
            clip_id=str(number),
            is_kept=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 5)))
    ]
    clips = [replace(clip, is_guarded=draw(st.booleans())) for clip in clips]
    return RetentionInput(
        now_us=NOW_US,
        free_bytes=draw(st.integers(0, 100)),
        clips_free_bytes=draw(st.none() | st.integers(0, 100)),
        footage=footage,
        clips=clips,
        holds=Holds(draw(stretches()), draw(stretches()), pins, condemned),
        unwritable=frozenset(pin for pin in every_pin if draw(st.booleans())),
    )


limits = st.builds(
    RetentionLimits,
    min_free_bytes=st.integers(0, 200),
    reserve_bytes=st.integers(0, 120),
    raw_us=st.integers(1, 25).map(lambda minutes: minutes * MINUTE_US),
    clip_us=st.integers(1, 30).map(lambda days: days * DAY_US),
    guard_us=st.just(0),
)


@given(views(), limits)
def test_nothing_that_must_stay_is_ever_deleted(seen: RetentionInput, given_limits: RetentionLimits) -> None:
    decision = decide(seen, given_limits)
    for entry, reason in decision.footage:
        assert not entry.is_growing
        assert not seen.holds.unfinished.touch(entry)
        assert entry.name not in seen.holds.condemned
        assert not any(pin.is_needed for pin in seen.holds.pins.get(entry.name, ()))
        if reason is not Reason.RESERVE:
            assert not seen.holds.sessions.touch(entry)
            assert entry.name not in seen.holds.pins
    for clip in decision.clips:
        assert not clip.is_kept and not clip.is_guarded
        assert clip.created_us <= NOW_US - given_limits.clip_us


@given(views(), limits)
def test_each_file_is_deleted_once_and_for_a_valid_reason(
    seen: RetentionInput, given_limits: RetentionLimits
) -> None:
    decision = decide(seen, given_limits)
    names = [deletion.segment.name for deletion in decision.footage]
    assert len(names) == len(set(names))
    free = seen.free_bytes
    for segment, reason in decision.footage:
        if reason is Reason.RAW_DAYS:
            assert max(segment.end_us, segment.written_us) <= NOW_US - given_limits.raw_us
        elif reason is Reason.MIN_FREE:
            assert free < given_limits.min_free_bytes, "it stops as soon as the aim is met"
        free += segment.bytes
    freed_by_clips = sum(clip.bytes for clip in decision.clips) if seen.clips_free_bytes is None else 0
    reserve = [deletion for deletion in decision.footage if deletion.reason is Reason.RESERVE]
    before = free + freed_by_clips - sum(deletion.segment.bytes for deletion in reserve)
    for doomed in reserve:
        assert before < given_limits.reserve_bytes, "it stops as soon as the reserve is whole"
        before += doomed.segment.bytes


@given(views(), limits)
def test_for_space_the_oldest_deletable_footage_is_deleted_first(
    seen: RetentionInput, given_limits: RetentionLimits
) -> None:
    decision = decide(seen, given_limits)
    doomed = {deletion.segment.name for deletion in decision.footage}
    in_session = seen.holds.sessions.touch
    for reason in (Reason.MIN_FREE, Reason.RESERVE):
        going = [deletion.segment for deletion in decision.footage if deletion.reason is reason]
        for segment in seen.footage:
            # for the reserve, footage of sessions is deleted after all other
            after = [other for other in going if in_session(other) or not in_session(segment)]
            if segment.name not in doomed and any(segment.end_us < other.end_us for other in after):
                assert not seen.holds.allow(segment, reason), "an older one was passed over"


def test_for_the_reserve_footage_of_a_running_session_is_deleted_last() -> None:
    game = Holds(sessions=spans(("cam1", NOW_US - 10 * MINUTE_US, FOR_EVER)))
    inside, other = segment(9), segment(3, channel="cam2")
    aim = replace(LIMITS, reserve_bytes=25)
    assert gone(decide(view(inside, other, free=15, holds=game), aim)) == [(other.name, "reserve_gb")]
    assert gone(decide(view(inside, other, free=6, holds=game), aim)) == [
        (other.name, "reserve_gb"),
        (inside.name, "reserve_gb"),
    ]


@pytest.mark.parametrize(
    ("field", "reason"), [("reserve_bytes", "reserve_gb"), ("min_free_bytes", "min_free_gb")]
)
def test_a_limit_that_everything_deleted_would_not_meet_deletes_nothing(field: str, reason: str) -> None:
    gb = 10**9
    files = [segment(age, 5 * gb) for age in range(1, 9)]
    wrong = decide(view(*files, free=20 * gb), replace(LIMITS, **{field: 61 * gb}))
    assert gone(wrong) == [] and wrong.unmet == (reason,)
    crowded = decide(view(*files, free=gb // 2), replace(LIMITS, **{field: 61 * gb}))
    assert gone(crowded) == [(files[-1].name, reason)], "a recorder still gets its room"
    met = decide(view(*files, free=20 * gb), replace(LIMITS, **{field: 60 * gb}))
    assert len(gone(met)) == 8 and met.unmet == ()


@given(views(), limits)
def test_more_is_left_undone_only_when_nothing_more_may_go(
    seen: RetentionInput, given_limits: RetentionLimits
) -> None:
    decision = decide(seen, given_limits)
    if decision.write_first:
        return
    doomed = {deletion.segment.name for deletion in decision.footage}
    left = [segment for segment in seen.footage if segment.name not in doomed]
    free = seen.free_bytes + sum(deletion.segment.bytes for deletion in decision.footage)
    if seen.clips_free_bytes is None:
        free += sum(clip.bytes for clip in decision.clips)
    if free < given_limits.min_free_bytes:
        assert all(seen.holds.held(segment) for segment in left)
        assert decision.deletable_bytes == 0
    if free < given_limits.reserve_bytes:
        assert all(seen.holds.needed(segment) for segment in left)
    assert decision.short_bytes == max(0, given_limits.min_free_bytes - free)


@given(views(), limits)
@settings(max_examples=50)
def test_writing_clips_first_comes_to_an_end(seen: RetentionInput, given_limits: RetentionLimits) -> None:
    for _ in range(1 + len(seen.footage)):
        decision = decide(seen, given_limits)
        if not decision.write_first:
            return
        assert not {pin[:2] for pin in decision.write_first} & seen.unwritable
        refused = frozenset(pin[:2] for pin in decision.write_first)
        seen = replace(seen, unwritable=seen.unwritable | refused)
    raise AssertionError("it asks for ever")
