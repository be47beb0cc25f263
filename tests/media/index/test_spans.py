"""Coverage: spans, gaps and their reasons."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.media.clock.anchor import anchored
from appliance.media.clock.timeline import PPB, Knot, Leap, Run, RunClock
from appliance.media.index.segment import SegmentFacts, Size, facts_of
from appliance.media.index.spans import Outage, SegmentEntry, coverage
from tests.media.index.test_index import DATA, indexed

S = 1_000_000  # us
NS = 1_000_000_000
T0 = 1_790_000_000 * S


def segment(
    number: int | None, start_s: float, end_s: float, run: str = "aa", **more: object
) -> SegmentFacts:
    """30 fps video of media time start_s..end_s; ns rounded as ticks are."""
    facts = SegmentFacts(
        name=f"{run}-{number}-{start_s}.mp4",
        bytes=1,
        indexed_bytes=1,
        state="closed",
        reason=None,
        run_id=run,
        number=number,
        base_ns=round(start_s * NS),
        ntp_us=T0 + round(start_s * S),
        frames=1,
        parts=1,
        first_ns=round(start_s * NS),
        end_ns=round(end_s * NS),
        first_frame_ns=33_333_333,
        frame_ns=33_333_333,
        lowest_cto=0,
        video_track=0,
        codec="avc1",
        stsd_id="x",
        sizes=(),
        holes=(),
    )
    return replace(facts, **more)  # type: ignore[arg-type]


def as_sizes(rows: Sequence[tuple[int, int, int]]) -> tuple[Size, ...]:
    return tuple(Size(*row) for row in rows)


CLOCK = RunClock.of([Knot(0, T0, PPB)])


def entries(*segments: SegmentFacts) -> list[SegmentEntry]:
    return [SegmentEntry(each.name, None, each, CLOCK) for each in segments]


def spans_and_gaps(
    segments: Sequence[SegmentEntry], start_s: float, end_s: float, is_live: bool = True
) -> list[tuple[object, ...]]:
    """Spans and gaps in time order, in seconds."""
    known = coverage(segments, T0 + round(start_s * S), T0 + round(end_s * S), is_live=is_live)
    spans = [((s.start_us - T0) / S, (s.end_us - T0) / S, s.run_id) for s in known.spans]
    gaps = [
        ((g.start_us - T0) / S, None if g.end_us is None else (g.end_us - T0) / S, g.reason)
        for g in known.gaps
    ]
    return sorted([*spans, *gaps], key=lambda row: float(str(row[0])))


def test_consecutive_segments_of_a_run_are_one_span_even_when_they_overlap_a_little() -> None:
    result = entries(segment(0, 0, 60.15), segment(1, 60, 120.1), segment(2, 120.02, 180))
    assert spans_and_gaps(result, 0, 180) == [(0, 180, "aa")]


def test_a_query_sees_only_its_own_stretch() -> None:
    assert spans_and_gaps(entries(segment(0, 0, 60), segment(1, 60, 120)), 50, 70) == [(50, 70, "aa")]


def test_each_kind_of_gap_has_its_reason() -> None:
    actual = entries(
        segment(0, 10, 20, holes=((12 * NS, 15 * NS),)),
        segment(2, 30, 40),
        segment(3, 41, 50),
        segment(0, 53, 60, "bb"),
        segment(0, 90, 100, "cc", base_ns=0, reason="zeros from byte 77 on"),
        segment(0, 103, 110, "dd"),
    )
    assert spans_and_gaps(actual, 0, 130, is_live=False) == [
        (0, 10, "no_footage"),
        (10, 12, "aa"),
        (12, 15, "discontinuity"),
        (15, 20, "aa"),
        (20, 30, "segment_missing"),
        (30, 40, "aa"),
        (40, 41, "discontinuity"),
        (41, 50, "aa"),
        (50, 53, "recorder_restart"),
        (53, 60, "bb"),
        (60, 90, "source_lost"),
        (90, 100, "cc"),
        (100, 103, "segment_unreadable"),
        (103, 110, "dd"),
        (110, None, "source_lost"),
    ]


def test_a_segment_that_cannot_be_read_explains_the_gap_it_leaves() -> None:
    broken = segment(None, 0, 0, "name:x", state="unreadable", first_ns=None, end_ns=None, ntp_us=None)
    results = [
        *entries(segment(0, 0, 60), segment(2, 120, 180)),
        SegmentEntry("x", T0 + 60 * S, broken, None),
    ]
    assert (60, 120, "segment_unreadable") in spans_and_gaps(results, 0, 180)


def test_a_segment_not_walked_yet_says_so() -> None:
    outcome = [*entries(segment(0, 0, 60), segment(2, 120, 180)), SegmentEntry("x", T0 + 60 * S, None, None)]
    assert (60, 120, "indexing") in spans_and_gaps(outcome, 0, 180)
    assert spans_and_gaps(outcome[2:], 0, 180) == [(0, None, "indexing")]


def test_an_empty_channel_has_no_footage() -> None:
    assert spans_and_gaps([], 0, 10) == [(0, None, "no_footage")]


def test_the_time_after_the_last_frame_is_a_gap_only_when_nothing_arrives() -> None:
    segments = entries(segment(0, 0, 60))
    assert spans_and_gaps(segments, 0, 90, is_live=True) == [(0, 60, "aa")]
    assert spans_and_gaps(segments, 0, 90, is_live=False) == [(0, 60, "aa"), (60, None, "source_lost")]
    assert spans_and_gaps(segments, 0, 60, is_live=False) == [(0, 60, "aa")]


def test_files_without_mtxi_join_over_a_second_as_mediamtx_joins_them() -> None:
    segments = entries(
        segment(None, 0, 60, "name:a"), segment(None, 60.8, 90, "name:b"), segment(None, 95, 99, "name:c")
    )
    assert spans_and_gaps(segments, 0, 99) == [
        (0, 60, "name:a"),
        (60.8, 90, "name:b"),
        (90, 95, "source_lost"),
        (95, 99, "name:c"),
    ]


def test_runs_are_reported_with_their_size_and_number_of_segments() -> None:
    segments = entries(
        segment(0, 0, 60, sizes=as_sizes([(0, 640, 360)])),
        segment(1, 60, 90, sizes=as_sizes([(60 * NS, 854, 480)])),
        segment(0, 93, 99, "bb"),
    )
    runs = coverage(segments, T0, T0 + 95 * S, is_live=True).runs
    assert [(run.run_id, run.segments, run.width, run.height) for run in runs] == [
        ("aa", 2, 854, 480),
        ("bb", 1, 0, 0),
    ]
    assert (runs[1].start_us, runs[1].end_us) == (T0 + 93 * S, T0 + 95 * S)


def test_a_change_of_picture_size_is_reported_when_it_happens_and_not_at_every_segment() -> None:
    small, large = ((0, 640, 360),), ((60 * NS, 640, 360), (70 * NS, 854, 480))
    segments = entries(segment(0, 0, 60, sizes=as_sizes(small)), segment(1, 60, 120, sizes=as_sizes(large)))
    sizes = coverage(segments, T0 + 5 * S, T0 + 100 * S, is_live=True).sizes
    assert sizes == ((T0 + 5 * S, 640, 360), (T0 + 70 * S, 854, 480))
    assert coverage(segments, T0 + 80 * S, T0 + 100 * S, is_live=True).sizes == ((T0 + 80 * S, 854, 480),)


# -- segments whose writing was not observed ----------------------------------------------------------------


def test_an_old_run_is_anchored_at_each_ntp_and_stays_rising() -> None:
    run = Run("aa")
    steps = [(0, 0), (60, 60.02), (120, 119.99), (180, 180.01)]  # NTP steps by +-20 ms
    for number, (media_s, wall_s) in enumerate(steps):
        following = steps[number + 1] if number + 1 < len(steps) else None
        right = (following[0] * NS, T0 + round(following[1] * S)) if following else None
        left, _ = run.neighbours(media_s * NS)
        knots = anchored(media_s * NS, T0 + round(wall_s * S), left=left, right=right)
        assert run.anchor(knots) == knots
    clock = run.clock()
    for media_s, wall_s in steps:
        assert abs(clock.wall_us(media_s * NS) - T0 - wall_s * S) < 2
    walls = [clock.wall_us(n * 33_333_333) for n in range(7000)]
    assert all(left < right for left, right in itertools.pairwise(walls))


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_old_segments_may_be_anchored_in_any_order(order: list[int]) -> None:
    run = Run("aa")
    anchors = [(n * 60 * NS, T0 + n * 60 * S + (-1) ** n * 9_000) for n in range(3)]
    for number in order:
        left, right = run.neighbours(anchors[number][0])
        following = (right.media_ns, right.wall_us) if right else None
        if number < 2:
            following = anchors[number + 1]
        run.anchor(anchored(*anchors[number], left=left, right=following))
    clock = run.clock()
    assert all(abs(clock.wall_us(media) - wall) < 20_000 for media, wall in anchors)
    walls = [clock.wall_us(n * 100_000_000) for n in range(1800)]
    assert all(left < right for left, right in itertools.pairwise(walls))


@pytest.mark.parametrize(("late_ms", "length_s"), [(75, 10), (189, 11.5), (190, 60)])
def test_a_late_first_ntp_of_an_old_run_does_not_change_its_clock(late_ms: int, length_s: float) -> None:
    """MediaMTX's first NTP is late: 8 s of the first file contain 8.08 s of pictures."""
    begin_us, right = T0 + late_ms * 1000, (round(length_s * NS), T0 + round(length_s * S))
    assert anchored(0, begin_us, right=right, begins_run=True) == [Knot(0, T0, NS)]


