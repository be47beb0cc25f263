"""Spans, gaps, runs and sizes at every limit: numbers alone."""

from __future__ import annotations

import pytest

from appliance.media.clock.timeline import PPB, Knot, RunClock
from appliance.media.index.segment import SegmentFacts, Size
from appliance.media.index.spans import Gap, Outage, Reason, RunSpan, SegmentEntry, Span, coverage, pieces_of
from tests.media.index.test_spans import CLOCK, NS, T0, S, entries, segment

MS = 1_000_000  # ns


def at(seconds: float) -> int:
    return T0 + round(seconds * S)


def gaps_of(*segments: SegmentFacts, end_s: float = 600) -> list[tuple[float, float | None, str]]:
    """Gaps after the first footage, seconds."""
    known = coverage(entries(*segments), at(0), at(end_s), is_live=True)
    return [
        ((gap.start_us - T0) / S, None if gap.end_us is None else (gap.end_us - T0) / S, gap.reason)
        for gap in known.gaps
        if gap.reason != "no_footage"
    ]


def spans_of(*segments: SegmentFacts) -> list[tuple[float, float, str]]:
    known = coverage(entries(*segments), at(0), at(600), is_live=True)
    return [((span.start_us - T0) / S, (span.end_us - T0) / S, span.run_id) for span in known.spans]


def reason_between(left: SegmentFacts, right: SegmentFacts, *others: SegmentEntry) -> str:
    known = coverage([*entries(left, right), *others], at(0), at(600), is_live=True)
    return known.gaps[-1].reason


def unreadable(at_us: int) -> SegmentEntry:
    broken = segment(None, 0, 0, "name:x", state="unreadable", first_ns=None, end_ns=None, ntp_us=None)
    return SegmentEntry("x", at_us, broken, None)


def test_the_time_of_a_file_is_the_best_that_is_known() -> None:
    facts = segment(0, 10, 20, ntp_us=5)
    assert SegmentEntry("a", 7, facts, CLOCK).start_us == at(10)
    assert SegmentEntry("a", 7, facts, CLOCK).end_us == at(20)
    assert SegmentEntry("a", 7, facts, None).start_us == 5
    assert SegmentEntry("a", 7, segment(0, 10, 20, first_ns=None, ntp_us=5), CLOCK).start_us == 5
    assert SegmentEntry("a", 7, segment(0, 10, 20, ntp_us=None), None).start_us == 7
    assert SegmentEntry("a", 7, None, CLOCK).start_us == SegmentEntry("a", 7, None, None).start_us == 7
    assert SegmentEntry("a", 7, facts, None).end_us is SegmentEntry("a", 7, None, CLOCK).end_us is None
    assert SegmentEntry("a", 7, segment(0, 10, 20, end_ns=None), CLOCK).end_us is None


def test_the_pieces_of_a_file_lie_between_its_holes() -> None:
    facts = segment(0, 10, 20, holes=((10 * NS, 12 * NS), (15 * NS, 16 * NS)))
    (entry,) = entries(facts)
    assert [piece[:2] for piece in pieces_of(entry)] == [(at(12), at(15)), (at(16), at(20))]


def test_footage_that_only_touches_the_stretch_is_not_in_it() -> None:
    known = coverage(entries(segment(0, 0, 50), segment(0, 70, 80, "bb")), at(50), at(70), is_live=True)
    assert (known.spans, known.runs) == ((), ())
    assert known.gaps == (Gap(at(50), at(70), "recorder_restart"),)


def test_gaps_are_listed_in_time_order_from_the_first_footage() -> None:
    parts = entries(segment(0, 10, 20), segment(2, 30, 40), segment(4, 50, 60))
    known = coverage(parts, at(0), at(600), is_live=False)
    assert [gap.start_us for gap in known.gaps] == [at(0), at(20), at(40), at(60)]
    inside = coverage(parts, at(15), at(600), is_live=True)
    assert [gap.start_us for gap in inside.gaps] == [at(20), at(40)]


@pytest.mark.parametrize(
    ("offset_us", "reason"), [(0, "segment_unreadable"), (-1, "source_lost"), (1, "segment_unreadable")]
)
def test_a_file_after_the_last_frame_explains_the_end(offset_us: int, reason: str) -> None:
    parts = [*entries(segment(0, 0, 60)), unreadable(at(60) + offset_us)]
    assert coverage(parts, at(0), at(600), is_live=False).gaps == (Gap(at(60), None, reason),)  # type: ignore[arg-type]


# -- joins --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [(33_333_333, 10 * MS), (10 * MS, 33_333_333)])
@pytest.mark.parametrize(("hole_ns", "is_gap"), [(20 * MS, False), (20 * MS + 1000, True)])
def test_a_hole_in_a_file_is_a_gap_from_two_of_its_shorter_frames_on(
    frames: tuple[int, int], hole_ns: int, is_gap: bool
) -> None:
    first, last = frames
    hole = ((5 * NS, 5 * NS + hole_ns),)
    facts = segment(0, 0, 60, holes=hole, first_frame_ns=first, frame_ns=last)
    assert len(gaps_of(facts)) == is_gap


