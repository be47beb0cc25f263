"""Child process: a synthetic camera. MPEG-TS on stdout.

    python -m appliance.box.recorder.synthetic.camera --channel cam1 --offset-us N --parent PID
        [--fps 25] [--no-sound]

Owns: when a frame is captured, H.264 and AAC by PyAV (this process opens no media, it only encodes). Must not
know: recordings. Frames lie on the grid n / fps of box time, so two cameras capture the same instants; the
instant a frame shows, its barcode and its timestamp are one number. On an overloaded machine frames arrive
late, as from any encoder with a buffer, with the instant they were due; more than 2 s late they are left out.
H.264 with a key picture a second (or every `--gop` frames), no B-frames. The sound is a quiet tone with a
high pip at the start of every second of box time.
"""

from __future__ import annotations

import argparse
import math
import os
import select
import signal
import sys
from array import array
from fractions import Fraction
from typing import Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from appliance.box.recorder import children
from appliance.box.recorder.synthetic.scene import Scene
from appliance.kernel.clock import boottime_us
from appliance.media.ingest.mpegts import PACKET
from appliance.media.ingest.tsmux import NULL_PACKET, Muxer, adts

_MEMORY_BYTES: Final = 1 << 30
_SAMPLE_RATE: Final = 48_000
_RATE_INDEX: Final = 3  # 48 kHz in ISO/IEC 14496-3 table 1.18
_AAC_SAMPLES: Final = 1024
_AAC_DELAY: Final = 1024  # samples that the encoder adds before the first
_BIT_RATE: Final = 900_000
_LATE_US: Final = 2_000_000  # about the size of a camera's own buffer


class VideoEncoder:
    """Frames to H.264 access units; one in, one out."""

    def __init__(self, channel: str, width: int, height: int, fps: Fraction, gop: int) -> None:
        encoder = av.CodecContext.create("libx264", "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.framerate, encoder.time_base = fps, Fraction(1, 90_000)
        encoder.bit_rate, encoder.thread_count, encoder.max_b_frames = _BIT_RATE, 1, 0
        encoder.gop_size = gop
        encoder.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:force-cfr=1",
        }
        self._encoder = encoder
        self._frame = av.VideoFrame(width, height, "yuv420p")
        self._scene = Scene(channel, width, height, self._frame.planes[0].line_size)
        for plane, data in zip(
            self._frame.planes[1:], self._scene.chroma(self._frame.planes[1].line_size), strict=True
        ):
            plane.update(data)

    def encode(self, number: int, instant_us: int) -> tuple[bytes, bool]:
        """(Annex B access unit, whether it is a key picture)."""
        self._frame.planes[0].update(bytes(self._scene.luma(number, instant_us)))
        self._frame.pts, self._frame.time_base = instant_us * 9 // 100, Fraction(1, 90_000)
        packets = self._encoder.encode(self._frame)
        return b"".join(bytes(packet) for packet in packets), any(packet.is_keyframe for packet in packets)


class SoundEncoder:
    """A second of tone, computed once, read at the position given by box time."""

    def __init__(self) -> None:
        encoder = av.CodecContext.create("aac", "w")
        assert isinstance(encoder, AudioCodecContext)
        encoder.sample_rate, encoder.layout, encoder.format = _SAMPLE_RATE, "mono", "fltp"
        encoder.bit_rate = 64_000
        self._encoder = encoder
        second = array("f", (_tone(n) for n in range(_SAMPLE_RATE)))
        self._second = second + second[:_AAC_SAMPLES]

    def encode(self, at: int) -> list[tuple[int, bytes]]:
        """ADTS frames of 1,024 samples from `at` (counted since the epoch), each with its first sample."""
        frame = av.AudioFrame("fltp", "mono", _AAC_SAMPLES)
        start = at % _SAMPLE_RATE
        frame.planes[0].update(self._second[start : start + _AAC_SAMPLES].tobytes())
        frame.sample_rate, frame.time_base, frame.pts = _SAMPLE_RATE, Fraction(1, _SAMPLE_RATE), at
        return [
            (packet.pts if packet.pts is not None else at - _AAC_DELAY, adts(bytes(packet), _RATE_INDEX, 1))
            for packet in self._encoder.encode(frame)
        ]