@pytest.mark.parametrize("skew", [0.0003, 0.03])
def test_an_old_run_of_a_fast_source_keeps_its_rate(skew: float) -> None:
    right = (60 * NS, T0 + round(60 * S * (1 - skew)))
    [knot] = anchored(0, T0, right=right, begins_run=True)
    assert knot.wall_us == T0 and abs(knot.rate_ppb / NS - (1 - skew)) < 1e-6


def test_a_leap_in_an_old_segment_is_taken_out_where_it_is() -> None:
    leap = Leap(20 * NS, 23 * NS)
    run = Run("aa")
    run.anchor(anchored(0, T0, right=(63 * NS, T0 + 60 * S), leaps=[leap]))
    clock = run.clock()
    assert clock.wall_us(19 * NS) == T0 + 19 * S
    assert abs(clock.wall_us(23 * NS) - T0 - 20 * S) < 1_100
    assert abs(clock.wall_us(62 * NS) - T0 - 59 * S) < 1_100


@pytest.mark.parametrize("leap_s", [1, 3, 10])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_a_leap_is_taken_out_whichever_file_is_read_first(leap_s: int, order: list[int]) -> None:
    run, next_ns = Run("aa"), (10 + leap_s) * NS
    leaps = [Leap(6 * NS, (6 + leap_s) * NS)]
    for number in order:
        begin = (next_ns, T0 + 10 * S) if number else (0, T0)
        left, _ = run.neighbours(begin[0])
        following = None if number else (next_ns, T0 + 10 * S)
        run.anchor(anchored(*begin, left=left, right=following, leaps=[] if number else leaps))
    clock = run.clock()
    for media_s, wall_s in [
        (0, 0),
        (5, 5),
        (6 + leap_s, 6),
        (9 + leap_s, 9),
        (10 + leap_s, 10),
        (11 + leap_s, 11),
    ]:
        assert abs(clock.wall_us(media_s * NS) - T0 - wall_s * S) < 1_100, media_s