def test_a_frame_counts_in_whole_microseconds() -> None:
    facts = segment(0, 0, 60, holes=((5 * NS, 5 * NS + 19_999_000),), frame_ns=9_999_999)
    assert len(gaps_of(facts)) == 1


@pytest.mark.parametrize(
    ("frames", "gap_us", "is_gap"),
    [
        ((40 * MS, 10 * MS), 100_000, False),
        ((40 * MS, 10 * MS), 100_001, True),
        ((10 * MS, 40 * MS), 100_000, False),
        ((10 * MS, 40 * MS), 100_001, True),
        ((33_333_333, 33_333_333), 83_332, False),
        ((33_333_333, 33_333_333), 83_333, True),
    ],
)
@pytest.mark.parametrize("runs", [("aa", "aa"), ("aa", "bb"), ("bb", "aa")])
def test_two_files_join_over_two_and_a_half_of_the_longer_frame(
    frames: tuple[int, int], gap_us: int, is_gap: bool, runs: tuple[str, str]
) -> None:
    left = segment(0, 0, 60, runs[0], frame_ns=frames[0], first_frame_ns=1)
    right = segment(1, 60 + gap_us / S, 120, runs[1], first_frame_ns=frames[1], frame_ns=1)
    assert len(gaps_of(left, right)) == is_gap


@pytest.mark.parametrize("numbers", [(None, None), (None, 0), (0, None)])
@pytest.mark.parametrize("runs", [("aa", "bb"), ("bb", "aa")])
def test_files_without_mtxi_join_over_a_second(
    numbers: tuple[int | None, int | None], runs: tuple[str, str]
) -> None:
    left = segment(numbers[0], 0, 60, runs[0])
    assert gaps_of(left, segment(numbers[1], 61, 120, runs[1])) == []
    assert len(gaps_of(left, segment(numbers[1], 61.000001, 120, runs[1]))) == 1
    assert len(gaps_of(left, segment(numbers[1], 60.5, 120, runs[0]))) == 1, "one run has no pause"
    assert len(gaps_of(segment(0, 0, 60, runs[0]), segment(0, 60.5, 120, runs[1]))) == 1


def test_spans_of_one_run_are_joined_and_those_of_two_are_not() -> None:
    assert spans_of(segment(0, 0, 10), segment(2, 20, 30), segment(3, 30, 40), segment(4, 40, 45)) == [
        (0, 10, "aa"),
        (20, 45, "aa"),
    ]
    assert spans_of(segment(0, 0, 10, "bb"), segment(0, 10, 20, "aa")) == [(0, 10, "bb"), (10, 20, "aa")]
    assert spans_of(segment(0, 0, 20), segment(1, 10, 15)) == [(0, 20, "aa")]
    inner = (segment(0, 0, 10), segment(2, 20, 30), segment(3, 25, 28))
    assert spans_of(*inner) == [(0, 10, "aa"), (20, 30, "aa")]


def test_where_runs_overlap_each_instant_is_listed_once() -> None:
    assert spans_of(segment(0, 0, 60), segment(0, 30, 60, "bb")) == [(0, 60, "aa")]
    assert spans_of(segment(0, 0, 60), segment(0, 50, 60, "bb"), segment(1, 60, 90)) == [(0, 90, "aa")]
    assert spans_of(segment(0, 0, 60), segment(0, 0, 30, "bb")) == [(0, 30, "bb"), (30, 60, "aa")]
    assert spans_of(segment(0, 0, 60), segment(0, 0, 60, "bb")) == [(0, 60, "aa")]


# -- reasons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_us", "is_reason"),
    [(at(0), False), (at(0) + 1, True), (at(60), True), (at(120) - 1, True), (at(120), False)],
)
def test_a_file_that_cannot_be_read_explains_the_gap_in_which_it_began(at_us: int, is_reason: bool) -> None:
    reason = reason_between(segment(0, 0, 60), segment(2, 120, 180), unreadable(at_us))
    assert reason == ("segment_unreadable" if is_reason else "segment_missing")


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [((0, 1), "discontinuity"), ((0, 2), "segment_missing"), ((5, 3), "segment_missing")],
)
def test_a_gap_in_a_run_is_explained_by_the_numbers_of_its_files(
    numbers: tuple[int, int], reason: str
) -> None:
    assert reason_between(segment(numbers[0], 0, 60), segment(numbers[1], 120, 180)) == reason


