"""The test cameras report correctly what they wrote."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from appliance.media.mp4.fmp4 import Mtxi, parse_init
from tests.kit.camera import Footage, RecordingWriter, burned_in, make_footage

START_US = 1_790_000_000_000_000


def inits(directory: Path) -> list[Mtxi]:
    results = [parse_init(path.read_bytes()).mtxi for path in sorted(directory.iterdir())]
    return [mtxi for mtxi in results if mtxi is not None]


@pytest.mark.parametrize(
    "footage",
    [
        make_footage(frames=120),
        make_footage(frames=100, fps=Fraction(25), gop=25, b_frames=0),
        make_footage(frames=120, codec="hevc", sound=False),
    ],
    ids=["29.97 with B-frames", "25 without", "hevc"],
)
def test_what_is_reported_to_be_on_disk_is_on_disk(tmp_path: Path, footage: Footage) -> None:
    writer = RecordingWriter(tmp_path, footage, START_US)
    writer.write_seconds(7)
    writer.restart(gap_s=1.5)
    writer.write_seconds(13)
    writer.close()
    decoded = [
        code.frame if code else None for path in sorted(tmp_path.iterdir()) for code in burned_in(path)
    ]
    assert decoded == [frame.burned for frame in writer.frames]
    first, two = ([f.number for f in writer.frames if f.run == run] for run in (0, 1))
    whole = len(first) - 4  # the run ends between a P picture and the B pictures before it
    assert first[:whole] == list(range(whole)) and two[0] - first[-1] >= 1.5 * footage.fps
    assert len({mtxi.stream_id for mtxi in inits(tmp_path)}) == 2


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_a_skewed_source_drifts_from_the_truth_by_its_skew(tmp_path: Path, ppm: int) -> None:
    footage = make_footage(frames=100, fps=Fraction(25), gop=25, b_frames=0)
    writer = RecordingWriter(tmp_path, footage, START_US, skew_ppm=ppm, segment_s=60, delay_us=120_000)
    writer.write_seconds(300)
    last = writer.frames[-1]
    truth_us = last.capture_us - START_US
    drift_us = last.media_ns // 1000 - truth_us
    assert abs(drift_us - truth_us * ppm * 1e-6) < 5 and truth_us > 299_000_000
    newest = inits(tmp_path)[-1]
    assert newest.ntp_ns // 1000 == writer.wall_us(newest.dts_ns)


def test_a_part_is_written_when_it_is_due_and_not_before(tmp_path: Path) -> None:
    footage = make_footage(frames=100, fps=Fraction(25), gop=25, b_frames=0, sound=False)
    writer = RecordingWriter(tmp_path, footage, START_US, delay_us=50_000)
    assert writer.next_due_us() == START_US + 250_000
    assert writer.write_until(START_US + 249_999) == 0 and not list(tmp_path.iterdir())
    assert writer.write_until(START_US + 250_000) == 1 and len(writer.frames) == 5
