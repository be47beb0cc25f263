"""The real content of an MP4, measured by reading all of it: streams, durations, frames, errors, black and
frozen pictures.

Owns the FFmpeg calls for it (PyAV), so it runs in worker processes only. Must not know: files, descriptors,
the daemon. A truncated fMP4 opens and decodes without any error (40 of 40 measured), so a result must be
compared with what the plan promised; the absence of an error proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from appliance.media.decode.thumbnail import (
    BAD_MEDIA,
    OPEN_OPTIONS,
    BadMedia,
    describe,
    shown_for,
    turn_of_file,
)

MAX_STREAMS = 16
_SMALL = (32, 18)
"""Black and frozen are judged on a picture this small: cheap, and noise does not count as motion."""
_BLACK_LUMA = 20  # of 255, mean; 16 is video black
# sum of absolute differences per hundred pixels: a still camera's noise is far above it
_FROZEN_DIFFERENCE = 2


@dataclass(slots=True)
class StreamFacts:
    """Times in seconds of the file's own presentation, edit lists applied; -1 = none.

    `frames` are those shown; `packets` all stored, hidden pre-roll included. `width` and `height` are of the
    picture as it is shown.
    """

    kind: str
    codec: str
    width: int = 0
    height: int = 0
    packets: int = 0
    frames: int = 0
    errors: int = 0
    start_s: float = -1.0
    end_s: float = -1.0
    black: int = 0
    frozen: int = 0


@dataclass(slots=True)
class ProbeFacts:
    """`read_error` says why reading ended before the end of the file, "" when it did not."""

    duration_s: float
    read_error: str = ""
    streams: list[StreamFacts] = field(default_factory=list)


def probe(file: BinaryIO, *, decode: bool) -> ProbeFacts:
    """Read the whole file. With `decode` every frame is decoded and counted, else only packets.

    A packet that cannot be decoded is counted in `errors` and reading continues. Raises BadMedia when nothing
    can be counted: no container, or more than MAX_STREAMS streams.
    """
    try:
        turn = turn_of_file(file)
        with av.open(file, "r", format="mp4", options=OPEN_OPTIONS, buffer_size=1 << 20) as container:
            facts = _read_all(container, decode)
        for stream in facts.streams:
            stream.width, stream.height = turn.size(stream.width, stream.height)
        return facts
    except BadMedia:
        raise
    except BAD_MEDIA as exc:
        raise BadMedia(describe(exc)) from exc


def _read_all(container: InputContainer, decode: bool) -> ProbeFacts:
    if len(container.streams) > MAX_STREAMS:
        raise BadMedia(f"{len(container.streams)} streams")
    facts = ProbeFacts(container.duration / av.time_base if container.duration else 0.0)
    counters = [_Counter(stream) for stream in container.streams]
    facts.streams = [counter.facts for counter in counters]
    for stream in container.streams:
        stream.codec_context.thread_count = 1
    try:
        for packet in container.demux():
            counters[packet.stream_index].add(packet, decode)
    except BAD_MEDIA as exc:
        facts.read_error = describe(exc)
    return facts


class _Counter:
    """Counts one stream."""

    def __init__(self, stream: Stream) -> None:
        context = stream.codec_context
        self.facts = StreamFacts(stream.type, context.name if context else "")
        if isinstance(context, VideoCodecContext):
            self.facts.width, self.facts.height = context.width, context.height
        self._stream, self._last_small = stream, b""

    def add(self, packet: Packet[Stream], decode: bool) -> None:
        if packet.size:  # empty packets at the end flush the decoders
            self.facts.packets += 1
            if packet.is_corrupt:
                self.facts.errors += 1
        if not decode or self.facts.kind not in ("video", "audio"):
            return
        try:
            frames = packet.decode()
        except BAD_MEDIA:
            self.facts.errors += 1
            return
        for frame in frames:
            self._shown(frame)

    def _shown(self, frame: object) -> None:
        if not isinstance(frame, VideoFrame | AudioFrame):
            return
        facts = self.facts
        facts.frames += 1
        if frame.pts is not None and frame.time_base is not None:
            start = float(frame.pts * frame.time_base)
            length = shown_for(frame, self._stream) if isinstance(frame, VideoFrame) else frame.duration
            end = start + float(length * frame.time_base)
            facts.start_s = start if facts.start_s < 0 else min(facts.start_s, start)
            facts.end_s = max(facts.end_s, end)
        if isinstance(frame, VideoFrame):
            self._judge(frame)

    def _judge(self, frame: VideoFrame) -> None:
        small = _luma(frame)
        if sum(small) <= _BLACK_LUMA * len(small):
            self.facts.black += 1
        if self._last_small:
            difference = sum(abs(a - b) for a, b in zip(small, self._last_small, strict=True))
            if difference * 100 <= _FROZEN_DIFFERENCE * len(small):
                self.facts.frozen += 1
        self._last_small = small


def _luma(frame: VideoFrame) -> bytes:
    """The picture's luma at _SMALL size, rows without their padding."""
    width, height = _SMALL
    plane = frame.reformat(width, height, "gray", interpolation="AREA").planes[0]
    data, stride = bytes(plane), plane.line_size
    return b"".join(data[row * stride : row * stride + width] for row in range(height))
