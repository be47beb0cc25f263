"""Footage that overlaps in time, in the real index: one run at each instant, in timeline and clips."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.box.recordings.actor import RecordingsHandle
from appliance.media.cut.frames import plan_frame, plan_frames
from appliance.media.cut.plan import Plan, make_plan
from tests.box.recordings.tree import Box, until
from tests.kit.barcode import Media, encode, play
from tests.kit.fmp4_file import START_US, Recordings

S = 1_000_000
FRAME_US = 33_334


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path)
    (made.recordings / "cam1").mkdir(parents=True)
    return made


def record(
    box: Box, run: int, start_s: float, media: Media, segment_s: float = 1e9, part_s: float = 0.4
) -> None:
    """A run that claims to begin at START + start_s, written when it ended by that claim."""
    start_us = START_US + round(start_s * S)
    maker = Recordings(box.recordings / "cam1")
    maker.record(media, run=run, start_us=start_us, segment_s=segment_s, part_s=part_s)
    maker.close()
    end_us = start_us + media.frames[-1].dts * 100 // 9
    for path in (box.recordings / "cam1").glob(f"run{run}_*"):
        os.utime(path, ns=(end_us * 1000, end_us * 1000))


@dataclass
class Cut:
    """A clip requested by seconds after START, and the timeline of the same span."""

    plan: Plan
    numbers: Sequence[int]
    times: Sequence[float]  # in the clip, s
    published: Sequence[float]  # capture times, s after START
    runs: Sequence[tuple[float, float, str]]

    def check(self, asked_s: float) -> None:
        assert self.plan.duration_s < asked_s + FRAME_US / S, "longer than asked"
        assert len(self.published) == self.plan.frames == len(self.numbers)
        for place, at_s in enumerate(self.published):
            shown_s = at_s - self.published[0]
            assert self.times[place] == pytest.approx(shown_s, abs=0.018), f"frame {place} is out of step"
        assert list(self.published) == sorted(set(self.published))
        for left, right in pairwise(self.runs):
            assert left[1] <= right[0]


@contextmanager
def opening(handle: RecordingsHandle) -> Iterator[Callable[[str], int]]:
    """Descriptors by name, closed with the block."""
    opened: dict[str, int] = {}

    def open_fd(name: str) -> int:
        if name not in opened:
            opened[name] = handle.open_fd(name)
        return opened[name]

    try:
        yield open_fd
    finally:
        for fd in opened.values():
            os.close(fd)


async def cut(handle: RecordingsHandle, start_s: float, end_s: float) -> Cut:
    start_us, end_us = START_US + round(start_s * S), START_US + round(end_s * S)
    views = await handle.views("cam1", start_us, end_us)
    with opening(handle) as open_fd:
        plan = make_plan(views, open_fd, start_us=start_us, end_us=end_us, latency_us=0)
        published = plan_frames(views, open_fd, start_us, end_us, 0)
        body = b"".join(os.pread(open_fd(each.name), each.length, each.offset) for each in plan.ranges)
    played = play(plan.header + body)
    spans = handle.coverage("cam1", start_us, end_us).spans
    return Cut(
        plan,
        played.numbers,
        [time for time, _ in played.frames],
        [(at_us - START_US) / S for at_us in published],
        [((each.start_us - START_US) / S, (each.end_us - START_US) / S, each.run_id) for each in spans],
    )


async def all_walked(handle: RecordingsHandle, files: int) -> None:
    await until(
        handle,
        lambda: (
            handle.footage("cam1").segments == files
            and not handle.statistics()["segments_waiting"]
            and handle.coverage("cam1", 0, 1 << 61).spans
        ),
    )


def run_of(number: int) -> str:
    return f"{number:02}" * 16


@pytest.mark.parametrize(
    ("gop", "bframes", "codec"), [(30, 0, "libx264"), (15, 2, "libx264"), (30, 3, "libx265")]
)
async def test_two_runs_over_the_same_seconds(box: Box, gop: int, bframes: int, codec: str) -> None:
    media = [encode(180, gop=gop, bframes=bframes, codec=codec, first=first) for first in (0, 1000)]
    record(box, 1, 0, media[0], segment_s=2)
    record(box, 2, 4, media[1])
    files = len(list((box.recordings / "cam1").iterdir()))
    async with box.running() as handle:
        await all_walked(handle, files)
        result = await cut(handle, 2 - 0.01, 8 - 0.01)
        result.check(6)
        assert result.numbers == [*range(60, 180), *range(1060, 1120)]
        assert result.plan.missing == ()
        assert [run for _, _, run in result.runs] == [run_of(1), run_of(2)]
        assert result.runs[1][0] == pytest.approx(6, abs=0.001)
        inside = await cut(handle, 5 - 0.01, 5.5 - 0.01)
        assert inside.numbers == list(range(150, 165))
        after = await cut(handle, 6.5 - 0.01, 9 - 0.01)
        assert after.numbers == list(range(1075, 1150))


async def test_a_run_that_ends_between_two_keys_of_the_next(box: Box) -> None:
    record(box, 1, 0, encode(171))  # ends at 5.7 s
    record(box, 2, 4, encode(180, first=1000))  # keys at 4, 5, 6 ...
    async with box.running() as handle:
        await all_walked(handle, 2)
        actual = await cut(handle, 3 - 0.01, 8 - 0.01)
        actual.check(5)
        assert actual.numbers == [*range(90, 150), *range(1030, 1120)]
        assert actual.plan.missing == ()
        assert [(round(low, 2), run) for low, _, run in actual.runs] == [(2.99, run_of(1)), (5.0, run_of(2))]


async def test_many_short_runs_that_overlap_by_less_than_a_frame_stay_in_step(box: Box) -> None:
    for number in range(10):
        record(box, number + 1, number * 0.49, encode(15, gop=15, first=number * 100, sound=False))
    async with box.running() as handle:
        await all_walked(handle, 10)
        outcome = await cut(handle, 0 - 0.01, 4.9 - 0.01)
        outcome.check(4.9)
        assert [number for number in outcome.numbers if number % 100 == 0] == [n * 100 for n in range(10)]
        assert len(outcome.runs) == 10


async def test_the_same_is_decided_after_a_restart_and_for_the_key_picture(box: Box) -> None:
    record(box, 1, 0, encode(171))
    record(box, 2, 4, encode(180, first=1000))
    async with box.running() as handle:
        await all_walked(handle, 2)
        before = await cut(handle, 0, 10)
    async with box.running() as handle:
        await all_walked(handle, 2)
        await until(handle, lambda: handle.statistics()["segments_waiting"] == 0)
        await handle.find_keys("cam1", START_US, START_US + 10 * S)
        spans = handle.coverage("cam1", START_US, START_US + 10 * S).spans
        assert [((item.start_us - START_US) / S, item.run_id) for item in spans] == [
            (low, r) for low, _, r in before.runs
        ]
        again = await cut(handle, 0, 10)
        assert (again.numbers, again.published) == (before.numbers, before.published)
        views = await handle.views("cam1", START_US, START_US + 10 * S)
        for at_s, run in ((4.5, 1), (4.9, 1), (5.1, 2), (7.5, 2)):
            with opening(handle) as open_fd:
                key = plan_frame(views, open_fd, START_US + round(at_s * S), 0)
            assert key.picture.name.startswith(f"cam1/run{run}_"), at_s


async def test_a_size_that_differs_between_overlapping_runs_keeps_the_longest(box: Box) -> None:
    record(box, 1, 0, encode(180))
    record(box, 2, 4, encode(180, first=1000, size=(384, 192)))
    async with box.running() as handle:
        await all_walked(handle, 2)
        result = await cut(handle, 2 - 0.01, 8 - 0.01)
        assert result.numbers == list(range(60, 180))
        (missing,) = result.plan.missing
        assert missing.reason == "format_change"
        assert (missing.start_us - START_US) / S == pytest.approx(6, abs=0.04)


# between recordings of key pictures only, two close ones cannot be distinguished
OFF_FRAMES = [-1.5, -1, -0.5, -0.25, 0, 0.25, 0.5, 0.55, 0.75, 1, 1.5]
STREAMS = [(30, 0, "libx264", 30), (20, 2, "libx264", 50), (1, 0, "libx264", 30), (25, 3, "libx265", 25)]


@pytest.mark.parametrize(
    ("stream", "off_frames"),
    [(stream, off) for stream in STREAMS for off in OFF_FRAMES if stream[0] > 1 or off < 0.6],
    ids=str,
)
async def test_no_moment_is_shown_twice_where_the_clocks_of_two_runs_differ(
    box: Box, stream: tuple[int, int, str, int], off_frames: float
) -> None:
    """One camera recorded twice; the second run is entered where the first continues for some frames."""
    gop, bframes, codec, fps = stream
    frame_s, rate = 1 / fps, Fraction(fps)
    moments = encode(6 * fps, gop=gop, bframes=bframes, codec=codec, rate=rate)
    again = encode(4 * fps, gop=gop, bframes=bframes, codec=codec, rate=rate, first=2 * fps)
    last = 4 * fps + 7
    record(box, 1, 0, replace(moments, frames=moments.frames[:last]))
    record(box, 2, 2 + off_frames * frame_s, again)
    async with box.running() as handle:
        await all_walked(handle, 2)
        result = await cut(handle, 1 - 0.001, 5 - 0.001)
        assert len(result.runs) == 2
        steps = [right - left for left, right in pairwise(result.numbers)]
        assert min(steps) >= 1, "a moment twice"
        # where the second run is early, its clock leaves no space for the moments before
        assert sum(steps) - len(steps) <= max(0, -off_frames) + 1
        assert result.plan.missing == ()
        assert result.plan.duration_s < 4 + frame_s + 0.001
