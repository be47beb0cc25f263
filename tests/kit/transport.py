"""A transport stream as FFmpeg's muxer writes it, and encoders based on it send."""

from __future__ import annotations

import io
from fractions import Fraction

import av
from av.audio.stream import AudioStream

_SAMPLES = {"mp2": (1152, "s16", 2), "libopus": (960, "flt", 4)}  # of a frame, their format, bytes of one


def transport_stream(
    pictures: int, sound: str, *, sounds: int = 1, gop: int = 10, b_frames: int = 0
) -> bytes:
    """H.264 160x90 at 25 pictures a second, `sounds` silent frames of `sound` beside each.

    All pictures are one grey: uninitialised, their bytes would be random memory, and sometimes the last one
    would fill its last packet exactly, so that its end could not be recognised.
    """
    sink = io.BytesIO()
    samples, kind, width = _SAMPLES[sound]
    options = {"g": str(gop), "preset": "ultrafast", "bf": str(b_frames)}
    with av.open(sink, "w", format="mpegts") as out:
        video = out.add_stream("libx264", rate=25, options=options)
        audio = out.add_stream(sound, rate=48_000, layout="stereo")
        assert isinstance(audio, AudioStream)
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        for n in range(pictures):
            out.mux(video.encode(_grey(n)))
            for at in range(n * sounds, (n + 1) * sounds):
                tone = av.AudioFrame(kind, "stereo", samples)
                tone.planes[0].update(bytes(samples * 2 * width))
                tone.sample_rate, tone.pts, tone.time_base = 48_000, at * samples, Fraction(1, 48_000)
                out.mux(audio.encode(tone))
        out.mux(video.encode(None))
    return sink.getvalue()


def _grey(number: int) -> av.VideoFrame:
    frame = av.VideoFrame(160, 90, "yuv420p")
    for plane in frame.planes:
        plane.update(b"\x80" * plane.buffer_size)
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame
