"""Every road through PyAV once, before the fence closes.

PyAV imports some of its modules at first use, and after Landlock there is nothing to import from. It also
proves that FFmpeg works here at all before the worker says hello.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import BinaryIO, cast

import av
from av.video.frame import VideoFrame

from appliance.media.probe import probe
from appliance.media.thumbnail import frame_jpeg


def rehearse() -> None:
    """Write, probe and picture one grey frame in memory. Raises what PyAV raises: the worker is of no use."""
    film = _tiny_film()
    facts = probe(cast(BinaryIO, io.BytesIO(film)), decode=True)
    if [stream.frames for stream in facts.streams] != [1]:
        raise RuntimeError(f"one frame written, {facts.streams} read")
    frame_jpeg(cast(BinaryIO, io.BytesIO(film)), at_s=0.0, width_px=16)


def _tiny_film() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        stream.codec_context.thread_count = 1
        frame = VideoFrame(32, 32, "yuvj420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
