"""Sound of a clip whose pictures are moved closer together or further apart, from constructed tables."""

from __future__ import annotations

import resource
from array import array
from itertools import accumulate
from types import SimpleNamespace
from typing import Any, cast

import pytest

from appliance.media.cut import sound as tested
from appliance.media.cut.clip_time import ClipTime
from appliance.media.cut.sound import VideoStretch
from appliance.media.mp4.moof import track_run

VIDEO = 90_000
PACKET = 1024


def stretch(course: ClipTime | None, *, begin: int = 0, end: int = 10 * VIDEO, at: int = 0) -> VideoStretch:
    reader = cast(Any, SimpleNamespace(links=[SimpleNamespace(segment=SimpleNamespace(base_ns=0))]))
    return VideoStretch(reader, 0, (0, 0), (0, 0), begin, begin, end, at, [], course)


def added(rate: int, *parts: tuple[VideoStretch, int, list[int]]) -> Any:
    """The table after (stretch, first tick, durations of its packets) were added."""
    track = cast(Any, SimpleNamespace(timescale=rate))
    made = tested._Sound(track, None, bytearray())
    for each, tfdt, lasts in parts:
        sizes = array("I", [10] * len(lasts))
        run = track_run(2, tfdt, array("I", lasts), sizes, None, None, 100)
        packets = tested._Packets(0, 0, track, (rate, "mp4a", b""), run, 0, 0)
        tested._add_stretch(made, each, [packets], VIDEO)
    return made


FAST = ClipTime(102, 100)


def test_durations_of_a_hostile_file_take_no_memory() -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = added(48_000, (stretch(FAST), 0, [PACKET] * 100 + [0xFFFF_FFFF] * 50))
    assert len(made.sizes) <= 102
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 20_000


@pytest.mark.parametrize("rate", [1, 2, 4])
def test_a_sound_track_of_few_ticks_a_second_is_no_error(rate: int) -> None:
    assert added(rate, (stretch(FAST), 0, [1] * 10 * rate)).sizes


@pytest.mark.parametrize("gap_ms", [20, 30, 45, 60])
@pytest.mark.parametrize("course", [FAST, ClipTime(98, 100)])
def test_missing_sound_is_filled_and_not_played_twice(course: ClipTime, gap_ms: int) -> None:
    gap = 48 * gap_ms
    second = (94 * PACKET + gap) * VIDEO // 48_000
    lasts = [PACKET] * 94
    first = stretch(course, end=94 * PACKET * VIDEO // 48_000)
    behind = stretch(course, begin=second, end=2 * second, at=course.at(second))
    made = added(48_000, (first, 0, lasts), (behind, 94 * PACKET + gap, lasts))
    alone = added(48_000, (first, 0, lasts))
    assert cursor_of(made, len(alone.sizes)) == pytest.approx(48_000 * course.at(second) / VIDEO, abs=50)
    chunks = [chunk.offset for chunk in made.chunks[len(alone.chunks) :]]
    assert chunks[0] != chunks[1], "the first packet behind the hole once"


def test_a_hole_inside_a_part_is_filled_to_the_tick() -> None:
    lasts = [PACKET] * 50 + [PACKET * 4] + [PACKET] * 50
    made = added(48_000, (stretch(ClipTime(98, 100)), 0, lasts))
    behind = next(n for n, chunk in enumerate(made.chunks) if chunk.offset == 100 + 51 * 10)
    packets = sum(chunk.samples for chunk in made.chunks[:behind])
    assert cursor_of(made, packets) == pytest.approx(54 * PACKET * 100 / 98, abs=50)


def cursor_of(made: Any, packets: int) -> int:
    """Clip time at which the packet of this number begins."""
    return int(made.origin + list(accumulate(made.deltas, initial=0))[packets])
