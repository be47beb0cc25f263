"""Recordings on disk with the irregularities of MediaMTX's real ones, and clips cut from them.

Parts end at times, not at keys; tracks come in random order; later segments begin with sound; times are
truncated to ticks; the first dts may be negative; one `mtxi` per file.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from appliance.media.cut.plan import Plan
from appliance.media.index.index import SegmentIndex
from appliance.media.index.view import MediaClock, SegmentView
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Track
from appliance.media.mp4.fragment import Sample, Traf, part
from tests.kit.barcode import AUDIO_HZ, VIDEO_HZ, Media

NS = 1_000_000_000
START_US = 1_790_000_000_000_000
_SOUND_LEAD_NS = 150_000_000  # sound starts this long before the picture at a segment's start


@dataclass(frozen=True)
class StraightClock:
    """A source without skew: media time 0 arrived at `start_us`. media_ns is the exact inverse of wall_us."""

    start_us: int

    def wall_us(self, media_ns: int) -> int:
        return self.start_us + media_ns // 1000

    def media_ns(self, wall_us: int) -> int:
        return (wall_us - self.start_us) * 1000


@dataclass
class Recordings:
    """A folder of segments of one channel, and the index views of them."""

    folder: Path
    views: list[SegmentView] = field(default_factory=list)
    _fds: dict[str, int] = field(default_factory=dict)

    def open_fd(self, name: str) -> int:
        if name not in self._fds:
            self._fds[name] = os.open(self.folder / name, os.O_RDONLY)
        return self._fds[name]

    def close(self) -> None:
        for fd in self._fds.values():
            os.close(fd)

    def bytes_of(self, plan: Plan) -> bytes:
        """The clip as a client downloads it."""
        body = [os.pread(self.open_fd(piece.name), piece.length, piece.offset) for piece in plan.ranges]
        return plan.header + b"".join(body)

    def add(self, name: str, data: bytes, clock: MediaClock) -> SegmentView:
        """Write a file and index it."""
        (self.folder / name).write_bytes(data)
        index = SegmentIndex(name)
        index.update(self.open_fd(name), len(data))
        assert index.damage is None, index.damage
        self.views.append(replace(index.view(name, clock), recent={}))  # the tests are about reading the file
        return self.views[-1]

    def add_file(self, name: str, media: Media, mtxi: bytes) -> SegmentView:
        """One file of a run whose media time 0 is START_US; its tick 0 is its first picture."""
        return self.add(name, b"".join(file_of(media, mtxi)), StraightClock(START_US))

    def go_on(self, *medias: Media, every_s: float, run: int = 1, part_s: float = 0.2) -> None:
        """One run with these segments, `every_s` apart; the times of each begin at 0."""
        rng = random.Random(run)
        for number, media in enumerate(medias):
            base_ns = round(number * every_s * NS)
            box = boxes.mtxi(bytes([run]) * 16, number, base_ns, START_US * 1000 + base_ns)
            parts = list(_parts(media, media.frames, media.packets, 0, part_s, rng))
            name = f"run{run}_{number}.mp4"
            self.add(name, init(media, box) + b"".join(parts), StraightClock(START_US))

    def record(
        self,
        media: Media,
        *,
        run: int = 1,
        start_us: int = START_US,
        part_s: float = 0.4,
        segment_s: float = 1e9,
        clock: MediaClock | None = None,
        mtxi: bool = True,
    ) -> None:
        """One run: `media` as MediaMTX would write it to disk; media time 0 is its first picture."""
        rng = random.Random(run)
        clock = clock or StraightClock(start_us)
        for number, (frames, packets) in enumerate(_segments(media, segment_s)):
            base_ns = _base_ns(frames, packets)
            box = boxes.mtxi(bytes([run]) * 16, number, base_ns, start_us * 1000 + base_ns) if mtxi else b""
            parts = list(_parts(media, frames, packets, base_ns, part_s, rng))
            self.add(f"run{run}_{number}.mp4", init(media, box) + b"".join(parts), clock)


def file_of(media: Media, mtxi: bytes, part_s: float = 0.4) -> list[bytes]:
    """The init and every part of one file; its tick 0 is the first picture's dts."""
    base_ns = _ns(media.frames[0].dts, VIDEO_HZ)
    parts = _parts(media, media.frames, media.packets, base_ns, part_s, random.Random(1))
    return [init(media, mtxi), *parts]


def init(media: Media, mtxi: bytes = b"") -> bytes:
    """ftyp and moov of a fragmented file with the media's tracks."""
    tracks = [track for track in (media.video, media.audio) if track is not None]
    extends = boxes.box(b"mvex", *(boxes.trex(track.id) for track in tracks))
    user = boxes.box(b"udta", mtxi) if mtxi else b""
    moov = boxes.box(b"moov", boxes.mvhd(1000, 0, 9, version=0), *map(_trak, tracks), extends, user)
    return boxes.ftyp(b"mp42", 1, b"mp41mp42isomhlsf") + moov


def _trak(track: Track) -> bytes:
    audio = track.kind == "audio"
    header = boxes.tkhd(track.id, 0, track.width, track.height, audio=audio, version=0, matrix=track.matrix)
    media = boxes.mdia(track.timescale, 0, boxes.empty_stbl(track.stsd), audio=audio, version=0)
    return boxes.box(b"trak", header, media)


def _ns(ticks: int, hertz: int) -> int:
    return ticks * NS // hertz


def _segments(media: Media, segment_s: float) -> Iterator[tuple[Sequence[Sample], Sequence[Sample]]]:
    """Rotate at the first key after `segment_s`; the sound is split a little earlier."""
    cuts = [0]
    for place, frame in enumerate(media.frames):
        if frame.sync and frame.dts - media.frames[cuts[-1]].dts >= segment_s * VIDEO_HZ:
            cuts.append(place)
    for first, stop in pairwise([*cuts, len(media.frames)]):
        begin_ns = _ns(media.frames[first].dts, VIDEO_HZ) - _SOUND_LEAD_NS if first else -NS
        end_ns = (
            _ns(media.frames[stop].dts, VIDEO_HZ) - _SOUND_LEAD_NS if stop < len(media.frames) else 1 << 62
        )
        packets = [each for each in media.packets if begin_ns <= _ns(each.dts, AUDIO_HZ) < end_ns]
        yield media.frames[first:stop], packets


def _base_ns(frames: Sequence[Sample], packets: Sequence[Sample]) -> int:
    firsts = [_ns(frames[0].dts, VIDEO_HZ)]
    firsts += [_ns(packet.dts, AUDIO_HZ) for packet in packets[:1]]
    return min(firsts)


def _parts(
    media: Media,
    frames: Sequence[Sample],
    packets: Sequence[Sample],
    base_ns: int,
    part_s: float,
    rng: random.Random,
) -> Iterator[bytes]:
    tracks = [(media.video, frames)]
    if media.audio is not None:
        tracks.append((media.audio, packets))
    end_ns = max(_ns(samples[-1].dts, track.timescale) for track, samples in tracks if samples)
    for number in range(int((end_ns - base_ns) / NS / part_s) + 1):
        low, high = (base_ns + int((number + side) * part_s * NS) for side in (0, 1))
        trafs = []
        for track, samples in tracks:
            hertz = track.timescale
            mine = [sample for sample in samples if low <= _ns(sample.dts, hertz) < high]
            if mine:
                tfdt = (_ns(mine[0].dts, hertz) - base_ns) * hertz // NS  # truncated, as MediaMTX does
                trafs.append(Traf(track.id, tfdt, mine))
        rng.shuffle(trafs)
        if trafs:
            yield part(number, trafs)
