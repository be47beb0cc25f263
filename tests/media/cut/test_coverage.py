"""What a clip lacks and why, at every limit: numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from appliance.media.cut.coverage import (
    MissingSpan,
    Reason,
    Shown,
    absent_us,
    ends_us,
    explained,
    missing_spans,
)
from appliance.media.index.spans import Gap

S = 1_000_000
START, END = 10 * S, 20 * S
FRAME = 40_000


def lacking(
    shown: Sequence[tuple[int, int]],
    refused: Sequence[tuple[int, int, Reason]] = (),
    *,
    frame: int = FRAME,
    continues: bool = False,
    follows: bool = False,
) -> list[tuple[int, int, str]]:
    """What is missing of START..END, counted from START."""
    spans = missing_spans(
        [Shown(START + begin, START + end) for begin, end in shown],
        [MissingSpan(START + begin, START + end, reason) for begin, end, reason in refused],
        START,
        END,
        frame,
        continues=continues,
        follows=follows,
    )
    return [(begin - START, end - START, reason) for begin, end, reason in spans]


def test_nothing_is_missing_of_what_is_shown() -> None:
    assert lacking([(0, 10 * S)]) == lacking([(-S, 11 * S)]) == lacking([(-S, 4 * S), (4 * S, 10 * S)]) == []


def test_all_is_missing_of_nothing() -> None:
    assert lacking([]) == [(0, 10 * S, "no_footage")]


@pytest.mark.parametrize(("begin", "missing"), [(60_000, []), (60_001, [(0, 60_001, "no_footage")])])
def test_a_clip_begins_up_to_one_and_a_half_frames_late(
    begin: int, missing: list[tuple[int, int, str]]
) -> None:
    assert lacking([(begin, 10 * S)]) == missing
    assert lacking([(begin, 10 * S)], continues=True) == []


@pytest.mark.parametrize(
    ("end", "missing"), [(20_000, []), (20_001, [(10 * S - 20_001, 10 * S, "no_footage")])]
)
def test_a_clip_ends_up_to_half_a_frame_early(end: int, missing: list[tuple[int, int, str]]) -> None:
    assert lacking([(0, 10 * S - end)]) == missing
    assert lacking([(0, 10 * S - end)], follows=True) == []
    assert lacking([(0, 5 * S)], follows=True) == []


@pytest.mark.parametrize(("frame", "slack"), [(FRAME, 40_000), (33_333, 33_333), (100_000, 40_000)])
def test_less_than_a_frame_between_two_spans_is_not_missing(frame: int, slack: int) -> None:
    first = (0, 5 * S)
    assert lacking([first, (5 * S + slack, 10 * S)], frame=frame) == []
    assert lacking([first, (5 * S + slack + 1, 10 * S)], frame=frame) == [(5 * S, 5 * S + slack + 1, "gap")]
    wide = [(0, 5 * S), (6 * S, 10 * S)]
    assert lacking(wide, continues=True, follows=True) == [(5 * S, 6 * S, "gap")]


def test_a_gap_between_two_spans_counts_once() -> None:
    assert lacking([(0, 4 * S), (S, 2 * S), (4 * S, 10 * S)]) == []
    assert lacking([(5 * S, 10 * S), (0, 4 * S)]) == [(4 * S, 5 * S, "gap")]
    assert lacking([(S, 2 * S), (3 * S, 10 * S)]) == [(0, S, "no_footage"), (2 * S, 3 * S, "gap")]


def test_refused_video_is_missing_for_its_own_reason_within_the_window() -> None:
    refused: list[tuple[int, int, Reason]] = [(4 * S, 6 * S, "format_change")]
    assert lacking([(0, 4 * S), (6 * S, 10 * S)], refused) == [(4 * S, 6 * S, "format_change")]
    assert lacking([(0, 4 * S)], [(4 * S, 12 * S, "format_change")]) == [(4 * S, 10 * S, "format_change")]
    assert lacking([(4 * S, 10 * S)], [(-S, 4 * S, "no_entry")]) == [(0, 4 * S, "no_entry")]
    assert lacking([(4 * S, 10 * S)], [(2 * S, 4 * S, "no_entry")], continues=True) == [
        (0, 2 * S, "no_footage"),
        (2 * S, 4 * S, "no_entry"),
    ]


@pytest.mark.parametrize(("end", "is_missing"), [(35_999, False), (36_000, True)])
def test_the_end_of_a_refused_frame_from_before_the_window_is_not_missing(end: int, is_missing: bool) -> None:
    refused: list[tuple[int, int, Reason]] = [(-1, end, "format_change")]
    assert lacking([(end, 10 * S)], refused) == ([(0, end, "format_change")] if is_missing else [])
    at_begin: list[tuple[int, int, Reason]] = [(0, end, "format_change")]
    assert lacking([(end, 10 * S)], at_begin) == ([(0, end, "format_change")] if is_missing else [])
    inside: list[tuple[int, int, Reason]] = [(1, 2, "format_change")]
    assert lacking([(2, 10 * S)], inside) == [(1, 2, "format_change")]


@pytest.mark.parametrize(("late", "end"), [(-1, -1), (40_000, 40_000), (40_001, 0)])
def test_the_last_picture_is_whole_unless_it_is_long(late: int, end: int) -> None:
    assert ends_us(END + late, END) == END + end


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ([], 0),
        ([(1, 3), (2, 5)], 4),
        ([(2, 5), (1, 3)], 4),
        ([(1, 9), (2, 3)], 8),
        ([(-5, 2), (8, 20)], 4),
        ([(1, 3), (5, 6)], 3),
        ([(-5, -2), (11, 12)], 0),
        ([(-5, 20)], 10),
    ],
)
def test_what_is_absent_counts_once_and_within_the_span(
    missing: list[tuple[int, int]], expected: int
) -> None:
    assert absent_us(missing, 0, 10) == expected


# -- reasons of the timeline --------------------------------------------------------------------------------

LATENCY = S
SPAN = MissingSpan(10 * S, 20 * S, "gap")


def reason_of(span: MissingSpan, *gaps: Gap) -> str:
    (named,) = explained([span], gaps, LATENCY)
    assert named[:2] == span[:2]
    return named.reason


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (11 * S, 21 * S, "source_lost"),
        (0, 11 * S, "gap"),  # it ends where the span begins, in capture time
        (0, 11 * S + 1, "source_lost"),
        (21 * S, 30 * S, "gap"),
        (21 * S - 1, 30 * S, "source_lost"),
        (21 * S, None, "gap"),
        (21 * S - 1, None, "source_lost"),
        (0, None, "source_lost"),
    ],
)
def test_a_span_has_the_reason_of_the_gap_it_lies_in(start: int, end: int | None, expected: str) -> None:
    assert reason_of(SPAN, Gap(start, end, "source_lost")) == expected


def test_the_gap_that_covers_most_of_a_span_gives_the_reason() -> None:
    narrow, wide = Gap(11 * S, 13 * S, "source_lost"), Gap(13 * S, 21 * S, "recorder_restart")
    assert reason_of(SPAN, narrow, wide) == reason_of(SPAN, wide, narrow) == "recorder_restart"
    open_end = Gap(15 * S, None, "discontinuity")
    assert reason_of(SPAN, narrow, open_end) == "discontinuity"
    long = Gap(-(10**9), 12 * S, "source_lost")
    assert reason_of(SPAN, long, wide) == "recorder_restart", "only what lies in the span counts"


def test_what_the_clip_itself_cannot_show_keeps_its_reason() -> None:
    reasons: list[Reason] = ["format_change", "no_entry"]
    for reason in reasons:
        assert reason_of(SPAN._replace(reason=reason), Gap(0, None, "source_lost")) == reason
    assert reason_of(SPAN) == "gap"
    assert (
        reason_of(SPAN._replace(reason="source_lost"), Gap(0, None, "recorder_restart")) == "recorder_restart"
    )