@pytest.mark.parametrize("leap_s", [1, 3, 10])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("lost_s", [0, 0.5])
def test_a_leap_between_two_files_does_not_bend_the_first(
    leap_s: int, order: list[int], lost_s: float
) -> None:
    run, following = Run("aa"), (round((6 + leap_s + lost_s) * NS), T0 + round((6 + lost_s) * S))
    begins = [(0, T0), following]
    for number in order:
        left, _ = run.neighbours(begins[number][0])
        last = ((6 + 14 * number) * NS, T0 + 20 * S)
        run.anchor(anchored(*begins[number], left=left, right=None if number else following, last=last))
    clock = run.clock()
    for media_s, wall_s in [(0, 0), (3, 3), (5.96, 5.96), (6 + leap_s + lost_s, 6 + lost_s)]:
        assert abs(clock.wall_us(round(media_s * NS)) - T0 - wall_s * S) < 2_100, media_s


def test_frames_lost_in_an_old_segment_leave_its_clock_alone() -> None:
    leap = Leap(20 * NS, 23 * NS)
    assert len(anchored(0, T0, right=(60 * NS, T0 + 60 * S), leaps=[leap])) == 1


def test_the_real_leap_is_taken_out_by_the_time_the_file_was_last_written() -> None:
    index = indexed(DATA / "pts_jump" / "cam1" / "2026-11-20_23-59-36-267690.mp4")
    facts = facts_of(index)
    assert facts.ntp_us is not None and facts.end_ns is not None
    leaps = [Leap(*hole) for hole in facts.holes]
    # the original ran 14.94 s of media time in 11.94 s; this cut ends 0.04 s after the jump
    written_us = facts.ntp_us + facts.end_ns // 1000 - 3 * S
    knots = anchored(facts.base_ns, facts.ntp_us, leaps=leaps, last=(facts.end_ns, written_us))
    clock = RunClock.of(knots)
    known = coverage([SegmentEntry("x", None, facts, clock)], 0, 1 << 61, is_live=True)
    assert [gap.reason for gap in known.gaps] == ["no_footage"]  # one frame was lost, not three seconds
    assert len(known.spans) == 1
    assert clock.wall_us(facts.end_ns) - written_us < 25_000
    assert clock.wall_us(facts.holes[0][1]) > clock.wall_us(facts.holes[0][0])


