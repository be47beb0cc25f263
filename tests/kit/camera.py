"""Cameras for tests: footage whose every frame says which one it is, written or sent.

- `make_footage` encodes once (cached): H.264 with B-frames or HEVC, any frame rate, AAC, barcoded frames.
- `RecordingWriter` writes it into a channel's directory part by part, as MediaMTX would, at any pace.
- `SrtSender` sends a live barcoded picture with a clock of its own over SRT to 127.0.0.1.
- `burned` reads what a decoded frame says; `burned_in` does so for every frame of a file.

Barcode of written footage: frame number, and the instant as us since the footage began (not since the epoch).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO

import av
import trio
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from appliance.kernel.clock import boottime_us, wall_us
from appliance.media import annexb, barcode, boxes
from appliance.media.barcode import Burned
from appliance.media.fragment import CloseSegment, Command, FragmentWriter, Sample, TrackSpec, WritePart
from appliance.media.ingest import AUDIO_ID, VIDEO_ID, describe_video
from appliance.media.segment_file import SegmentFiles
from appliance.recordings import children

HZ = 90_000
AUDIO_RATE = 48_000
_AAC_SAMPLES = 1024
_DATAGRAM = 7 * 188
_REORDER = 16  # frames a B-frame may be late by, generously


# -- reading ------------------------------------------------------------------------------------------------


def burned(frame: VideoFrame) -> Burned | None:
    """Frame number and instant in a decoded frame's pixels, None when they did not survive."""
    gray = frame if frame.format.name in ("yuv420p", "gray") else frame.reformat(format="gray")
    plane = gray.planes[0]
    return barcode.read(bytes(plane), plane.line_size, gray.width)


def burned_in(source: str | Path | IO[bytes]) -> list[Burned | None]:
    """What every frame of a file says, in presentation order."""
    with av.open(str(source) if isinstance(source, Path) else source, mode="r") as container:
        return [burned(frame) for frame in container.decode(video=0)]


def burned_so_far(growing: Path) -> list[Burned | None]:
    """The same of a file being written: empty while nothing can be read yet."""
    try:
        return burned_in(growing)
    except av.FFmpegError:
        return []


# -- encoding -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Footage:
    """Encoded once, repeated as long as needed. Ticks: 90 kHz for video, 48 kHz for audio."""

    codec: str
    fps: Fraction
    width: int
    height: int
    sets: tuple[bytes, ...]
    video: tuple[Sample, ...]  # in decode order; the first dts may be negative (B-frames)
    audio: tuple[Sample, ...]  # empty without sound

    @property
    def frames(self) -> int:
        return len(self.video)

    @property
    def video_ticks(self) -> int:
        """Length of one repetition."""
        return round(self.frames * HZ / self.fps)


@lru_cache(maxsize=16)
def make_footage(
    *,
    frames: int = 300,
    fps: Fraction = Fraction(30_000, 1001),
    gop: int = 60,
    b_frames: int = 2,
    width: int = 320,
    height: int = 180,
    codec: str = "h264",
    sound: bool = True,
    open_gop: bool = False,
) -> Footage:
    """Barcoded footage. About 0.3 s for 300 frames of 320x180. `frames` should be a multiple of `gop`."""
    encoder = _video_encoder(fps, gop, b_frames, (width, height), codec, open_gop)
    step = Fraction(HZ) / fps
    units = [packet for n in range(frames) for packet in encoder.encode(_picture(n, step, width, height))]
    units += encoder.encode(None)
    kind: annexb.VideoCodec = "h264" if codec == "h264" else "hevc"
    sets: tuple[bytes, ...] = ()
    video: list[Sample] = []
    for packet in units:
        assert packet.pts is not None and packet.dts is not None
        unit = annexb.access_unit(kind, annexb.split(bytes(packet)))
        own = tuple(nal for group in unit.sets for nal in group)
        sets = sets or own
        # x264 rounds dts of fractional rates its own way: put it on the frame grid
        dts, pts = (round(round(t / step) * step) for t in (packet.dts, packet.pts))
        following = round((round(packet.dts / step) + 1) * step)
        data = annexb.length_prefixed(own + unit.nals)
        video.append(Sample(dts, pts, following - dts, unit.sync, data))
    seconds = Fraction(frames) / fps
    audio = tuple(_tone(round(seconds * AUDIO_RATE))) if sound else ()
    return Footage(codec, fps, width, height, sets, tuple(video), audio)


