"""A live camera with B-frames at any rate: pre-encoded footage, sent over SRT when each picture is due.

Picture n of the stream was captured at `epoch_us` + n / fps and carries the barcode n, counted within the
footage, which is repeated. It is sent when an encoder with that many B-frames would have finished it. The
process encodes first, then connects in the middle of a GOP.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple

from appliance.box.recorder import children
from appliance.kernel.clock import boottime_us
from appliance.media.ingest.mpegts import PACKET
from appliance.media.ingest.tsmux import NULL_PACKET, Muxer, adts
from tests.kit.barcoded import AUDIO_RATE, HZ, Footage, make_footage

_DATAGRAM: Final = 7 * PACKET
_LOOP_S: Final = 8
_RATE_INDEX: Final = 3  # 48 kHz


@dataclass
class FilmSender:
    """Calls `url` (srt://...) until stopped. `epoch_us`: CLOCK_BOOTTIME of picture 0; set on creation."""

    url: str
    fps: Fraction = Fraction(25)
    b_frames: int = 2
    gop_s: float = 2.0
    sound: bool = True
    leap: tuple[float, float] | None = None  # (this long after connecting, timestamps jump by this much), s
    grows_after_s: float | None = None  # then the picture has twice the width and height from the next key on
    epoch_us: int = field(default_factory=boottime_us)

    @property
    def gop(self) -> int:
        """Pictures from key to key."""
        return round(self.gop_s * self.fps)

    @property
    def frames(self) -> int:
        """Pictures of one repetition: whole GOPs."""
        return self.gop * round(_LOOP_S / self.gop_s)

    def captured_us(self, number: int, near_us: int) -> float:
        """CLOCK_BOOTTIME (us) of the picture with barcode `number` that is nearest to `near_us`."""
        loop_us = 1e6 * self.frames / float(self.fps)
        at_us = self.epoch_us + 1e6 * number / float(self.fps)
        return at_us + round((near_us - at_us) / loop_us) * loop_us

    def start(self) -> None:
        words = [sys.executable, "-m", "tests.kit.film_sender", "--url", self.url, "--fps", str(self.fps)]
        words += ["--b-frames", str(self.b_frames), "--gop", str(self.gop), "--frames", str(self.frames)]
        words += ["--epoch-us", str(self.epoch_us), "--parent", str(os.getpid())]
        words += [] if self.sound else ["--no-sound"]
        words += ["--leap", *map(str, self.leap)] if self.leap else []
        words += ["--grows-after-s", str(self.grows_after_s)] if self.grows_after_s is not None else []
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(words, cwd=root, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> FilmSender:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Oddity(NamedTuple):
    """Irregularities of the stream; seconds after picture 0."""

    leap_from_s: float = inf
    leap_s: float = 0.0
    large_from_s: float = inf
    sound: bool = True


def units(small: Footage, large: Footage, first: int, odd: Oddity) -> Iterator[tuple[Fraction, bytes]]:
    """(when it is sent, seconds after picture 0, bytes) of each picture with its sound, from `first` on.

    `first` is counted in decode order through all repetitions.
    """
    mux, footage = Muxer("h264", sound=odd.sound), small
    delay = max(sample.pts - sample.dts for sample in small.video)
    sounds = round(Fraction(first, 1) / small.fps * AUDIO_RATE / 1024)
    while True:
        repetition, place = divmod(first, footage.frames)
        shift = repetition * footage.video_ticks
        leaves = Fraction(footage.video[place].dts + shift + delay, HZ)
        if leaves >= odd.large_from_s and footage.video[place].sync:
            footage = large
        sample = footage.video[place]
        ahead = HZ + round(odd.leap_s * HZ if leaves >= odd.leap_from_s else 0)
        data = b""
        while odd.sound and sounds * 1024 * HZ <= (sample.dts + shift) * AUDIO_RATE:
            frame = footage.audio[sounds % len(footage.audio)].data
            data += mux.audio(adts(frame, _RATE_INDEX, 1), sounds * 1024 * HZ // AUDIO_RATE + ahead)
            sounds += 1
        pts, dts = sample.pts + shift + ahead, sample.dts + shift + ahead
        yield leaves, data + mux.video(_annex_b(sample.data), pts, dts, key=sample.sync)
        first += 1


def _annex_b(data: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        out += b"\0\0\0\1" + data[at + 4 : at + 4 + size]
        at += 4 + size
    return bytes(out)


def _first_after(footage: Footage, gop: int, epoch_us: int) -> int:
    """The next future picture in the middle of a GOP."""
    now = (boottime_us() - epoch_us) * footage.fps / 1_000_000 + footage.fps / 4
    return (int(now) // gop + 1) * gop + gop // 2


def _send(options: argparse.Namespace, small: Footage, large: Footage, pipe: IO[bytes]) -> None:
    first = _first_after(small, options.gop, options.epoch_us)
    begin_s = float(first / small.fps)
    leap_after_s, leap_s = options.leap
    odd = Oddity(begin_s + leap_after_s, leap_s, begin_s + options.grows_after_s, not options.no_sound)
    for leaves, data in units(small, large, first, odd):
        time.sleep(max(0.0, float(leaves) + (options.epoch_us - boottime_us()) / 1e6))
        pipe.write(data + NULL_PACKET * (-len(data) % _DATAGRAM // PACKET))
        pipe.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--fps", type=Fraction, required=True)
    for name in ("--b-frames", "--gop", "--frames", "--epoch-us", "--parent"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--leap", type=float, nargs=2, default=(inf, 0.0))
    parser.add_argument("--grows-after-s", type=float, default=inf)
    parser.add_argument("--no-sound", action="store_true")
    options = parser.parse_args()
    children.die_with(options.parent)
    size = {"frames": options.frames, "gop": options.gop, "b_frames": options.b_frames}
    small = make_footage(fps=options.fps, **size)
    large = (
        small
        if options.grows_after_s == inf
        else make_footage(fps=options.fps, width=640, height=360, **size)
    )
    # setpriv: a caller that waits for its connection does not notice that its stdin has ended.
    words = ["setpriv", "--pdeathsig", "KILL", "srt-live-transmit", "-q", f"-chunk:{_DATAGRAM}"]
    words += ["-buffering:1", "file://con", options.url]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as caller:
        assert caller.stdin is not None
        _send(options, small, large, caller.stdin)


if __name__ == "__main__":
    main()
