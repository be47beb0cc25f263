"""The sound of one clip of several that are cut in one pass: its own decoder, so that it sounds as if cut
alone.

Owns the FFmpeg calls for it (PyAV), so it runs in worker processes only. A decoder's state (overlap,
generated noise) depends on where it began, so every clip begins LOOK_BACK_S before its first sample whatever
else is cut. Must not know: pictures, files.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from appliance.media.decode.thumbnail import BAD_MEDIA

LOOK_BACK_S: Final = 0.1
"""As far as a plan looks back (cut/sound.py)."""
_BITS_PER_S: Final = 128_000
_MOST_SILENCE_S: Final = 3600


def look_back(source: AudioStream | None) -> int:
    """Samples before a clip at which its decoder begins."""
    return int(LOOK_BACK_S * source.codec_context.sample_rate) if source is not None else 0


@dataclass(slots=True)
class ClipSound:
    """Samples first..stop of the source's sound, counted as `begins` in `add` is, into `stream` of `sink`."""

    sink: OutputContainer
    stream: AudioStream
    decoder: AudioCodecContext
    first: int
    stop: int
    written: int = 0
    errors: int = 0
    _rate: int = 0

    @classmethod
    def open(cls, sink: OutputContainer, source: AudioStream, first: int, stop: int) -> ClipSound:
        context = source.codec_context
        assert isinstance(context, AudioCodecContext)
        stream = sink.add_stream("aac", rate=context.sample_rate, layout=context.layout)
        assert isinstance(stream, AudioStream)
        stream.codec_context.bit_rate = _BITS_PER_S
        decoder = av.CodecContext.create(context.name, "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.extradata, decoder.sample_rate, decoder.layout = (
            context.extradata,
            context.sample_rate,
            context.layout,
        )
        return cls(sink, stream, decoder, first, stop, _rate=context.sample_rate)

    def add(self, packet: Packet[Stream], begins: int) -> None:
        """A packet whose first sample is number `begins` of the source."""
        try:
            frames = self.decoder.decode(packet)
        except BAD_MEDIA:
            self.errors += 1
            return
        at = begins
        for frame in frames:
            self._add_frame(frame, at)
            at += frame.samples

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self.written:
            self.sink.mux(self.stream.encode(None))

    def _add_frame(self, frame: AudioFrame, begins: int) -> None:
        lo, hi = max(self.first + self.written - begins, 0), min(self.stop - begins, frame.samples)
        if lo >= hi:
            return
        self._add_silence(begins + lo - self.first - self.written, frame)
        self._encode(frame if (lo, hi) == (0, frame.samples) else _slice(frame, lo, hi))

    def _add_silence(self, samples: int, like: AudioFrame) -> None:
        samples = min(samples, _MOST_SILENCE_S * self._rate)
        while samples > 0:
            silence = AudioFrame(like.format.name, like.layout.name, min(samples, 1024))
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            samples -= silence.samples
            self._encode(silence)

    def _encode(self, frame: AudioFrame) -> None:
        frame.sample_rate = self._rate
        frame.pts, frame.time_base = self.written, Fraction(1, self._rate)
        self.sink.mux(self.stream.encode(frame))
        self.written += frame.samples


def _slice(frame: AudioFrame, lo: int, hi: int) -> AudioFrame:
    """Samples lo..hi of a frame. Not by to_ndarray: PyAV imports numpy for it, whose threads the sandbox
    forbids."""
    part = AudioFrame(frame.format.name, frame.layout.name, hi - lo)
    size = frame.format.bytes * (1 if frame.format.is_planar else frame.layout.nb_channels)
    for source, target in zip(frame.planes, part.planes, strict=True):
        target.update(bytes(source)[lo * size : hi * size].ljust(target.buffer_size, b"\0"))
    return part