def _video_encoder(
    fps: Fraction, gop: int, b_frames: int, size: tuple[int, int], codec: str, open_gop: bool
) -> VideoCodecContext:
    name, option = ("libx264", "x264-params") if codec == "h264" else ("libx265", "x265-params")
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.framerate, encoder.time_base, encoder.gop_size = fps, Fraction(1, HZ), gop
    encoder.thread_count = 1
    params = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}:b-adapt=0:repeat-headers=1"
    params += f":open-gop={int(open_gop)}" + ("" if codec == "h264" else ":log-level=none:pools=1")
    encoder.options = {"preset": "ultrafast", option: params}
    return encoder


def _picture(number: int, step: Fraction, width: int, height: int) -> VideoFrame:
    frame = VideoFrame(width, height, "yuv420p")
    luma = frame.planes[0]
    plane = bytearray(bytes([40 + number * 3 % 150]) * luma.buffer_size)
    barcode.draw(plane, luma.line_size, width, number, int(number * step * 100 / 9))
    luma.update(bytes(plane))
    for colour in frame.planes[1:]:
        colour.update(bytes([128]) * colour.buffer_size)
    frame.pts, frame.time_base = round(number * step), Fraction(1, HZ)
    return frame


def _tone(samples: int) -> Iterator[Sample]:
    encoder = av.CodecContext.create("aac", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = AUDIO_RATE, "mono", "fltp", 48_000
    period = b"".join(
        b"\0\0\0\0" if i % 96 < 48 else b"\0\0\x80>" for i in range(_AAC_SAMPLES)
    )  # 500 Hz square
    at = 0
    for first in range(0, samples + _AAC_SAMPLES, _AAC_SAMPLES):
        frame = av.AudioFrame("fltp", "mono", _AAC_SAMPLES)
        frame.planes[0].update(period)
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, first, Fraction(1, AUDIO_RATE)
        for packet in encoder.encode(frame):
            if at < samples:
                yield Sample(at, at, _AAC_SAMPLES, True, bytes(packet))
                at += _AAC_SAMPLES


# -- writing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WrittenFrame:
    """Truth about one frame on disk: `capture_us` is when it was captured (wall time, us UTC)."""

    number: int  # counted through all repetitions and runs
    burned: int  # what its barcode says: number within the footage
    run: int  # 0 for the first run, one more per restart
    media_ns: int  # presentation time in its run
    capture_us: int


@dataclass
class RecordingWriter:
    """One channel's directory, growing as MediaMTX would make it grow.

    Frame n is captured at start_us + n / fps, by a source whose clock is `skew_ppm` fast: its timestamps run
    ahead of the truth. A part is due when its last sample ends plus `delay_us` (network). Nothing waits: call
    `write_until(wall)` as time (real or simulated) passes, or `run_live`. `frames` is what is on disk.
    """

    directory: Path
    footage: Footage
    start_us: int
    part_s: float = 0.2
    segment_s: float = 4.0
    skew_ppm: float = 0.0
    delay_us: int = 0
    frames: list[WrittenFrame] = field(default_factory=list)
    run: int = -1

    def __post_init__(self) -> None:
        self._files = SegmentFiles(self.directory)
        self._pending: list[WrittenFrame] = []
        self._steps = self._run_from(0)
        self._next: tuple[int, list[Command]] | None = None

    def write_until(self, wall: int) -> int:
        """Write every part due by `wall` (us UTC); returns how many."""
        written = 0
        while (due := self.next_due_us()) <= wall:
            assert self._next is not None and due == self._next[0]
            self._apply(self._next[1])
            self._next = None
            written += 1
        return written

    def write_seconds(self, seconds: float) -> int:
        """Write all of the first `seconds` since start_us; returns the parts written."""
        return self.write_until(self.start_us + self.delay_us + round(seconds * 1e6))

    def next_due_us(self) -> int:
        """When the next part is complete (wall, us UTC)."""
        if self._next is None:
            self._next = next(self._steps)
        return self._next[0]

    async def run_live(self, now_us: Callable[[], int], *, until_us: int) -> None:
        """Write each part when it is due by `now_us`, until wall time `until_us`."""
        while (due := self.next_due_us()) <= until_us:
            await trio.sleep(max(0, due - now_us()) / 1e6)
            self.write_until(due)

    def restart(self, *, gap_s: float) -> None:
        """The recorder lets go and begins anew: at least `gap_s` is missing, then on from a key frame."""
        number = self.frames[-1].number + 1 if self.frames else 0
        self._close_run()
        number += round(gap_s * self.footage.fps)
        while not self._key_at(number):
            number += 1
        self._steps, self._next = self._run_from(number), None

    def close(self) -> None:
        """The source ended: the open file gets its duration. Samples not yet part of a due part are lost."""
        self._close_run()

    def wall_us(self, media_ns: int) -> int:
        """True arrival (us UTC) of a media instant of the newest run."""
        return self._true_us(media_ns / 1e9 + self._base / HZ)

    def _close_run(self) -> None:
        """What was not due is not written; the file on disk, if one is open, gets its duration."""
        self._pending.clear()
        prepared = self._next[1] if self._next is not None else []
        closing = [c for c in [*prepared, *self._writer.close()] if isinstance(c, CloseSegment)]
        if self._files.is_open:
            self._apply(closing[:1])

    def _apply(self, commands: Sequence[Command]) -> None:
        self._files.apply(commands)
        # B-frames of the part before may come in this one: keep presentation order
        newest = self.frames[-_REORDER:] + self._pending
        self.frames[-_REORDER:] = sorted(newest, key=lambda frame: (frame.run, frame.number))
        self._pending = []

    def _true_us(self, source_s: float) -> int:
        return self.start_us + self.delay_us + round(source_s * 1e6 / (1 + self.skew_ppm * 1e-6))

    def _key_at(self, number: int) -> bool:
        burned_number = number % self.footage.frames
        return any(s.sync and self._number_of(s) == burned_number for s in self.footage.video)

    def _number_of(self, sample: Sample) -> int:
        return round(sample.pts * self.footage.fps / HZ)

    def _run_from(self, first: int) -> Iterator[tuple[int, list[Command]]]:
        """(due, commands) of each part of a run that begins with frame `first`, for ever."""
        self.run += 1
        self._base = round(first * HZ / self.footage.fps)  # source ticks where this run's media time is 0
        self._writer = FragmentWriter(
            self._tracks(),
            stream_id=os.urandom(16),
            part_s=self.part_s,
            segment_s=self.segment_s,
            ntp_ns=lambda media_ns: self.wall_us(media_ns) * 1000,
        )
        commands: list[Command] = []
        waiting: list[WrittenFrame] = []
        for track_id, sample, frame in self._merged(first):
            commands += self._writer.add(track_id, sample)
            if frame is not None:
                waiting.append(frame)
            if any(isinstance(command, WritePart) for command in commands):
                # a rotation closes the part before this sample, which then waits in the next
                done = [
                    f for f in waiting if track_id != VIDEO_ID or f is not frame or not self._holds(VIDEO_ID)
                ]
                waiting = [f for f in waiting if f not in done]
                self._pending += done
                scale = HZ if track_id == VIDEO_ID else AUDIO_RATE
                yield self._true_us((sample.dts + sample.duration) / scale + self._base / HZ), commands
                commands = []

    def _holds(self, track_id: int) -> bool:
        return bool(self._writer._lanes[track_id].samples)

    def _tracks(self) -> list[TrackSpec]:
        one = self.footage
        description = describe_video(one.codec, one.sets)
        tracks = [TrackSpec(VIDEO_ID, False, HZ, description.entry, one.width, one.height)]
        if one.audio:
            specific = bytes([2 << 3 | 3 >> 1, (3 & 1) << 7 | 1 << 3])  # AAC-LC, 48 kHz, mono
            tracks.append(TrackSpec(AUDIO_ID, True, AUDIO_RATE, boxes.mp4a_entry(1, AUDIO_RATE, specific)))
        return tracks

    def _merged(self, first: int) -> Iterator[tuple[int, Sample, WrittenFrame | None]]:
        """Samples from frame `first` on in the order of their dts, in this run's media time."""
        pictures, sounds = self._pictures(first), self._sounds()
        picture, sound = next(pictures), next(sounds, None)
        while True:
            if sound is not None and sound.dts / AUDIO_RATE < picture[0].dts / HZ:
                yield AUDIO_ID, sound, None
                sound = next(sounds, None)
            else:
                yield VIDEO_ID, *picture
                picture = next(pictures)

    def _pictures(self, first: int) -> Iterator[tuple[Sample, WrittenFrame]]:
        one = self.footage
        repetition = first // one.frames
        start = next(
            i for i, s in enumerate(one.video) if s.sync and self._number_of(s) == first % one.frames
        )
        while True:
            shift = round(repetition * one.frames * HZ / one.fps) - self._base
            for sample in one.video[start:]:
                moved = sample._replace(dts=sample.dts + shift, pts=sample.pts + shift)
                burned_number = self._number_of(sample)
                number = repetition * one.frames + burned_number
                media_ns = moved.pts * 1_000_000_000 // HZ
                capture_us = self.wall_us(media_ns) - self.delay_us
                yield moved, WrittenFrame(number, burned_number, self.run, media_ns, capture_us)
            repetition, start = repetition + 1, 0

    def _sounds(self) -> Iterator[Sample]:
        """Sound never ends either; its repetitions are joined sample to sample."""
        at = 0
        while self.footage.audio:
            for sample in self.footage.audio:
                yield sample._replace(dts=at, pts=at)
                at += sample.duration


# -- sending ------------------------------------------------------------------------------------------------


@dataclass
class SrtSender:
    """A live camera of its own clock, calling srt://127.0.0.1:port. Use `with`, or start and stop.

    The burned instant is CLOCK_BOOTTIME + `offset_us` (default: the wall clock's) at capture.
    """

    port: int
    name: str = "SENDER"
    fps: Fraction = Fraction(25)
    width: int = 320
    height: int = 180
    sound: bool = True
    latency_ms: int = 120
    passphrase: str | None = None
    offset_us: int = field(default_factory=lambda: wall_us() - boottime_us())

    def __post_init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Begin to send; a box that is not listening yet is called again and again."""
        arguments = ["--channel", self.name, "--offset-us", str(self.offset_us), "--fps", str(self.fps)]
        # srt-live-transmit reads whole datagrams from its stdin: fill them, as real encoders do
        arguments += ["--chunk", str(_DATAGRAM), "--width", str(self.width), "--height", str(self.height)]
        arguments += [] if self.sound else ["--no-sound"]
        secret = f"&passphrase={self.passphrase}" if self.passphrase else ""
        target = f"srt://127.0.0.1:{self.port}?mode=caller&latency={self.latency_ms}{secret}"
        readable, writable = os.pipe()
        try:
            self._processes = [
                _quiet(
                    children.own_command("appliance.recordings.synthetic", arguments),
                    subprocess.DEVNULL,
                    writable,
                ),
                _quiet(
                    children.foreign_command(
                        [
                            "srt-live-transmit",
                            "-q",
                            f"-chunk:{_DATAGRAM}",
                            "-buffering:1",
                            "file://con",
                            target,
                        ]
                    ),
                    readable,
                    subprocess.DEVNULL,
                ),
            ]
        finally:
            os.close(readable)
            os.close(writable)

    def stop(self) -> None:
        """End the connection properly: the box is told."""
        self._end(signal.SIGTERM)

    def drop(self) -> None:
        """Vanish, as when the plug is pulled: the box is not told."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        for process in reversed(self._processes):
            process.send_signal(number)
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes = []

    def __enter__(self) -> SrtSender:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _quiet(argv: list[str], stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        argv, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
    )
