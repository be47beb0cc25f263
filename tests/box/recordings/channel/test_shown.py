"""Whether the footage of a cut is still shown at the same time."""

from __future__ import annotations

from datetime import UTC

import pytest

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.channel.shown import MediaSpan, standing
from appliance.media.clock.timeline import Knot
from appliance.media.index.spans import Span, Standing

S, NS = 1_000_000, 1_000_000_000
AT_US = 1_790_000_000 * S


def channel() -> ChannelIndex:
    """Run `a` begins at 0 s of wall time, `b` at 10 s."""
    made = ChannelIndex("cam1", UTC)
    made.clocks.restore({"a": [Knot(0, AT_US, NS)], "b": [Knot(0, AT_US + 10 * S, NS)]}, {})
    return made


def span(run_id: str, start_s: float, end_s: float) -> Span:
    return Span(AT_US + round(start_s * S), AT_US + round(end_s * S), run_id)


def cut(run_id: str, start_s: float, end_s: float) -> MediaSpan:
    return run_id, round(start_s * NS), round(end_s * NS)


@pytest.mark.parametrize(
    ("cut_from", "shown", "expected"),
    [
        ([cut("a", 4, 8)], [span("a", 4, 8)], "in_place"),
        ([cut("a", 4.02, 8.03)], [span("a", 4, 8)], "in_place"),  # edges of frames
        ([cut("a", 4, 6), cut("a", 6.01, 8)], [span("a", 4, 8)], "in_place"),
        ([cut("a", 4, 8)], [span("a", 4, 6), span("a", 7, 8)], "replaced"),  # a second of it is missing
        ([cut("a", 4, 8)], [span("c", 4, 8)], "replaced"),  # another run is shown
        ([cut("a", 4, 8)], [], "replaced"),
        ([cut("c", 4, 8)], [span("a", 4, 8)], "replaced"),  # not in the index any more
        ([cut("a", 6, 10)], [span("a", 4, 8)], "elsewhere"),
        ([cut("a", 3.5, 7.5)], [span("a", 4, 8)], "elsewhere"),
    ],
)
def test_where_a_cut_stands(cut_from: list[MediaSpan], shown: list[Span], expected: Standing) -> None:
    assert standing(channel(), cut_from, shown, AT_US + 4 * S, AT_US + 8 * S) == expected


def test_a_cut_of_two_runs_stands_where_both_are() -> None:
    both = [cut("a", 9, 10), cut("b", 0, 1)]
    shown = [span("a", 9, 10), span("b", 10, 11)]
    assert standing(channel(), both, shown, AT_US + 9 * S, AT_US + 11 * S) == "in_place"
    assert standing(channel(), both, shown[:1], AT_US + 9 * S, AT_US + 11 * S) == "replaced"
