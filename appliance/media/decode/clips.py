"""Several clips out of one stretch of video, decoded once: an encoder for each clip.

Owns the FFmpeg calls for it (PyAV), so it runs in worker processes only. The stretch is a clip as the plan
lays it out. Its edit list is not applied: the caller says in ticks which frames each clip shows, so that a
clip has the same frames, sound and bytes whatever else is cut with it (bytes with one encoder thread). A clip
that fails ends alone. Must not know: files, descriptors, plays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Final

import av
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from appliance.media.decode.clip_sound import ClipSound, look_back
from appliance.media.decode.thumbnail import (
    BAD_MEDIA,
    DECODERS,
    OPEN_OPTIONS,
    BadMedia,
    describe,
    turn_of_file,
    upright,
)
from appliance.media.mp4.turn import AS_CODED, Turn

PRESET, CRF = "ultrafast", 23
_AS_THEY_ARE: Final = ("yuv420p", "yuvj420p")


@dataclass(frozen=True, slots=True)
class Stretch:
    """How the source's raw times are read. `video_origin`, `sound_origin`: raw tick of its first frame shown,
    and of the sound at that instant. `begin`: the tick that the first frame has in the camera's video, from
    which the sound's rounding follows."""

    video_origin: int
    sound_origin: int
    begin: int


@dataclass(frozen=True, slots=True)
class Window:
    """The frames of a clip: first <= t < end, video ticks from the stretch's first frame. `sound`: it has
    any."""

    first: int
    end: int
    sound: bool
    moov_bytes: int


@dataclass(slots=True)
class CutClip:
    """What became of a clip. `error`: "", "bad_media", "timeout". `damaged` counts frames that the decoder
    had to patch. `encoder_s`: wall time inside the encoder."""

    frames: int = 0
    end_s: float = 0.0
    width: int = 0
    height: int = 0
    damaged: int = 0
    encoder_s: float = 0.0
    error: str = ""
    detail: str = ""


@dataclass(slots=True)
class CutStretch:
    """`decoded` counts frames; `errors` packets that could not be decoded."""

    clips: list[CutClip]
    decoded: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class ClipRecipe:
    """`threads` of the decoder and of each encoder; `clip_s`: longest wall time for one clip."""

    threads: int
    clip_s: float
    clock: Callable[[], float] = time.monotonic


def cut_clips(
    source: BinaryIO,
    sinks: Sequence[BinaryIO],
    stretch: Stretch,
    windows: Sequence[Window],
    recipe: ClipRecipe,
) -> CutStretch:
    """Encode each window of `source` into its sink, moov first. Raises BadMedia where no clip can be made."""
    options = {**OPEN_OPTIONS, "ignore_editlist": "1"}
    try:
        turn = turn_of_file(source)
        with av.open(source, "r", format="mp4", options=options, buffer_size=1 << 20) as container:
            if not container.streams.video or container.streams.video[0].codec_context.name not in DECODERS:
                raise BadMedia("no video that can be decoded")
            return _Pass(container, sinks, stretch, windows, recipe, turn).run()
    except BadMedia:
        raise
    except BAD_MEDIA as exc:
        raise BadMedia(describe(exc)) from exc


