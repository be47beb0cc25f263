"""media/decode/transcode.py: an encoded clip shows the same frames and has no hidden ones."""

from __future__ import annotations

import io
import math
from array import array
from fractions import Fraction
from typing import BinaryIO, cast

import av
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from appliance.media.decode.probe import probe
from appliance.media.decode.thumbnail import BadMedia
from appliance.media.decode.transcode import Recipe, Written, transcode
from tests.workers.film import FRAMES, HEIGHT, WIDTH, grey, make_film

RECIPE = Recipe("ultrafast", 23, threads=1)
RATE = 48_000


def again(film: bytes, *, moov_bytes: int = 16_384) -> tuple[Written, bytes]:
    output = io.BytesIO()
    written = transcode(
        cast(BinaryIO, io.BytesIO(film)), cast(BinaryIO, output), RECIPE, moov_bytes=moov_bytes
    )
    return written, output.getvalue()


def shown(film: bytes) -> list[tuple[float, float]]:
    """(time, mean luma) of every frame a player shows."""
    results = []
    with av.open(io.BytesIO(film), "r", format="mp4") as container:
        for frame in container.decode(container.streams.video[0]):
            plane = frame.reformat(2, 2, "gray").planes[0]
            results.append((float(frame.time), float(bytes(plane)[0])))
    return results


def film_with_a_hole_in_its_sound() -> bytes:
    """Twelve pictures; ten loud AAC packets of 1,024 samples, shifted by 8,192 from sample 4,096 on."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=Fraction(25))
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        container.mux(video.encode(VideoFrame(32, 32, "yuv420p")))
        container.mux(video.encode(None))
        packets = [packet for number in range(10) for packet in audio.encode(_loud(number * 1024))]
        for packet in [*packets, *audio.encode(None)]:
            assert packet.pts is not None
            if packet.pts >= 4096:
                packet.pts += 8192
                packet.dts = packet.pts
            container.mux(packet)
    return file.getvalue()


def _loud(pts: int) -> AudioFrame:
    sound = AudioFrame("fltp", "mono", 1024)
    sound.sample_rate, sound.pts, sound.time_base = RATE, pts, Fraction(1, RATE)
    tone = array("f", (0.5 * math.sin(2 * math.pi * 1000 * at / RATE) for at in range(pts, pts + 1024)))
    sound.planes[0].update(tone.tobytes().ljust(sound.planes[0].buffer_size, b"\x00"))
    return sound


def test_the_same_frames_are_shown_at_the_same_times() -> None:
    film = make_film()
    written, output = again(film)
    assert (written.frames, written.width, written.height) == (FRAMES, WIDTH, HEIGHT)
    assert written.end_s == pytest.approx(FRAMES / 25)
    before, after = shown(film), shown(output)
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before])
    assert [luma for _, luma in after] == pytest.approx([luma for _, luma in before], abs=4)
    # so that a swapped frame would be noticed
    assert len({grey(number) for number in range(FRAMES)}) == FRAMES


def test_no_packet_is_hidden_and_the_header_comes_first() -> None:
    _, output = again(make_film())
    (video,) = probe(cast(BinaryIO, io.BytesIO(output)), decode=True).streams
    assert video.packets == video.frames == FRAMES
    assert output.index(b"moov") < output.index(b"mdat")


def test_a_header_that_does_not_fit_is_an_error_not_a_broken_file() -> None:
    with pytest.raises(BadMedia):
        again(make_film(), moov_bytes=100)


def test_a_hole_in_the_sound_is_silent_and_what_follows_stays_in_time() -> None:
    _, output = again(film_with_a_hole_in_its_sound())
    loud = []
    with av.open(io.BytesIO(output), "r", format="mp4") as container:
        for frame in container.decode(container.streams.audio[0]):
            samples = memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples]
            assert frame.pts is not None
            loud += [frame.pts + at for at, value in enumerate(samples) if abs(value) > 0.3]
    assert [at for at in loud if 500 < at < 4096]
    assert not [at for at in loud if 6 * 1024 < at < 11 * 1024]
    assert [at for at in loud if 13 * 1024 < at < 17 * 1024]


@pytest.mark.parametrize("data", [b"", b"no film" * 100])
def test_what_is_no_film_is_bad_media(data: bytes) -> None:
    with pytest.raises(BadMedia):
        again(data)
