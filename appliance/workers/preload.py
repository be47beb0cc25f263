"""Run each function of PyAV that is needed once, before the sandbox closes.

PyAV imports some of its modules at first use, and after Landlock nothing can be imported. It also proves that
FFmpeg works here before the worker sends hello.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import BinaryIO, cast

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from appliance.media.decode.probe import probe
from appliance.media.decode.thumbnail import frame_jpeg
from appliance.media.decode.transcode import Recipe, transcode


def rehearse() -> None:
    """Write, probe, picture and transcode one grey frame in memory.

    Raises what PyAV raises, or RuntimeError: then this worker is unusable.
    """
    film = _tiny_film()
    facts = probe(cast(BinaryIO, io.BytesIO(film)), decode=True)
    if len(facts.streams) != 2 or not all(stream.frames for stream in facts.streams):
        raise RuntimeError(f"a picture and a sound written, {facts.streams} read")
    frame_jpeg(cast(BinaryIO, io.BytesIO(film)), at_s=0.0, width_px=16)
    recipe = Recipe("ultrafast", 23, threads=1)
    transcode(cast(BinaryIO, io.BytesIO(film)), cast(BinaryIO, io.BytesIO()), recipe, moov_bytes=16_384)


def _tiny_film() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=Fraction(25))
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        video.codec_context.thread_count = 1
        video.codec_context.options = {"preset": "ultrafast"}
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        container.mux(video.encode(VideoFrame(32, 32, "yuv420p")))
        sound = AudioFrame("fltp", "mono", 1024)
        sound.sample_rate = 48_000
        # PyAV returns uninitialised memory: with it, the encoder may search forever
        for plane in sound.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return file.getvalue()
