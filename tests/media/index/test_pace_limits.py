"""Holes by the intervals between frames alone, against the rule written down once more, and every limit."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from random import Random

import pytest

from appliance.media.index.pace import (
    FramePace,
    Frames,
    Hole,
    PartNote,
    is_gap,
    is_join,
    is_pace,
    last_holes,
    median_wait,
    next_part,
)
from appliance.media.mp4.moof import TrackRun, track_run
from tests.media.index.test_pace import reordered


def run_of(tfdt: int, durations: Sequence[int], ctos: Sequence[int] | None = None) -> TrackRun:
    sizes = array("I", [1] * len(durations))
    offsets = None if ctos is None else array("i", ctos)
    return track_run(1, tfdt, array("I", durations), sizes, None, offsets, 0)


def feed(parts: Sequence[TrackRun]) -> tuple[FramePace, list[Hole], list[tuple[Frames, PartNote]]]:
    """The state after these parts, the holes found, and what is published of each part."""
    pace, holes, published = FramePace(), list[Hole](), list[tuple[Frames, PartNote]]()
    for part in parts:
        frames, note, pace, found = next_part(pace, [part])
        holes += found
        published.append((frames, note))
    return pace, holes, published


def cut(waits: Sequence[int], dice: Random) -> list[TrackRun]:
    """Frames in order, `waits` apart, the last one as long as its wait; in parts of one to four."""
    starts, parts, at = list(accumulate(waits, initial=0)), list[TrackRun](), 0
    while at < len(waits):
        count = dice.randint(1, 4)
        parts.append(run_of(starts[at], waits[at : at + count]))
        at += count
    return parts


def middle(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def expected_holes(waits: Sequence[int], first: int) -> list[Hole]:
    """The rule: an interval of more than three usual frames is a hole, unless it is one of three in a row
    that are all at least a third of it. The usual frame is the median of the newest five that are no hole.

    `waits`: between frames, then the duration of the last one: the interval after it is at least that long.
    """
    starts, recent, holes = list(accumulate(waits, initial=0)), [first], list[Hole]()
    for at, wait in enumerate(waits[:-1]):
        usual = middle(recent)
        third = -(-wait // 3)
        is_as_long = [0 <= n < len(waits) and waits[n] >= third for n in range(at - 2, at + 3)]
        if at + 2 == len(waits):
            is_as_long[4] = is_as_long[3]  # beyond the end of the file nothing contradicts
        in_a_row = any(all(is_as_long[n : n + 3]) for n in range(3))
        if wait > 3 * usual and not in_a_row:
            holes.append(Hole(starts[at] + usual, starts[at + 1]))
        else:
            recent = [*recent, wait][-5:]
    return holes


@pytest.mark.parametrize("seed", range(60))
def test_holes_are_those_of_the_rule_however_the_parts_end(seed: int) -> None:
    dice = Random(seed)
    lengths = dice.choice([[10, 11, 30, 31], [10, 30, 31, 90, 91, 93], [4, 10, 31, 100, 301, 900]])
    waits = [10] * dice.choice([0, 1, 2, 6])
    while len(waits) < 60:
        waits += [dice.choice(lengths)] * dice.choice([1, 1, 2, 3, 5])
    parts = cut(waits, dice)
    pace, holes, _ = feed(parts)
    assert [*holes, *last_holes(pace)] == expected_holes(waits, middle(parts[0].durations))


@pytest.mark.parametrize("seed", range(20))
def test_what_was_found_early_stays_and_nothing_is_published_before_it_is_decided(seed: int) -> None:
    dice = Random(seed)
    waits = [10] * 6 + [dice.choice([10, 30, 31, 90, 93]) for _ in range(40)]
    parts, pace, seen = cut(waits, dice), FramePace(), list[Hole]()
    final = expected_holes(waits, middle(parts[0].durations))
    for part in parts:
        _, _, pace, found = next_part(pace, [part])
        seen += found
        assert seen == final[: len(seen)]
        undecided = [hole for hole in final[len(seen) :] if hole.after <= pace.settled[-1]]
        if undecided:
            assert pace.held is not None and pace.held <= undecided[0].before
        assert pace.floor == pace.reached == part.tfdt + sum(part.durations)


def decoded_ahead(waits: Sequence[int], dice: Random) -> list[TrackRun]:
    """Frames I P B B P B B ..., `waits` apart as they are shown, in parts of one to four."""
    samples = reordered(waits)
    starts = list(accumulate((sample.duration for sample in samples), initial=0))
    parts, at = list[TrackRun](), 0
    while at < len(samples):
        some = samples[at : at + dice.randint(1, 4)]
        parts.append(run_of(starts[at], [each.duration for each in some], [each.cto for each in some]))
        at += len(some)
    return parts


@pytest.mark.parametrize("seed", range(40))
def test_holes_between_frames_that_are_decoded_out_of_order_are_those_of_the_rule(seed: int) -> None:
    dice = Random(seed)
    lengths = dice.choice([[10, 11, 30, 31], [10, 30, 31, 90, 91, 93], [10, 31, 100, 301]])
    waits = [10] * 9
    while len(waits) < 60:
        waits += [dice.choice(lengths)] * dice.choice([1, 1, 2, 3, 5])
    parts = decoded_ahead(waits, dice)
    pace, holes, _ = feed(parts)
    shown = waits[0]  # the first frame is shown this much after it is decoded
    expected = expected_holes(waits, middle(parts[0].durations))
    final = [Hole(shown + hole.before, shown + hole.after) for hole in expected]
    assert holes == final[: len(holes)]
    assert len(holes) >= sum(hole.after < pace.settled[0] for hole in final)


# -- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pts", "wait", "usual", "expected"),
    [
        ([0], 30, 10, True),
        ([0], 31, 10, False),
        ([0, 11], 33, 10, False),  # two intervals before it are needed
        ([0, 11, 22], 33, 10, True),
        ([0, 11, 22], 34, 10, False),
        ([0, 11, 51], 33, 10, True),
        ([0, 40, 51], 33, 10, True),
        ([0, 40, 51], 34, 10, False),
        ([0, 11, 51], 34, 10, False),
        ([100, 140, 151], 33, 10, True),
        ([100, 111, 151], 34, 10, False),
        ([0, 1, 21, 41], 60, 10, True),  # only the newest two count
        ([0, 20, 40, 41], 60, 10, False),
    ],
)
def test_an_interval_is_usual_or_like_the_two_before_it(
    pts: list[int], wait: int, usual: int, expected: bool
) -> None:
    assert is_pace(pts, wait, usual) is expected


@pytest.mark.parametrize(("gap", "frame", "expected"), [(250, 100, True), (251, 100, False), (7, 3, True)])
def test_segments_join_over_two_and_a_half_frames(gap: int, frame: int, expected: bool) -> None:
    assert is_join(gap, frame) is expected


@pytest.mark.parametrize(
    ("wall_us", "frame_us", "expected"),
    [(40_000, 33_333, False), (40_001, 33_333, True), (20_000, 10_000, False), (20_001, 10_000, True)],
)
def test_a_hole_is_a_gap_when_wall_time_passes_in_it(wall_us: int, frame_us: int, expected: bool) -> None:
    assert is_gap(wall_us, frame_us) is expected


@pytest.mark.parametrize(
    ("waits", "expected"),
    [([9, 9, 9, 1, 2, 3, 4, 5], 3), ([9, 0, 0, 4, 0, 6], 6), ([7, 0, 0, 0, 0, 0], 8), ([], 8), ([1, 5], 5)],
)
def test_the_median_is_of_the_newest_five_intervals(waits: list[int], expected: int) -> None:
    assert median_wait(waits, 8) == expected


# -- what is published of a part ----------------------------------------------------------------------------


def test_a_part_has_the_times_of_its_frames() -> None:
    _, _, published = feed([run_of(100, [10, 10, 10])])
    assert published == [(Frames(100, 100, 120, 130), PartNote(130, None))]


def test_reordered_frames_end_with_the_one_shown_last() -> None:
    """I P B B: decoded 0, 10, 20, 30, shown at 10, 40, 20, 30."""
    pace, holes, published = feed([run_of(0, [10, 10, 10, 10], [10, 30, 0, 0])])
    assert (published, holes) == ([(Frames(0, 10, 40, 50), PartNote(40, None))], [])
    assert (pace.reorder, pace.lowest_cto, pace.floor, pace.settled, pace.pending) == (
        30,
        0,
        40,
        (20, 30, 40),
        (),
    )


def test_the_part_before_a_hole_ends_with_a_usual_frame_and_its_arrival_is_estimated() -> None:
    """The duration of the last sample reaches over the hole."""
    _, _, published = feed([run_of(0, [10] * 5), run_of(50, [10, 31])])
    assert published[1] == (Frames(50, 50, 60, 70), PartNote(70, None))
    _, _, published = feed([run_of(0, [10] * 5), run_of(50, [10, 30])])
    assert published[1] == (Frames(50, 50, 60, 90), PartNote(90, None))


def test_a_leap_is_reported_with_the_first_part_beyond_it_once() -> None:
    pace, holes, published = feed(
        [run_of(0, [10] * 5), run_of(90, [10]), run_of(100, [10]), run_of(110, [10])]
    )
    assert [note.leap for _, note in published] == [None, (50, 90, 90), None, None]
    assert (holes, pace.held) == ([Hole(50, 90)], None)


def test_while_a_long_interval_may_be_the_sources_pace_its_end_is_held() -> None:
    pace, holes, _ = feed([run_of(0, [10] * 5), run_of(90, [10])])
    assert (pace.held, pace.certain_end, holes) == (50, 50, [])
    assert last_holes(pace) == [Hole(50, 90)]
    pace, holes, _ = feed([run_of(0, [10] * 5), run_of(90, [50]), run_of(140, [10])])
    assert (pace.held, last_holes(pace), holes) == (50, [Hole(100, 140)], [])
    pace, holes, _ = feed([run_of(0, [10] * 5), run_of(90, [50]), run_of(140, [50])])
    assert (pace.held, pace.certain_end, holes) == (None, None, []), "the last one is at least as long"


def test_several_runs_in_a_part_are_one_sequence() -> None:
    runs = [run_of(0, [10, 10], [10, 30]), run_of(20, [10, 10], None)]
    frames, note, pace, holes = next_part(FramePace(), runs)
    assert (frames, note, holes) == (Frames(0, 10, 40, 50), PartNote(40, None), [])
    assert pace.nominal == pace.opening == 10
    longer = [run_of(0, [7, 8, 9]), run_of(24, [10, 11, 12])]
    assert next_part(FramePace(), longer)[:2] == (Frames(0, 0, 45, 57), PartNote(57, None))
    assert next_part(FramePace(), [run_of(0, [10, 12, 12, 10, 12])])[2].opening == 12
    assert next_part(FramePace(), [run_of(0, [10, 12, 10, 12])])[2].opening == 12


# -- leaps that a frame decoded ahead shows -----------------------------------------------------------------


def ahead(by: int, *more: TrackRun) -> tuple[FramePace, list[tuple[int, int, int] | None]]:
    """I P B B at 10 to 40, then a P that is shown `by` after the last one of these; `floor` is 40 then."""
    pace, _, published = feed([run_of(0, [10] * 4, [10, 30, 0, 0]), run_of(40, [10], [by]), *more])
    return pace, [note.leap for _, note in published]


def test_a_frame_ahead_shows_a_leap_once_no_frames_between_can_explain_it() -> None:
    assert ahead(90)[1] == [None, None], "three frames and the reordering on both sides"
    assert ahead(91)[1] == [None, (80, 101, 131)]
    again = run_of(50, [10], [141])
    assert ahead(91, again)[1] == [None, (80, 101, 131), None], "once"


def test_a_leap_in_decode_time_is_shown_by_the_floor() -> None:
    """The next part is decoded 91 later: no frame to come is shown before its own decode time."""
    pace, _, published = feed([run_of(0, [10] * 4, [10, 30, 0, 0]), run_of(130, [10], [20])])
    assert pace.settled == (20, 30, 40) and pace.pending == (150,) and pace.floor == 140
    assert published[1][1].leap == (50, 140, 150)
    assert (pace.held, pace.certain_end) == (None, 50)


def test_a_frame_far_ahead_does_not_show_how_far_frames_are_reordered() -> None:
    first = run_of(0, [10] * 4, [10, 30, 0, 0])
    assert feed([first, run_of(40, [10], [60])])[0].reorder == 60
    assert feed([first, run_of(40, [10], [61])])[0].reorder == 30
    assert feed([first, run_of(40, [31], [40])])[0].reorder == 30
    assert feed([first, run_of(40, [30], [40])])[0].reorder == 40
    assert feed([run_of(0, [10] * 2, [10, 170])])[0].reorder == 170
    assert feed([run_of(0, [10] * 2, [10, 171])])[0].reorder == 10


def test_offsets_below_zero_lower_the_floor() -> None:
    pace, _, published = feed([run_of(0, [10] * 4, [0, 10, -10, 0])])
    assert (pace.lowest_cto, pace.floor, pace.settled, pace.pending) == (-10, 30, (10, 20, 30), ())
    assert published[0][0] == Frames(0, 0, 30, 40)