def test_the_real_run_has_its_gap_where_segments_are_missing() -> None:
    folder = DATA / "normal_5seg_bframes_aac" / "cam1"
    run: Run | None = None
    segments = []
    for name in sorted(os.listdir(folder)):
        facts = facts_of(indexed(Path(folder / name)))
        assert facts.ntp_us is not None
        run = run or Run(facts.run_id)
        run.anchor(anchored(facts.base_ns, facts.ntp_us, left=run.neighbours(facts.base_ns)[0]))
        segments.append(facts)
    assert run is not None
    clock = run.clock()
    known = coverage([SegmentEntry(f.name, None, f, clock) for f in segments], 0, 1 << 61, is_live=True)
    assert [gap.reason for gap in known.gaps] == ["no_footage", "segment_missing"]
    assert len(known.spans) == 2
    assert len(known.runs) == 1


def test_why_a_run_ended_is_reported_by_the_media_time_the_next_one_begins_at() -> None:
    """E9: MediaMTX's media time belongs to the connection; a recorder that restarts waits 2 s first."""
    for base_s, gap_s, reason in (
        (0.0, 3, "source_lost"),  # a new connection with sound
        (1.9, 3, "source_lost"),  # one without: from its first key picture
        (0.0, 9, "source_lost"),
        (0.0, 300, "source_lost"),
        (60 + 3, 3, "recorder_restart"),  # the connection continued
        (60 + 40, 40, "recorder_restart"),  # for as long as the disk was full
        (2.01, 3, "recorder_restart"),  # the encoder's clock restarted, and the recorder with it
    ):
        first, later = segment(0, 0, 60), segment(0, base_s, base_s + 10, "bb")
        clock = RunClock.of([Knot(round(base_s * NS), T0 + (60 + gap_s) * S, PPB)])
        segments = [*entries(first), SegmentEntry("b", None, later, clock)]
        assert spans_and_gaps(segments, 50, 60 + gap_s + 5)[1] == (60, 60 + gap_s, reason), (base_s, gap_s)


def test_the_reported_reason_of_an_outage_takes_precedence_over_the_files() -> None:
    segments = entries(segment(0, 0, 50, holes=((20 * NS, 24 * NS),)), segment(0, 53, 60, "bb"))
    outages = [
        Outage(T0 + 20 * S, "source_lost"),
        Outage(T0 + 50 * S - 200_000, "source_lost"),  # the recorder wrote one more part afterwards
        Outage(T0 + 60 * S, "recorder_restart"),
    ]
    known = coverage(segments, T0, T0 + 90 * S, is_live=False, outages=outages)
    assert [gap.reason for gap in known.gaps] == ["source_lost", "source_lost", "recorder_restart"]
    known = coverage(
        segments, T0, T0 + 90 * S, is_live=False, outages=outages[:1], last_ended="recorder_restart"
    )
    assert [gap.reason for gap in known.gaps] == ["source_lost", "recorder_restart", "recorder_restart"]


def test_an_outage_explains_no_file_that_is_missing() -> None:
    segments = entries(segment(0, 0, 60), segment(2, 120, 180))
    known = coverage(segments, T0, T0 + 180 * S, is_live=True, outages=[Outage(T0 + 60 * S, "source_lost")])
    assert [gap.reason for gap in known.gaps] == ["segment_missing"]
