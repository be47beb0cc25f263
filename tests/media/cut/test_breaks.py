"""Real breaks in a clip's video: lost frames, as opposed to a camera that slows down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest

from appliance.media.cut.frames import plan_frames
from tests.kit.barcode import Media, encode, play
from tests.kit.fmp4_file import Recordings
from tests.media.cut.test_plan import LATENCY_US, ROUNDING_US, at_us, plan_us


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def paced(media: Media, waits: Sequence[int]) -> Media:
    """The media (without B-frames) with these ticks between its pictures."""
    starts = list(accumulate(waits, initial=0))
    frames = [
        frame._replace(dts=starts[n], pts=starts[n], duration=waits[n])
        for n, frame in enumerate(media.frames[: len(waits)])
    ]
    return replace(media, frames=frames)


def middle(times: Sequence[int], place: int) -> int:
    """Half-way between two frames."""
    return (times[place - 1] + times[place]) // 2


@pytest.mark.parametrize("slow", [15_000, 9000 + 3000, 18_000, 90_000], ids=["6", "7.5", "5", "1"])
@pytest.mark.parametrize("part_s", [0.02, 0.2, 1.0])
def test_a_clip_over_a_change_of_frame_rate_misses_nothing(
    recordings: Recordings, slow: int, part_s: float
) -> None:
    waits = [3000] * 60 + [slow] * 24 + [3000] * 30
    recordings.record(paced(encode(150, sound=False), waits), part_s=part_s, segment_s=3.0)
    everything = plan_frames(recordings.views, recordings.open_fd, at_us(-9), at_us(9999), LATENCY_US)
    assert len(everything) == len(waits)
    last_us = everything[-1] + 33_333
    for first, stop in ((30, 66), (55, 62), (59, 61), (60, 70), (61, 84), (70, 72), (80, 100), (84, 114)):
        for begin_us, end_us in (
            (everything[first], everything[stop - 1] + 1),
            (middle(everything, first), middle([*everything, last_us], stop)),
        ):
            plan = plan_us(recordings, begin_us, end_us)
            assert plan.missing == (), (first, stop, plan.missing)
            played = play(recordings.bytes_of(plan))
            assert played.numbers == list(range(first, stop))
            wanted = [(everything[n] - everything[first]) / 1e6 for n in range(first, stop)]
            assert [at for at, _ in played.frames] == pytest.approx(wanted, abs=0.0005)


def test_a_loss_beside_a_change_of_frame_rate_is_missing(recordings: Recordings) -> None:
    waits = [3000] * 30 + [12_000] + [3000] * 29 + [15_000] * 10 + [60_000] + [15_000] * 9 + [3000] * 20
    recordings.record(paced(encode(150, sound=False), waits), part_s=0.2)
    everything = plan_frames(recordings.views, recordings.open_fd, at_us(-9), at_us(9999), LATENCY_US)
    plan = plan_us(recordings, everything[5], everything[95])
    ends = [(everything[30] + 33_333, everything[31]), (everything[70] + 166_667, everything[71])]
    assert len(plan.missing) == len(ends)
    for gap, edges in zip(plan.missing, ends, strict=True):
        assert (gap.start_us, gap.end_us) == pytest.approx(edges, abs=ROUNDING_US)
    assert play(recordings.bytes_of(plan)).numbers == list(range(5, 95))
    # a clip that begins in a gap and one that ends in one
    for first, frame_us in ((31, 33_333), (71, 166_667)):
        start_us = everything[first] - 2 * frame_us - 5000
        [gap] = plan_us(recordings, start_us, everything[first + 3] + 1).missing
        assert (gap.start_us, gap.end_us, gap.reason) == (start_us, everything[first], "no_footage")
        end_us = everything[first] - 5000
        [gap] = plan_us(recordings, everything[first - 4], end_us).missing
        assert gap.start_us == pytest.approx(everything[first - 1] + frame_us, abs=ROUNDING_US)
        assert (gap.end_us, gap.reason) == (end_us, "no_footage")
