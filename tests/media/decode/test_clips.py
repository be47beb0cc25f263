"""Several clips out of one stretch, decoded once."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from fractions import Fraction

import av
import pytest

from appliance.media.decode.clip_sound import look_back
from appliance.media.decode.clips import ClipRecipe, CutStretch, Stretch, Window, cut_clips
from appliance.media.decode.thumbnail import BadMedia
from appliance.media.mp4 import boxes
from tests.kit.barcode import number_of
from tests.kit.camera_films import Film, film_bytes

FILM = Film(frames=90, bframes=0, sound=False)
ONE = ClipRecipe(threads=1, clip_s=60.0)
MOOV = 16_384
SECOND = 90_000


def cut(
    film: bytes, windows: list[tuple[int, int]], recipe: ClipRecipe = ONE, *, sound: bool = False
) -> tuple[CutStretch, list[io.BytesIO]]:
    sinks = [io.BytesIO() for _ in windows]
    wanted = [Window(first, end, sound, MOOV) for first, end in windows]
    return cut_clips(io.BytesIO(film), sinks, Stretch(0, 0, 0), wanted, recipe), sinks


def shown(sink: io.BytesIO) -> list[tuple[int, float]]:
    with av.open(io.BytesIO(sink.getvalue()), "r") as container:
        return [(number_of(frame), float(frame.time or 0)) for frame in container.decode(video=0)]


def test_each_clip_has_its_frames_from_its_own_zero() -> None:
    result, sinks = cut(film_bytes(FILM), [(0, SECOND), (SECOND // 2, 2 * SECOND)])
    assert [clip.frames for clip in result.clips] == [30, 45]
    assert [number for number, _ in shown(sinks[1])] == list(range(15, 60))
    assert shown(sinks[1])[-1][1] == pytest.approx(44 / 30)
    assert result.decoded == 90


def test_the_encoder_is_the_documents() -> None:
    # T13
    _, sinks = cut(film_bytes(FILM), [(0, SECOND)])
    for option in (b"crf=23.0", b"me=dia subme=0", b"bframes=0", b"keyint=250", b"scenecut=0"):
        assert option in sinks[0].getvalue()
    assert sinks[0].getvalue().index(b"moov") < sinks[0].getvalue().index(b"mdat")


def test_a_clip_beyond_the_stretch_fails_alone() -> None:
    result, _ = cut(film_bytes(FILM), [(0, SECOND), (9 * SECOND, 10 * SECOND)])
    assert [clip.error for clip in result.clips] == ["", "bad_media"]


def test_the_time_of_each_clip_is_limited() -> None:
    # T13
    seconds = itertools.count()
    result, _ = cut(film_bytes(FILM), [(0, SECOND)], replace(ONE, clip_s=10.0, clock=lambda: next(seconds)))
    assert result.clips[0].error == "timeout"
    assert result.clips[0].frames < 12


def test_a_full_sink_fails_its_clip() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    windows = [Window(0, SECOND, False, MOOV)] * 2
    sinks = [Full(), io.BytesIO()]
    result = cut_clips(io.BytesIO(film_bytes(FILM)), sinks, Stretch(0, 0, 0), windows, ONE)
    assert [clip.error for clip in result.clips] == ["bad_media", ""]


def test_a_reserved_header_that_is_too_small_fails_the_clip() -> None:
    windows = [Window(0, SECOND, False, 100)]
    result = cut_clips(io.BytesIO(film_bytes(FILM)), [io.BytesIO()], Stretch(0, 0, 0), windows, ONE)
    assert result.clips[0].error == "bad_media"


@pytest.mark.parametrize("data", [b"", b"no video" * 100, film_bytes(FILM)[:2000]])
def test_what_cannot_be_read_is_bad_media(data: bytes) -> None:
    with pytest.raises(BadMedia):
        cut(data, [(0, SECOND)])


QUARTER = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)


def test_pictures_are_put_upright() -> None:
    """Clips of the plan have moov in front, so the film is laid out likewise."""
    import struct

    data = bytearray(film_bytes(replace(FILM, options=(("moov_size", "32768"),))))
    at = data.index(b"tkhd") + 4 + 40
    assert data[at : at + 4] == struct.pack(">i", 0x10000)
    struct.pack_into(">9i", data, at, *QUARTER)
    result, sinks = cut(bytes(data), [(0, SECOND)])
    assert (result.clips[0].width, result.clips[0].height) == (96, 192)
    with av.open(io.BytesIO(sinks[0].getvalue()), "r") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (96, 192)


def test_sound_is_placed_by_sample() -> None:
    film = film_bytes(Film(frames=90, bframes=0))
    result, sinks = cut(film, [(SECOND // 3, SECOND)], sound=True)
    assert result.clips[0].error == ""
    with av.open(io.BytesIO(sinks[0].getvalue()), "r") as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples == pytest.approx(48_000 * 2 / 3, abs=1024)


def test_without_sound_there_is_no_track() -> None:
    _, sinks = cut(film_bytes(Film(frames=90, bframes=0)), [(0, SECOND)])
    with av.open(io.BytesIO(sinks[0].getvalue()), "r") as container:
        assert not container.streams.audio
    assert look_back(None) == 0


def test_a_picture_of_many_bits_becomes_one_that_plays_everywhere() -> None:
    deep = io.BytesIO()
    with av.open(deep, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(30), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        stream.codec_context.time_base = Fraction(1, SECOND)
        for number in range(10):
            frame = av.VideoFrame(64, 64, "yuv420p10le")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.pts, frame.time_base = number * 3000, Fraction(1, SECOND)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    result, sinks = cut(deep.getvalue(), [(0, SECOND)])
    assert result.clips[0].error == ""
    with av.open(io.BytesIO(sinks[0].getvalue()), "r") as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_edit_lists_of_the_source_are_not_applied() -> None:
    """The caller counts in raw ticks."""
    film = film_bytes(replace(FILM, bframes=2))
    assert boxes.EMPTY_EDIT == -1
    sinks = [io.BytesIO()]
    window = [Window(0, SECOND, False, MOOV)]
    result = cut_clips(io.BytesIO(film), sinks, Stretch(6000, 0, 0), window, ONE)
    assert result.clips[0].frames == 30
    assert [number for number, _ in shown(sinks[0])] == list(range(30))


def test_what_no_clip_shows_and_no_picture_needs_is_not_decoded() -> None:
    film = film_bytes(replace(FILM, bframes=2))
    window = [Window(SECOND, 2 * SECOND, False, MOOV)]
    sinks = [io.BytesIO()]
    result = cut_clips(io.BytesIO(film), sinks, Stretch(6000, 0, 0), window, ONE)
    assert [number for number, _ in shown(sinks[0])] == list(range(30, 60))
    assert result.decoded <= 70  # of 90: a third of the 60 others is referred to by none
