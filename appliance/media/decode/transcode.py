"""Re-encode an MP4: exactly the frames it shows and nothing hidden, upright, playable everywhere.

Owns the FFmpeg calls for it (PyAV), so it runs in worker processes only. Must not know: files, descriptors.
The input is a clip as the plan lays it out, so IN and OUT are its edit list: never a seek into a recording,
where FFmpeg picks the wrong group of pictures near keyframes (measured).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from appliance.media.decode.thumbnail import (
    BAD_MEDIA,
    DECODERS,
    OPEN_OPTIONS,
    BadMedia,
    describe,
    shown_for,
    turn_of_file,
    upright,
)
from appliance.media.mp4.turn import AS_CODED, Turn

_AUDIO_BITS_PER_S = 128_000
_MAX_HOLE_S = 3600
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")


@dataclass(frozen=True, slots=True)
class Recipe:
    """libx264's preset and quality (crf, lower is better). Never B-frames: decode order is display order."""

    preset: str
    crf: int
    threads: int


@dataclass(slots=True)
class Written:
    """`end_s` is where the last video frame ends, from 0 at the first one shown."""

    frames: int = 0
    audio_samples: int = 0
    end_s: float = 0.0
    width: int = 0
    height: int = 0


def transcode(
    source: BinaryIO,
    sink: BinaryIO,
    recipe: Recipe,
    *,
    moov_bytes: int,
    report: Callable[[float], None] = lambda second: None,
) -> Written:
    """Encode what `source` shows into `sink`, with its moov first, in `moov_bytes` reserved for it.

    (FFmpeg's own faststart reopens the output by name, and there are no names here.) `report` is called with
    the second reached, once per frame. Raises BadMedia, also when a packet cannot be decoded.
    """
    try:
        turn = turn_of_file(source)
        with (
            av.open(source, "r", format="mp4", options=OPEN_OPTIONS, buffer_size=1 << 20) as container,
            av.open(sink, "w", format="mp4", options={"moov_size": str(moov_bytes)}) as output,
        ):
            return _Encoding(container, output, turn, recipe, report).run()
    except BadMedia:
        raise
    except BAD_MEDIA as exc:
        raise BadMedia(describe(exc)) from exc


class _Encoding:
    """The state of one encoding."""

    def __init__(
        self,
        source: InputContainer,
        sink: OutputContainer,
        turn: Turn,
        recipe: Recipe,
        report: Callable[[float], None],
    ) -> None:
        if not source.streams.video or source.streams.video[0].codec_context.name not in DECODERS:
            raise BadMedia("no video that can be decoded")
        self._source, self._sink, self._turn, self._report = source, sink, turn, report
        self._video_in = source.streams.video[0]
        self._audio_in = next(iter(source.streams.audio), None)
        self._video_in.codec_context.thread_count = recipe.threads
        self._video = _video_stream(sink, self._video_in, turn, recipe)
        self._audio = _audio_stream(sink, self._audio_in) if self._audio_in is not None else None
        self._written = Written(width=self._video.width, height=self._video.height)

    def run(self) -> Written:
        streams = [self._video_in, *([self._audio_in] if self._audio_in is not None else [])]
        for packet in self._source.demux(streams):
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    self._add_picture(frame)
                elif isinstance(frame, AudioFrame):
                    self._add_sound(frame)
        if not self._written.frames:
            raise BadMedia("no frame is shown")
        self._sink.mux(self._video.encode(None))
        if self._audio is not None and self._written.audio_samples:
            self._sink.mux(self._audio.encode(None))
        return self._written

    def _add_picture(self, frame: VideoFrame) -> None:
        if frame.pts is None or frame.time_base is None or frame.pts < 0:
            return
        time_base, pts, duration = frame.time_base, frame.pts, shown_for(frame, self._video_in)
        end_s = float((pts + duration) * time_base)
        coded = self._turn.size(self._video.width, self._video.height)
        if (frame.width, frame.height, frame.format.name) != (*coded, "yuv420p") or self._turn != AS_CODED:
            frame = upright(frame.reformat(*coded, "yuv420p"), self._turn)
            frame.time_base, frame.pts = time_base, pts
        frame.duration = duration
        frame.pict_type = 0  # let the encoder choose the type, instead of copying the source's
        self._sink.mux(self._video.encode(frame))
        self._written.frames += 1
        self._written.end_s = max(self._written.end_s, end_s)
        self._report(end_s)

    def _add_sound(self, frame: AudioFrame) -> None:
        """Place the frame by its time on a timeline without holes, as the encoder requires."""
        if self._audio is None or frame.pts is None or frame.time_base is None or frame.pts < 0:
            return
        hole = round(frame.pts * frame.time_base * frame.sample_rate) - self._written.audio_samples
        if hole < -frame.samples // 2:
            return  # overlaps the sound before it
        if hole > frame.samples // 2:
            self._add_silence(hole, frame)
        self._encode_sound(frame)

    def _add_silence(self, samples: int, like: AudioFrame) -> None:
        if samples > _MAX_HOLE_S * like.sample_rate:
            raise BadMedia(f"no sound for {samples // like.sample_rate} s")
        while samples > 0:
            silence = AudioFrame(like.format.name, like.layout.name, min(samples, like.samples))
            silence.sample_rate = like.sample_rate
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            samples -= silence.samples
            self._encode_sound(silence)

    def _encode_sound(self, frame: AudioFrame) -> None:
        assert self._audio is not None
        frame.pts, frame.time_base = self._written.audio_samples, Fraction(1, frame.sample_rate)
        self._sink.mux(self._audio.encode(frame))
        self._written.audio_samples += frame.samples


def _video_stream(sink: OutputContainer, source: VideoStream, turn: Turn, recipe: Recipe) -> VideoStream:
    stream = sink.add_stream("libx264", rate=source.average_rate or 30)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = turn.size(source.width & ~1, source.height & ~1)
    stream.pix_fmt = "yuv420p"
    _dress(stream.codec_context, source, turn, recipe)
    return stream


def _dress(context: VideoCodecContext, source: VideoStream, turn: Turn, recipe: Recipe) -> None:
    origin = source.codec_context
    if source.time_base is not None:
        context.time_base = source.time_base  # frame times are copied exactly, whatever their rate
    context.thread_count = recipe.threads
    context.flags |= Flags.frame_duration
    context.options = {"preset": recipe.preset, "crf": str(recipe.crf), "bf": "0", "g": "60"}
    context.color_range, context.colorspace = origin.color_range, origin.colorspace
    context.color_primaries, context.color_trc = origin.color_primaries, origin.color_trc
    if aspect := origin.sample_aspect_ratio:
        context.sample_aspect_ratio = 1 / aspect if turn.transposed else aspect


def _audio_stream(sink: OutputContainer, source: AudioStream) -> AudioStream:
    context = source.codec_context
    assert isinstance(context, AudioCodecContext)
    stream = sink.add_stream("aac", rate=context.sample_rate, layout=context.layout)
    assert isinstance(stream, AudioStream)
    stream.codec_context.bit_rate = _AUDIO_BITS_PER_S
    return stream
