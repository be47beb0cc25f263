"""Footage with a barcode in every frame, encoded once; and reading the barcodes.

Barcode of footage: frame number, and the instant as us since the footage began (not since the epoch).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import IO

import av
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from appliance.box.recorder.synthetic import barcode
from appliance.box.recorder.synthetic.barcode import Burned
from appliance.media.bitstream import annexb
from appliance.media.mp4.fragment import Sample
from tests.kit.waiting import eventually

HZ = 90_000
AUDIO_RATE = 48_000
_AAC_SAMPLES = 1024


# -- reading ------------------------------------------------------------------------------------------------


def burned(frame: VideoFrame) -> Burned | None:
    """Frame number and instant in a decoded frame's pixels, None when they are unreadable."""
    gray = frame if frame.format.name in ("yuv420p", "gray") else frame.reformat(format="gray")
    plane = gray.planes[0]
    return barcode.read(bytes(plane), plane.line_size, gray.width)


def burned_in(source: str | Path | IO[bytes]) -> list[Burned | None]:
    """The barcode of every frame of a file, in presentation order."""
    with av.open(str(source) if isinstance(source, Path) else source, mode="r") as container:
        return [burned(frame) for frame in container.decode(video=0)]


def burned_between(path: Path, first: int, last: int) -> tuple[int, dict[int, Burned | None]]:
    """How many frames a file has, and the barcodes of [first, last) by number in presentation order.

    Decoding begins at the last key frame before them and ends with them: a file may be minutes long.
    """
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
        times = sorted(packet.pts or 0 for packet in packets)
        wanted = {pts: n for n, pts in enumerate(times) if first <= n < last}
        if not wanted:
            return len(times), {}
        keys = [n for n, each in enumerate(packets) if each.is_keyframe and (each.pts or 0) <= min(wanted)]
        outcome: dict[int, Burned | None] = {}
        for packet in [*packets[keys[-1] :], None]:
            for frame in container.streams.video[0].codec_context.decode(packet):
                if frame.pts in wanted:
                    outcome[wanted[frame.pts]] = burned(frame)
            if len(outcome) == len(wanted):
                break
    return len(times), dict(sorted(outcome.items()))


def pictures_so_far(growing: Path) -> int:
    """How many pictures a file that is being written has; they are not decoded."""
    try:
        with av.open(str(growing)) as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except av.FFmpegError:
        return 0


async def has_pictures(growing: Path, count: int) -> None:
    """Wait until it has this many; it is read again when it has grown."""
    read = -1

    def has_them() -> bool:
        nonlocal read
        before, read = read, growing.stat().st_size
        return read != before and pictures_so_far(growing) >= count

    await eventually(has_them, what=f"{count} pictures in {growing.name}")


def burned_so_far(growing: Path) -> list[Burned | None]:
    """The same for a file that is being written: empty while nothing can be read yet."""
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
        # x264 rounds dts of fractional rates differently: move it to the frame grid
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