def _tone(n: int) -> float:
    pip = n < _SAMPLE_RATE // 20
    return (0.4 if pip else 0.08) * math.sin(2 * math.pi * (1760 if pip else 440) * n / _SAMPLE_RATE)


class Camera:
    """Frame n is captured at `instant_us(n)`."""

    def __init__(
        self, channel: str, width: int, height: int, fps: Fraction, *, sound: bool, gop: int | None = None
    ) -> None:
        self._picture = VideoEncoder(channel, width, height, fps, gop or round(fps))
        self._sound = SoundEncoder() if sound else None
        self._mux = Muxer("h264", sound=sound)
        self._fps = fps
        self._sample = 0

    def frame_after(self, now_us: int) -> int:
        """Number, counted since the epoch, of the first frame not captured before `now_us`."""
        return math.ceil(now_us * self._fps / 1_000_000)

    def instant_us(self, frame: int) -> int:
        return int(frame * 1_000_000 / self._fps)

    def following(self, frame: int, now_us: int) -> int:
        """The frame to capture after `frame`: the next one, or the newest when that is over 2 s late."""
        newest = self.frame_after(now_us) - 1
        return frame + 1 if now_us - self.instant_us(frame + 1) <= _LATE_US else newest

    def capture(self, frame: int, number: int) -> bytes:
        """Frame `frame` since the epoch, shown as `number`, and the sound up to it."""
        instant_us = self.instant_us(frame)
        unit, key = self._picture.encode(number, instant_us)
        ticks = instant_us * 9 // 100
        return self._sound_until(instant_us) + self._mux.video(unit, ticks, ticks, key=key)

    def _sound_until(self, instant_us: int) -> bytes:
        if self._sound is None:
            return b""
        until = instant_us * _SAMPLE_RATE // 1_000_000
        if until - self._sample > _SAMPLE_RATE:  # the first frame, or a second without CPU
            self._sample = until - _AAC_SAMPLES
        out: list[bytes] = []
        while self._sample + _AAC_SAMPLES <= until:
            for first, frame in self._sound.encode(self._sample):
                out.append(self._mux.audio(frame, first * 15 // 8))
            self._sample += _AAC_SAMPLES
        return b"".join(out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="appliance.box.recorder.synthetic.camera")
    parser.add_argument("--channel", required=True, help="name burned into the picture")
    parser.add_argument("--offset-us", type=int, required=True, help="box time minus CLOCK_BOOTTIME")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--fps", type=Fraction, default=Fraction(25), help="25, 30000/1001 ...")
    parser.add_argument("--gop", type=int, help="frames from key picture to key picture; default: a second")
    parser.add_argument("--no-sound", action="store_true")
    parser.add_argument("--chunk", type=int, default=PACKET, help="fill each write up to a multiple of this")
    parser.add_argument("--parent", type=int, required=True)
    return parser.parse_args()


def _run(camera: Camera, offset_us: int, chunk_bytes: int) -> int:
    """Capture until SIGTERM or until there is no reader. Returns the number of frames left out."""
    stop = children.wake_on_signals()
    frame = camera.frame_after(boottime_us() + offset_us)
    number = left_out = 0
    while True:
        wait_us = camera.instant_us(frame) - (boottime_us() + offset_us)
        if select.select([stop], [], [], max(0, wait_us) / 1e6)[0]:
            return left_out
        data = camera.capture(frame, number)
        _write(data + NULL_PACKET * (-len(data) % chunk_bytes // PACKET))
        following = camera.following(frame, boottime_us() + offset_us)
        left_out += following - frame - 1
        number += following - frame
        frame = following


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def main() -> int:
    arguments = _arguments()
    children.die_with(arguments.parent)
    children.limit(memory_bytes=_MEMORY_BYTES)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no reader: end without a message
    size = (arguments.width, arguments.height)
    sound = not arguments.no_sound
    camera = Camera(arguments.channel, *size, arguments.fps, sound=sound, gop=arguments.gop)
    children.report("ready")
    children.report("ended", reason="stopped", left_out=_run(camera, arguments.offset_us, arguments.chunk))
    return 0


if __name__ == "__main__":
    sys.exit(main())
