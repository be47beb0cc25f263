"""Recordings with a rotation in tkhd's matrix: kept in clips, applied to every picture."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import numpy as np
import pytest

from appliance.media.cut.frames import plan_frame
from appliance.media.cut.retrim import header_size, retrim
from appliance.media.decode.probe import probe
from appliance.media.decode.thumbnail import frame_jpeg, keyframe_jpeg
from appliance.media.decode.transcode import Recipe, transcode
from appliance.media.index.index import SegmentIndex
from appliance.media.index.segment import facts_of
from appliance.media.index.spans import SegmentEntry, coverage
from appliance.media.mp4.fmp4 import parse_init
from appliance.media.mp4.turn import UNITY, Turn, turn_of, usable
from tests.kit.barcode import SIZE, Media, Pixels, draw, encode
from tests.kit.fmp4_file import Recordings, init
from tests.media.cut.test_plan import at_us, cut, plan_us

ONE = 0x10000
WIDTH, HEIGHT = SIZE
# a b c d x y, and the equivalent numpy operation
TURNS: dict[str, tuple[tuple[int, int, int, int, int, int], Callable[[Pixels], Pixels]]] = {
    "90": ((0, ONE, -ONE, 0, HEIGHT, 0), lambda luma: np.rot90(luma, -1)),
    "180": ((-ONE, 0, 0, -ONE, WIDTH, HEIGHT), lambda luma: np.rot90(luma, 2)),
    "270": ((0, -ONE, ONE, 0, 0, WIDTH), np.rot90),
    "mirrored": ((-ONE, 0, 0, ONE, WIDTH, 0), np.fliplr),
    "upside down": ((ONE, 0, 0, -ONE, 0, HEIGHT), np.flipud),
    "mirrored and 90": ((0, -ONE, -ONE, 0, HEIGHT, WIDTH), lambda luma: np.rot90(np.fliplr(luma), -1)),
    "transposed": ((0, ONE, ONE, 0, 0, 0), lambda luma: luma.T),
}


def matrix(a: int, b: int, c: int, d: int, x: int, y: int) -> bytes:
    return struct.pack(">9i", a, b, 0, c, d, 0, x * ONE, y * ONE, 0x40000000)


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def turned(name: str, **encoding: Any) -> Media:
    media = encode(60, bframes=2, gop=30, **encoding)
    return replace(media, video=replace(media.video, matrix=matrix(*TURNS[name][0])))


def assert_shows(luma: Pixels, number: int, name: str) -> None:
    """The picture is frame `number`, rotated as by numpy (blocks: only their levels are compared)."""
    wanted = TURNS[name][1](draw(number))
    assert luma.shape == wanted.shape
    # away from block edges, which coding blurs
    assert np.mean((luma > 128) == (wanted > 128)) > 0.97


def luma_of(jpeg: bytes) -> Pixels:
    with av.open(io.BytesIO(jpeg), "r", format="jpeg_pipe") as container:
        return next(container.decode(video=0)).to_ndarray(format="gray").astype(np.uint8)


@pytest.mark.parametrize("name", TURNS)
def test_a_clip_keeps_the_matrix_and_its_pictures_are_upright(recordings: Recordings, name: str) -> None:
    recordings.record(turned(name))
    plan, played = cut(recordings, 17, 47)
    clip = recordings.bytes_of(plan)
    assert played.numbers == list(range(17, 47)), "samples are as coded"
    assert parse_init(clip).tracks[0].matrix == matrix(*TURNS[name][0])
    size = WIDTH, HEIGHT
    size = size[::-1] if "90" in name or name in ("270", "transposed") else size
    assert (plan.width, plan.height) == size

    key = plan_frame(recordings.views, recordings.open_fd, at_us(40), 250_000)
    data = (recordings.folder / key.picture.name).read_bytes()
    sample = data[key.picture.offset : key.picture.offset + key.picture.length]
    small = keyframe_jpeg("h264", key.extradata, sample, width_px=0, turn=key.turn)
    assert (small.width, small.height) == size
    assert_shows(luma_of(small.data), 30, name)
    exact = frame_jpeg(cast(BinaryIO, io.BytesIO(clip)), at_s=3.01 / 30, width_px=0)
    assert_shows(luma_of(exact.data), 20, name)

    sink = io.BytesIO()
    made = transcode(cast(BinaryIO, io.BytesIO(clip)), sink, Recipe("ultrafast", 20, 1), moov_bytes=1 << 16)
    assert (made.width, made.height, made.frames) == (*size, 30)
    with av.open(io.BytesIO(sink.getvalue()), "r") as container:
        frames = list(container.decode(video=0))
    assert frames[5].rotation == 0
    assert_shows(frames[5].to_ndarray(format="gray").astype(np.uint8), 22, name)

    trimmed = retrim(clip[: header_size(clip)], skip_us=300_000, length_us=200_000)
    assert (trimmed.width, trimmed.height) == size
    assert parse_init(trimmed.header).tracks[0].matrix == matrix(*TURNS[name][0])
    for data in (clip, sink.getvalue()):
        streams = probe(cast(BinaryIO, io.BytesIO(data)), decode=True).streams
        [shown] = [stream for stream in streams if stream.kind == "video"]
        assert (shown.width, shown.height) == size


def test_the_index_has_the_size_as_it_is_shown(recordings: Recordings) -> None:
    recordings.record(turned("90"))
    [view] = recordings.views
    index = SegmentIndex("a.mp4")
    index.update(recordings.open_fd(view.name), (recordings.folder / view.name).stat().st_size)
    known = coverage([SegmentEntry("a.mp4", None, facts_of(index), view.clock)], 0, 1 << 61, is_live=True)
    assert (known.runs[0].width, known.runs[0].height) == (HEIGHT, WIDTH)
    assert [(each.width, each.height) for each in known.sizes] == [(HEIGHT, WIDTH)]


def test_a_camera_turned_between_two_runs_is_a_change_of_format(recordings: Recordings) -> None:
    recordings.record(encode(60, sound=False))
    recordings.record(turned("90", first=60, sound=False), run=2, start_us=1_790_000_002_000_000)
    plan = plan_us(recordings, at_us(49.5), at_us(99.5))
    assert [gap.reason for gap in plan.missing] == ["format_change"]
    assert (plan.width, plan.height, plan.frames) == (HEIGHT, WIDTH, 40)


def test_a_matrix_that_shows_nothing_is_left_out() -> None:
    media = encode(60, sound=False)
    for strange in (bytes(36), matrix(ONE, ONE, ONE, ONE, 0, 0)):
        data = init(replace(media, video=replace(media.video, matrix=strange)))
        assert parse_init(data).tracks[0].matrix == UNITY
        assert usable(strange) == UNITY
    scaled = (2 * ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    assert turn_of(scaled) == Turn() and turn_of((ONE, ONE, 0, -ONE, ONE, 0, 0, 0, 1 << 30)) == Turn()