@pytest.mark.parametrize("runs", [("aa", "bb"), ("bb", "aa")])
@pytest.mark.parametrize(
    ("number", "base_ns", "gap_s", "reason"),
    [
        (0, 2 * NS - 1, 5, "source_lost"),
        (0, 2 * NS, 5, "recorder_restart"),
        (1, NS, 5, "recorder_restart"),
        (0, 500 * NS, 10, "recorder_restart"),
        (0, 500 * NS, 10.000001, "source_lost"),
        (None, 500 * NS, 5, "source_lost"),
    ],
)
def test_a_new_run_soon_after_the_old_one_is_a_restart_of_the_recorder(
    runs: tuple[str, str], number: int | None, base_ns: int, gap_s: float, reason: str
) -> None:
    left = SegmentEntry("l", None, segment(0, 0, 60, runs[0]), CLOCK)
    facts = segment(number, base_ns / NS, base_ns / NS + 60, runs[1], base_ns=base_ns, first_ns=base_ns)
    clock = RunClock.of([Knot(base_ns, at(60 + gap_s), PPB)])
    known = coverage([left, SegmentEntry("r", None, facts, clock)], at(0), at(600), is_live=True)
    assert known.gaps[-1].reason == reason


@pytest.mark.parametrize(("off_ns", "reason"), [(NS, "recorder_restart"), (NS + 1, "source_lost")])
@pytest.mark.parametrize("sign", [1, -1])
def test_media_time_that_went_on_over_the_gap_shows_a_restart_of_the_recorder(
    off_ns: int, reason: str, sign: int
) -> None:
    first_ns = 90 * NS + sign * off_ns
    facts = segment(0, 90, 120, "bb", base_ns=first_ns, first_ns=first_ns)
    clock = RunClock.of([Knot(first_ns, at(90), PPB)])
    right = SegmentEntry("r", None, facts, clock)
    known = coverage([*entries(segment(0, 0, 60)), right], at(0), at(600), is_live=True)
    assert known.gaps[-1].reason == reason


def published(*outages: tuple[float, Reason]) -> str:
    known = coverage(
        entries(segment(0, 0, 60), segment(0, 90, 120, "bb", base_ns=0)),
        at(0),
        at(120),
        is_live=True,
        outages=[Outage(at(when), reason) for when, reason in outages],
    )
    return known.gaps[-1].reason


def test_the_reason_that_was_published_within_a_second_of_the_gap_stays() -> None:
    assert published() == published((58.999999, "discontinuity")) == "source_lost"
    assert published((59, "discontinuity")) == published((61, "discontinuity")) == "discontinuity"
    assert published((61.000001, "discontinuity")) == "source_lost"
    assert published((59.2, "discontinuity"), (59.5, "recorder_restart")) == "recorder_restart"
    assert published((59.5, "recorder_restart"), (60.2, "discontinuity")) == "recorder_restart"
    assert published((10, "discontinuity"), (60.2, "recorder_restart")) == "recorder_restart"


# -- runs and sizes -----------------------------------------------------------------------------------------


def test_a_run_has_the_part_inside_the_stretch_and_its_last_size() -> None:
    sizes = (Size(0, 1280, 720), Size(30 * NS, 640, 360))
    known = coverage(
        entries(
            segment(0, 0, 10, "zz"),
            segment(0, 20, 60, sizes=sizes),
            segment(1, 60, 61),
            segment(0, 100, 110, "bb"),
            segment(0, 110, 120, "yy"),
        ),
        at(10),
        at(110),
        is_live=True,
    )
    assert known.runs == (
        RunSpan("aa", at(20), at(61), "avc1", 640, 360, 2),
        RunSpan("bb", at(100), at(110), "avc1", 0, 0, 1),
    )
    inside = coverage(entries(segment(0, 0, 60), segment(1, 20, 30)), at(10), at(40), is_live=True)
    assert inside.runs == (RunSpan("aa", at(10), at(40), "avc1", 0, 0, 2),)
    early = coverage(entries(segment(0, 0, 30), segment(1, 20, 25)), at(10), at(40), is_live=True)
    assert (early.runs[0].end_us, early.spans) == (at(30), (Span(at(10), at(30), "aa"),))


@pytest.mark.parametrize(("start", "end"), [(0, 100), (10, 40), (11, 41)])
def test_the_size_at_the_start_and_its_changes(start: int, end: int) -> None:
    sizes = (Size(0, 1280, 720), Size(5 * NS, 1280, 720), Size(10 * NS, 640, 360), Size(40 * NS, 1280, 720))
    unplaced = SegmentEntry("n", at(3), segment(1, 0, 60, sizes=(Size(0, 1, 1),)), None)
    found = coverage([*entries(segment(0, 0, 60, sizes=sizes)), unplaced], at(start), at(end), is_live=True)
    expected = {
        (0, 100): [(0, 1280), (10, 640), (40, 1280)],
        (10, 40): [(10, 640)],
        (11, 41): [(11, 640), (40, 1280)],
    }[start, end]
    assert [((size.at_us - T0) / S, size.width) for size in found.sizes] == expected