class _Pass:
    """The state of one pass."""

    def __init__(
        self,
        source: InputContainer,
        sinks: Sequence[BinaryIO],
        stretch: Stretch,
        windows: Sequence[Window],
        recipe: ClipRecipe,
        turn: Turn,
    ) -> None:
        self._source, self._stretch = source, stretch
        self._video = source.streams.video[0]
        self._sound = next(iter(source.streams.audio), None)
        self._video.codec_context.thread_count = recipe.threads
        self._video.thread_type = "AUTO"
        self._clips = [
            _Clip(sink, window, _Source(self._video, self._sound, turn, self._samples(window)), recipe)
            for sink, window in zip(sinks, windows, strict=True)
        ]

    def run(self) -> CutStretch:
        result = CutStretch([clip.result for clip in self._clips])
        try:
            for packet in self._source.demux([self._video, *([self._sound] if self._sound else [])]):
                if packet.stream is not self._video:
                    self._add_sound(packet)
                else:
                    self._add_video(packet, result)
        except BAD_MEDIA as exc:
            for clip in self._clips:
                clip.fail("bad_media", describe(exc))
        finally:
            for clip in self._clips:
                clip.finish()
        return result

    def _add_video(self, packet: Packet[Stream], result: CutStretch) -> None:
        # a picture that no other refers to is decoded only if it is shown
        self._video.codec_context.skip_frame = "DEFAULT" if self._is_shown(packet) else "NONREF"
        try:
            frames = packet.decode()
        except BAD_MEDIA:
            result.errors += 1
            at = None if packet.pts is None else packet.pts - self._stretch.video_origin
            for clip in self._clips:
                clip.damage(at)
            return
        for frame in frames:
            if isinstance(frame, VideoFrame) and frame.pts is not None:
                result.decoded += 1
                at = frame.pts - self._stretch.video_origin
                for clip in self._clips:
                    clip.picture(frame, at)

    def _is_shown(self, packet: Packet[Stream]) -> bool:
        if packet.pts is None:
            return True
        at = packet.pts - self._stretch.video_origin
        return any(clip.shows(at) for clip in self._clips)

    def _add_sound(self, packet: Packet[Stream]) -> None:
        if self._sound is None or packet.pts is None or packet.time_base is None or not packet.size:
            return
        rate = self._sound.codec_context.sample_rate
        since = packet.pts - self._stretch.sound_origin
        at = round(since * packet.time_base * rate) + self._in_samples(self._stretch.begin, rate)
        length = round((packet.duration or 0) * packet.time_base * rate)
        for clip in self._clips:
            clip.sound(packet, at, length)

    def _samples(self, window: Window) -> tuple[int, int] | None:
        """The clip's sound in samples of the source."""
        if self._sound is None or not window.sound:
            return None
        rate, begin = self._sound.codec_context.sample_rate, self._stretch.begin
        return self._in_samples(begin + window.first, rate), self._in_samples(begin + window.end, rate)

    def _in_samples(self, tick: int, rate: int) -> int:
        """A video tick in samples, rounded as the plan does: the same whatever stretch the clip is cut
        from."""
        scale = self._video.time_base or Fraction(1, 90_000)
        return (tick * rate * scale.numerator + scale.denominator // 2) // scale.denominator


@dataclass(frozen=True, slots=True)
class _Source:
    """What a clip knows of its source. `samples`: its sound, counted as `ClipSound.add` does."""

    video: VideoStream
    sound: AudioStream | None
    turn: Turn
    samples: tuple[int, int] | None


class _Clip:
    """One clip being made: opened by its first frame or sound, closed when its last has come."""

    def __init__(self, sink: BinaryIO, window: Window, source: _Source, recipe: ClipRecipe) -> None:
        self._window, self.result = window, CutClip()
        self._file, self._source, self._recipe = sink, source, recipe
        self._output: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._sound: ClipSound | None = None
        self._is_done = False
        self._has_all_pictures = False
        self._deadline_s = 0.0

    def shows(self, at: int) -> bool:
        return self._window.first <= at < self._window.end

    def picture(self, frame: VideoFrame, at: int) -> None:
        """A decoded frame, `at` ticks from the stretch's first; it may belong to the clip or not."""
        if self._is_done:
            return
        if at >= self._window.end:
            self._has_all_pictures = True
            self._finish_if_complete(sound_ended=self._source.samples is None)
        elif at >= self._window.first:
            try:
                self._add(frame, at)
            except BAD_MEDIA as exc:
                self.fail("bad_media", describe(exc))

    def sound(self, packet: Packet[Stream], at: int, length: int) -> None:
        """A packet of sound whose first sample is number `at` of the source."""
        span = self._source.samples
        if self._is_done or span is None:
            return
        if at >= span[1]:
            self._finish_if_complete(sound_ended=True)
        elif at + length > span[0] - look_back(self._source.sound):
            try:
                self._open()
                assert self._sound is not None
                self._sound.add(packet, at)
            except BAD_MEDIA as exc:
                self.fail("bad_media", describe(exc))

    def damage(self, at: int | None) -> None:
        """The picture at `at` cannot be decoded, or not all of it."""
        if at is None or self.shows(at):
            self.result.damaged += 1

    def fail(self, error: str, detail: str) -> None:
        """End the clip; its file is no clip."""
        if not self._is_done:
            self.result.error, self.result.detail = error, detail
            self.finish()

    def finish(self) -> None:
        """Write what the encoders still hold, and the file's header."""
        if self._is_done:
            return
        self._is_done = True
        output, self._output = self._output, None
        if output is None:
            if not self.result.error:
                self.result.error, self.result.detail = "bad_media", "no frame of the clip could be decoded"
            return
        try:
            if not self.result.error and self.result.frames:
                self._flush(output)
            output.close()
        except BAD_MEDIA as exc:
            self.result.error = self.result.error or "bad_media"
            self.result.detail = self.result.detail or describe(exc)
        if not self.result.frames and not self.result.error:
            self.result.error, self.result.detail = "bad_media", "no frame of the clip could be decoded"
        self._stream = self._sound = None

    def _finish_if_complete(self, *, sound_ended: bool) -> None:
        if self._has_all_pictures and sound_ended:
            self.finish()

    def _flush(self, output: OutputContainer) -> None:
        assert self._stream is not None
        begun_s = time.perf_counter()
        output.mux(self._stream.encode(None))
        self.result.encoder_s += time.perf_counter() - begun_s
        if self._sound is not None:
            self._sound.finish()
            self.result.damaged += self._sound.errors

    def _add(self, frame: VideoFrame, at: int) -> None:
        stream, output = self._open()
        scale, shown_at, lasts = frame.time_base or Fraction(1, 90_000), frame.pts, frame.duration
        length = min(lasts or 0, self._window.end - at)
        picture = self._fitted(frame, stream)
        picture.time_base, picture.pts, picture.duration = scale, at - self._window.first, length
        picture.pict_type = 0  # the encoder chooses the type, instead of copying the source's
        begun_s = time.perf_counter()
        packets = stream.encode(picture)
        self.result.encoder_s += time.perf_counter() - begun_s
        output.mux(packets)
        frame.pts, frame.duration = shown_at, lasts  # other clips show it too
        self.result.frames += 1
        self.result.end_s = float((at - self._window.first + length) * scale)
        if frame.is_corrupt:
            self.damage(at)
        if self._recipe.clock() > self._deadline_s:
            self.fail("timeout", f"not encoded in {self._recipe.clip_s:g} s")

    def _fitted(self, frame: VideoFrame, stream: VideoStream) -> VideoFrame:
        """The frame upright, in the size and format of the clip."""
        turn, pixels = self._source.turn, stream.pix_fmt or "yuv420p"
        coded = turn.size(stream.width, stream.height)
        if (frame.width, frame.height, frame.format.name) == (*coded, pixels) and turn == AS_CODED:
            return frame
        return upright(frame.reformat(*coded, pixels), turn)

    def _open(self) -> tuple[VideoStream, OutputContainer]:
        """The clip's encoders and file, made at their first use."""
        if self._output is None or self._stream is None:
            options = {"moov_size": str(self._window.moov_bytes)}
            self._output = av.open(self._file, "w", format="mp4", options=options)
            self._stream = _video_stream(self._output, self._source, self._recipe.threads)
            self.result.width, self.result.height = self._stream.width, self._stream.height
            if self._source.samples is not None and self._source.sound is not None:
                self._sound = ClipSound.open(self._output, self._source.sound, *self._source.samples)
            self._deadline_s = self._recipe.clock() + self._recipe.clip_s
        return self._stream, self._output


def _video_stream(output: OutputContainer, source: _Source, threads: int) -> VideoStream:
    origin = source.video.codec_context
    stream = output.add_stream("libx264", rate=source.video.average_rate or 30)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = source.turn.size(origin.width & ~1, origin.height & ~1)
    stream.pix_fmt = origin.pix_fmt if origin.pix_fmt in _AS_THEY_ARE else "yuv420p"
    context = stream.codec_context
    if source.video.time_base is not None:
        context.time_base = source.video.time_base  # frame times are copied exactly, whatever their rate
    context.thread_count = threads
    context.flags |= Flags.frame_duration
    context.options = {"preset": PRESET, "crf": str(CRF)}
    context.color_range, context.colorspace = origin.color_range, origin.colorspace
    context.color_primaries, context.color_trc = origin.color_primaries, origin.color_trc
    if aspect := origin.sample_aspect_ratio:
        context.sample_aspect_ratio = 1 / aspect if source.turn.transposed else aspect
    return stream
