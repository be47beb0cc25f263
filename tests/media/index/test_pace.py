"""Distinguishing a camera that sends fewer frames from one that loses frames, part by part."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import pytest

from appliance.media.index.segment import facts_of
from tests.kit.segments import Sample, init, part
from tests.media.index.test_index import Growing

INIT = init((b"r" * 16, 0, 0, 0))


@pytest.fixture
def file(tmp_path: Path) -> Growing:
    return Growing(tmp_path / "s.mp4")


def rate(fps: float, seconds: float) -> list[int]:
    """The intervals after the frames of this many seconds."""
    return [round(90_000 / fps)] * round(fps * seconds)


def reordered(waits: Sequence[int]) -> list[Sample]:
    """Frames I P B B P B B: each P is decoded before the two shown before it."""
    pts = list(accumulate(waits, initial=0))
    count = (len(waits) - 1) // 3 * 3 + 1
    order = [0, *(number for p in range(3, count, 3) for number in (p, p - 2, p - 1))]
    dts = [pts[number] - pts[1] for number in range(count)]
    ends = [*dts[1:], dts[-1] + waits[-1]]
    return [Sample(ends[at] - dts[at], not number, pts[number] - dts[at]) for at, number in enumerate(order)]


def plain(waits: Sequence[int]) -> list[Sample]:
    return [Sample(wait, not number) for number, wait in enumerate(waits)]


def in_parts(samples: Sequence[Sample], part_ticks: int, start: int = 0) -> list[bytes]:
    """As MediaMTX writes them: a part ends with the sample that makes it long enough."""
    results, pending, tfdt = [], [], start
    for sample in samples:
        pending.append(sample)
        if sum(each.duration for each in pending) >= part_ticks:
            results.append(part(pending, tfdt))
            tfdt, pending = tfdt + sum(each.duration for each in pending), []
    return [*results, part(pending, tfdt)] if pending else results


def grown(file: Growing, parts: Sequence[bytes]) -> list[tuple[int | None, tuple[tuple[int, int], ...]]]:
    """End and holes (ns) after each part, as published."""
    file.add(INIT)
    reports = []
    for data in parts:
        facts = facts_of(file.add(data))
        reports.append((facts.end_ns, facts.holes))
    return reports


CHANGES: dict[str, list[tuple[float, float]]] = {
    "30 to 6": [(30, 2), (6, 4)],
    "60 to 10": [(60, 2), (10, 3)],
    "30 to 7.5": [(30, 2), (7.5, 3)],
    "25 to 5": [(25, 2), (5, 4)],
    "30 to 6 and back": [(30, 2), (6, 2), (30, 2)],
    "50 to 2 and back, twice": [(50, 1), (2, 4), (50, 1), (2, 3), (50, 2)],
    "30 to 1": [(30, 2), (1, 8)],
    "slower and slower": [(60, 0.5), (40, 0.5), (25, 0.5), (12, 0.5), (6, 1), (3, 2), (1, 4)],
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("part_ms", [1, 200, 1000])
@pytest.mark.parametrize("shape", [plain, reordered])
def test_a_camera_that_changes_its_rate_loses_nothing(
    file: Growing,
    name: str,
    part_ms: int,
    shape: Callable[[Sequence[int]], list[Sample]],
) -> None:
    waits = [wait for fps, seconds in CHANGES[name] for wait in rate(fps, seconds)]
    output = grown(file, in_parts(shape(waits), part_ms * 90))
    assert {holes for _, holes in output} == {()}
    ends = [end for end, _ in output if end is not None]
    assert ends == sorted(ends)
    file.index.is_closed = True
    assert facts_of(file.index).holes == ()


@pytest.mark.parametrize("seed", range(6))
def test_a_phone_whose_rate_wanders_loses_nothing(file: Growing, seed: int) -> None:
    dice = random.Random(seed)
    waits: list[int] = []
    fps = 30.0
    while sum(waits) < 90_000 * 12:
        fps = min(60.0, max(4.0, fps * dice.uniform(0.85, 1.18)))
        waits.append(round(90_000 / fps * dice.uniform(0.8, 1.25)))
    report = grown(file, in_parts(plain(waits), 18_000))
    assert report[-1][1] == ()


@pytest.mark.parametrize("part_ms", [1, 200, 1000])
@pytest.mark.parametrize("missing", [3, 4, 10, 60])
def test_frames_that_are_lost_are_a_hole_before_and_after_a_change(
    file: Growing,
    part_ms: int,
    missing: int,
) -> None:
    fast, slow = rate(30, 1), rate(6, 3)
    lost, lost_slowly = [3000 * (missing + 1)], [15_000 * (missing + 1)]
    waits = [*fast, *lost, *fast, *slow, *lost_slowly, *slow, *fast, *lost, *lost, *fast]
    published = grown(file, in_parts(plain(waits), part_ms * 90))
    places = [30, 30 + 1 + 30 + 18, 30 + 1 + 30 + 18 + 1 + 18 + 30]
    at = list(accumulate(waits, initial=0))
    frames = [(places[0], 3000), (places[1], 15_000), (places[2], 3000), (places[2] + 1, 3000)]
    wanted = [(at[n] + length, at[n + 1]) for n, length in frames]
    assert [(hole.before, hole.after) for hole in file.index.holes] == wanted
    for (end, holes), (later_end, later_holes) in pairwise(published):
        assert later_holes[: len(holes)] == holes, "a hole that was told stays"
        assert end is not None and later_end is not None and later_end >= end
        for before, after in later_holes[len(holes) :]:
            assert end <= before, "what was covered stays covered"
            assert after <= later_end


@pytest.mark.parametrize(
    ("waits", "is_hole"),
    [((15_000, 3000), True), ((15_000, 1000), True), ((15_000, 15_000), False), ((15_000, 5000), False)],
)
def test_holes_not_decided_at_the_end_of_the_file_are_reported_then(
    file: Growing,
    waits: tuple[int, ...],
    is_hole: bool,
) -> None:
    progress = grown(file, in_parts(plain([*rate(30, 1), *waits]), 1))
    before, after = ((90_000 + ticks) * 100_000 // 9 for ticks in (3000, 15_000))
    assert progress[-1] == (before, ()), "nothing beyond is published while it may be a hole"
    file.index.is_closed = True
    facts = facts_of(file.index)
    assert facts.holes == (((before, after),) if is_hole else ())
    assert facts.end_ns is not None and facts.end_ns > after
