"""Live indexing: a camera that sends fewer frames has no gap, one that loses frames has one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from itertools import pairwise
from pathlib import Path

import pytest

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.segment_state import GrowthTimes
from appliance.media.index.index import scan
from appliance.media.index.spans import gap_between
from tests.kit.segments import Sample, init, part
from tests.media.index.test_index import opened

NOW_US = 1_790_000_000_000_000
S_US = 1_000_000
FAST = [3000] * 30


def parts(waits: Sequence[int]) -> list[tuple[int, bytes]]:
    """As MediaMTX writes them, 0.2 s or one frame each; with the ticks at which the next frame came."""
    results, pending, tfdt = [], list[Sample](), 0
    for number, wait in enumerate(waits):
        pending.append(Sample(wait, sync=not number))
        if (length := sum(each.duration for each in pending)) >= 18_000 or number == len(waits) - 1:
            results.append((tfdt + length, part(pending, tfdt)))
            tfdt, pending = tfdt + length, []
    return results


@pytest.mark.parametrize(
    ("waits", "gaps"),
    [
        ([*FAST, *[15_000] * 12, *FAST], []),
        ([*FAST, *[12_000] * 12, *FAST, *[18_000] * 9], []),
        ([*FAST, *[180_000] * 4, *FAST], []),
        ([*FAST, 180_000, *FAST], [(1.0 + 1 / 30, 3.0)]),
        ([*FAST, 12_000, *FAST], [(1.0 + 1 / 30, 1.0 + 4 / 30)]),
        ([*FAST, *[15_000] * 6, 180_000, *[15_000] * 6], [(2.0 + 1 / 6, 4.0)]),
    ],
    ids=["to 6 and back", "to 7.5, to 5", "to 0.5", "2 s lost", "three frames lost", "lost at 6"],
)
def test_only_what_is_lost_is_a_gap(
    tmp_path: Path, waits: list[int], gaps: list[tuple[float, float]]
) -> None:
    path, channel = tmp_path / "a.mp4", ChannelIndex("cam1", UTC)
    path.write_bytes(init((b"\1" * 16, 0, 0, NOW_US * 1000)))
    segment = channel.discover("a.mp4", 0, NOW_US, None)
    channel.opened(segment)
    covered: list[tuple[int, int]] = []
    until_us = 0
    for reached, data in parts(waits):
        with path.open("ab") as file:
            file.write(data)
        assert segment.index is not None
        with opened(path) as fd:
            growth = scan(segment.index.cursor, fd, path.stat().st_size)
        channel.grow(segment, growth, GrowthTimes(NOW_US + 20_000 + reached * 100 // 9))
        known = channel.coverage(0, 1 << 61, is_live=True)
        now = [(span.start_us, span.end_us) for span in known.spans]
        for begin_us, end_us in covered:
            assert any(begin <= begin_us and end_us <= end for begin, end in now), "covered stays covered"
        assert channel.video_until_us is not None and channel.video_until_us >= until_us
        covered, until_us = now, channel.video_until_us
    actual = [gap for gap in known.gaps if gap.reason != "no_footage"]
    assert {gap.reason for gap in actual} <= {"discontinuity"}
    first_us = covered[0][0]
    edges = [((gap.start_us - first_us) / S_US, ((gap.end_us or 0) - first_us) / S_US) for gap in actual]
    assert edges == [pytest.approx(gap, abs=0.005) for gap in gaps]
    # the journal entry is made from the same pieces
    pieces = channel.pieces(segment)
    reports = [gap_between(left, right) for left, right in pairwise(pieces)]
    assert [gap for gap in reports if gap is not None] == actual
