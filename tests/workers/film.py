"""Small generated films: an MP4 in memory, and its first keyframe as an index would describe it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

WIDTH, HEIGHT, FRAMES = 320, 180, 12


@dataclass(frozen=True)
class Keyframe:
    codec: str
    extradata: bytes
    sample: bytes


def grey(number: int) -> int:
    """Luma of frame `number`: the test reads it back."""
    return 40 + 15 * number


def make_film(luma: Callable[[int], int] = grey, *, encoder: str = "libx264", frames: int = FRAMES) -> bytes:
    """`frames` flat pictures at 25 fps, one GOP, two B-frames where the encoder likes them."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream(encoder, rate=Fraction(25))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {
            "preset": "ultrafast",
            "g": "100",
            "bf": "2" if frames > 2 else "0",  # x265 does not set the dts of a film shorter than its delay
            "x265-params": "log-level=none:pools=1",
        }
        for number in range(frames):
            container.mux(stream.encode(_flat(luma(number))))
        container.mux(stream.encode(None))
    return file.getvalue()


def _flat(luma: int) -> VideoFrame:
    frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane, value in zip(frame.planes, (luma, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def first_keyframe(film: bytes) -> Keyframe:
    with av.open(io.BytesIO(film), "r", format="mp4") as container:
        stream = container.streams.video[0]
        packet = next(container.demux(stream))
        return Keyframe(stream.codec_context.name, stream.codec_context.extradata or b"", bytes(packet))


def open_file(path: Path, data: bytes) -> int:
    """`data` written to `path`, opened as the daemon opens a recording. The caller closes it."""
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def mean_luma(jpeg: bytes) -> float:
    """Average brightness of a JPEG, 0..255."""
    frame = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))[0]
    assert isinstance(frame, VideoFrame)
    plane = frame.reformat(16, 16, "gray").planes[0]
    rows = [bytes(plane)[row * plane.line_size :][:16] for row in range(16)]
    return sum(map(sum, rows)) / 256
