"""Files with several video tracks: the channel's picture is the one with motion."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from appliance.media.bitstream.params import first_entry
from appliance.media.index.index import SegmentIndex
from appliance.media.index.segment import facts_of, view_of
from appliance.media.mp4 import boxes
from appliance.media.mp4.fragment import Sample, TrackSpec, Traf, init_segment, part
from tests.kit.barcode import VIDEO_HZ, encode, play
from tests.kit.fmp4_file import START_US, Recordings, StraightClock
from tests.media.cut.test_plan import LATENCY_US, at_us, plan_us

FILM = encode(90, bframes=2, sound=False)
OTHER = encode(90, first=1000, sound=False, size=(96, 48))
RUN = b"\1" * 16
JPEG = boxes.visual_entry(b"mp4v", 640, 480, boxes.full_box(b"esds", 0, 0, b"\3\0"))
PNG = boxes.visual_entry(b"png ", 640, 480, b"")


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def film(track_id: int) -> TrackSpec:
    return TrackSpec(track_id, False, VIDEO_HZ, first_entry(FILM.video), 192, 96)


def other(track_id: int) -> TrackSpec:
    return TrackSpec(track_id, False, VIDEO_HZ, first_entry(OTHER.video), 96, 48)


def picture(track_id: int, entry: bytes = JPEG) -> TrackSpec:
    return TrackSpec(track_id, False, 25, entry, 640, 480)


STILL = Sample(0, 0, 1000, True, b"\xff\xd8" + bytes(500))


def write(
    recordings: Recordings, specs: Sequence[TrackSpec], samples: dict[int, Sequence[Sample]]
) -> SegmentIndex:
    """A file of parts of 0.2 s with the samples of each track."""
    parts = []
    for number in range(15):
        low, high = number * 0.2, (number + 1) * 0.2
        trafs = []
        for spec in specs:
            first = min((each.pts for each in samples[spec.id]), default=0)
            mine = [x for x in samples[spec.id] if low <= (x.dts - first) / spec.timescale + 0.067 < high]
            if mine:
                trafs.append(Traf(spec.id, max(0, mine[0].dts - samples[spec.id][0].dts), mine))
        parts.append(part(number, trafs))
    data = init_segment(specs, boxes.mtxi(RUN, 0, 0, START_US * 1000)) + b"".join(parts)
    recordings.add("a.mp4", data, StraightClock(START_US))
    index = SegmentIndex("a.mp4")
    index.update(recordings.open_fd("a.mp4"), len(data))
    return index


@pytest.mark.parametrize(
    ("specs", "samples"),
    [
        ((picture(1), film(2)), {1: [STILL], 2: FILM.frames}),
        ((film(1), picture(2)), {1: FILM.frames, 2: [STILL]}),
        ((picture(1, PNG), picture(2), film(3)), {1: [STILL], 2: [STILL], 3: FILM.frames}),
        ((picture(1), film(2)), {1: [STILL._replace(dts=n) for n in range(70)], 2: FILM.frames}),
        ((other(1), film(2)), {1: [], 2: FILM.frames}),
        ((film(7), other(3)), {7: FILM.frames, 3: []}),
        ((other(1), film(2)), {1: OTHER.frames[:1], 2: FILM.frames}),
        ((film(1), other(2)), {1: FILM.frames, 2: OTHER.frames}),
    ],
    ids=["cover", "cover after", "two covers", "slide show", "empty", "empty after", "still", "two films"],
)
def test_of_two_video_tracks_the_moving_one_is_used(
    recordings: Recordings, specs: Sequence[TrackSpec], samples: dict[int, Sequence[Sample]]
) -> None:
    index = write(recordings, specs, samples)
    assert index.frames == 90 and facts_of(index).codec == "avc1"
    assert [(size.width, size.height) for size in facts_of(index).sizes] == [(192, 96)]
    plan = plan_us(recordings, START_US - LATENCY_US, at_us(999))
    assert len(set(play(recordings.bytes_of(plan)).numbers)) == plan.frames == 90
    assert play(recordings.bytes_of(plan)).numbers == list(range(90))

    facts, view = facts_of(index), recordings.views[0]
    init = SegmentIndex("a.mp4")
    fd = recordings.open_fd("a.mp4")
    init.update(fd, index.parts[0].offset)  # only the header, as when a table is loaded
    assert init.init is not None and os.fstat(fd).st_size > index.parts[0].offset
    again = view_of(facts, "a.mp4", init.init, view.clock, view.parts, view.keys)
    recordings.views[:] = [again]
    assert plan_us(recordings, START_US - LATENCY_US, at_us(999)).header == plan.header
