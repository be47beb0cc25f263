"""Write a recording: init segments and parts, byte for byte in MediaMTX's structure.

Owns: when a part and a segment end, and their bytes. Must not know: files, clocks, where samples come from.
It yields commands (open, write, close); segment_file.py executes them.

Structure (MediaMTX 1.20, recorder/format_fmp4_*.go and mediacommon's fmp4): `ftyp moov(mvhd trak* mvex
udta(mtxi)) (moof mdat)*`. One `mtxi` StreamID is one unbroken run of media time; every file's own timeline
starts near 0 and `mtxi.DTS` is the run's media time there. Two things differ on purpose: a sample's duration
is passed with it (no sample is lost at the end of a run), and tfdt is rounded, not truncated, so it never
falls one tick behind the sum of durations before it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from appliance.media.mp4 import boxes

NS: Final = 1_000_000_000
MVHD_DURATION_AT: Final = 64  # ftyp is 32 bytes, then moov and mvhd v0: the one field ever rewritten
MAX_PART_BYTES: Final = 8 << 20  # a larger part is written early: MediaMTX gives up at 50 MB
_MAX_SKEW_NS: Final = NS  # a track that lags more than this does not delay a segment's start
# video decides when a part ends; without video, another track may run this long
_OTHER_TRACK_SLACK_S: Final = 1.0
_TOLERANCE_S: Final = 0.001  # six frames of 1/30 s are 0.2 s, whatever the rounding of their timestamps
_BTRT_VIDEO, _BTRT_AUDIO = 1_000_000, 128_825  # the same constants as in MediaMTX: not measured values
_NON_SYNC: Final = 0x10000
_OWN: Final = b"sbox"


def own_stream_id(random: bytes) -> bytes:
    """StreamID (16 bytes) of a run that we record, from 12 random ones.

    It marks that `mtxi.NTP` is box time, by decode time and the fastest arrival so far. MediaMTX's is the
    wall clock, by presentation time.
    """
    return random[:12] + _OWN


def is_own(stream_id: bytes) -> bool:
    """Whether we recorded the run; one in 4e9 of MediaMTX's ids looks the same."""
    return stream_id.endswith(_OWN)


class Sample(NamedTuple):
    """One access unit. dts, pts, duration: ticks of its track, dts counted from any origin the run keeps."""

    dts: int
    pts: int
    duration: int
    sync: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class TrackSpec:
    """One track: `entry` is the finished sample entry (avc1, hvc1, mp4a ...) without btrt."""

    id: int
    audio: bool
    timescale: int
    entry: bytes
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """Begin a file: write `header` to a new file named after `ntp_ns` (UTC, ns since the epoch)."""

    number: int
    ntp_ns: int
    header: bytes


@dataclass(frozen=True, slots=True)
class WritePart:
    """Append one complete moof+mdat with one write."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CloseSegment:
    """Put `duration_ms` into mvhd (at MVHD_DURATION_AT) and close."""

    duration_ms: int


Command = OpenSegment | WritePart | CloseSegment


def init_segment(tracks: Sequence[TrackSpec], mtxi: bytes = b"") -> bytes:
    """ftyp+moov of a fragmented file; `mtxi` is the finished box or nothing."""
    traks = [_trak(track) for track in tracks]
    extends = boxes.box(b"mvex", *[boxes.trex(track.id) for track in tracks])
    user = boxes.box(b"udta", mtxi) if mtxi else b""
    movie = boxes.mvhd(1000, 0, 0xFFFF_FFFF, version=0)
    return boxes.ftyp(b"mp42", 1, b"mp41mp42isomhlsf") + boxes.box(b"moov", movie, *traks, extends, user)


def _trak(track: TrackSpec) -> bytes:
    rate = _BTRT_AUDIO if track.audio else _BTRT_VIDEO
    btrt = boxes.box(b"btrt", struct.pack(">III", 0, rate, rate))
    entry = boxes.box(track.entry[4:8], track.entry[8:], btrt)
    stbl = boxes.empty_stbl(boxes.stsd(entry))
    header = boxes.tkhd(track.id, 0, track.width, track.height, audio=track.audio, version=0)
    return boxes.box(b"trak", header, boxes.mdia(track.timescale, 0, stbl, audio=track.audio, version=0))


@dataclass(slots=True)
class _Lane:
    """The waiting samples of one track for the part being built. `end` is where its next sample should
    start."""

    spec: TrackSpec
    samples: list[Sample] = field(default_factory=list)
    end: int | None = None
    last_dts: int | None = None

    def ns(self, ticks: int) -> int:
        return ticks * NS // self.spec.timescale

    def span_s(self) -> float:
        if not self.samples or self.end is None:
            return 0.0
        return (self.end - self.samples[0].dts) / self.spec.timescale

    def add(self, sample: Sample) -> None:
        if self.samples:
            before = self.samples[-1]
            if (
                sample.dts != before.dts + before.duration
            ):  # a run of samples has no holes: stretch, as MediaMTX
                self.samples[-1] = before._replace(duration=sample.dts - before.dts)
        self.samples.append(sample)
        self.last_dts, self.end = sample.dts, sample.dts + sample.duration


class FragmentWriter:
    """One run: add samples in the order they arrive, execute the returned commands.

    `ntp_ns(media_ns)` returns the wall instant (ns UTC) of a media instant of this run; it is called once per
    segment. Media time is the samples' dts in ns. Late samples (before the segment's start, or not after the
    sample before) are counted in `dropped` and left out.
    """

    def __init__(
        self,
        tracks: Sequence[TrackSpec],
        *,
        stream_id: bytes,
        part_s: float,
        segment_s: float,
        ntp_ns: Callable[[int], int],
    ) -> None:
        self.dropped = 0
        self._lanes = {track.id: _Lane(track) for track in tracks}
        self._lead = next((track.id for track in tracks if not track.audio), tracks[0].id)
        self._stream_id, self._ntp_ns = stream_id, ntp_ns
        self._part_s, self._segment_ns = part_s, round(segment_s * NS)
        self._number = -1
        self._last_ntp_ns = 0
        self._start_ns: int | None = None  # of the open segment; None until its first part is complete
        self._end_ns = 0
        self._sequence = 0
        self._bytes = 0

    def describe(self, track: TrackSpec) -> list[Command]:
        """Change the description of `track` (an existing id) from now on; the file ends, the run
        continues."""
        if self._lanes[track.id].spec.timescale != track.timescale:
            raise ValueError("a track keeps its timescale for the whole run")
        commands = self._finish_segment()
        self._lanes[track.id].spec = track
        return commands

    def add(self, track_id: int, sample: Sample) -> list[Command]:
        """One more sample; returns what has to be written now, often nothing."""
        lane = self._lanes[track_id]
        at_ns = lane.ns(sample.dts)
        late = self._start_ns is not None and at_ns < self._start_ns
        if late or (lane.last_dts is not None and sample.dts <= lane.last_dts):
            self.dropped += 1
            return []
        commands: list[Command] = []
        if track_id == self._lead and sample.sync and self._segment_is_over(at_ns):
            commands += self._finish_segment()
        lane.add(sample)
        self._bytes += len(sample.data)
        if self._part_is_over():
            commands += self._finish_part()
        return commands

    def close(self) -> list[Command]:
        """End of the run: the waiting samples become the last part."""
        return self._finish_segment()

    def _segment_is_over(self, at_ns: int) -> bool:
        return self._start_ns is not None and at_ns - self._start_ns >= self._segment_ns

    def _part_is_over(self) -> bool:
        if self._bytes >= MAX_PART_BYTES:
            return True
        limit = self._part_s - _TOLERANCE_S
        for lane in self._lanes.values():
            slack = 0.0 if lane.spec.id == self._lead else _OTHER_TRACK_SLACK_S
            if lane.span_s() >= limit + slack:
                return True
        return False

    def _finish_segment(self) -> list[Command]:
        commands = self._finish_part()
        if self._start_ns is not None:
            commands.append(CloseSegment(max(0, self._end_ns - self._start_ns) // 1_000_000))
        self._start_ns, self._sequence, self._end_ns = None, 0, 0
        return commands

    def _finish_part(self) -> list[Command]:
        if not any(lane.samples for lane in self._lanes.values()):
            return []
        commands: list[Command] = []
        if self._start_ns is None:
            commands.append(self._open())
        assert self._start_ns is not None
        self._leave_out_late(self._start_ns)
        filled = [lane for lane in self._lanes.values() if lane.samples]
        commands.append(WritePart(part(self._sequence, [self._traf(lane) for lane in filled])))
        for lane in filled:
            assert lane.end is not None
            self._end_ns = max(self._end_ns, lane.ns(lane.end))
            lane.samples = []
        self._sequence += 1
        self._bytes = 0
        return commands

    def _open(self) -> OpenSegment:
        """Start at the oldest sample waiting or still expected, so that no track starts below 0."""
        firsts = [lane.ns(lane.samples[0].dts) for lane in self._lanes.values() if lane.samples]
        expected = [
            lane.ns(lane.end) for lane in self._lanes.values() if not lane.samples and lane.end is not None
        ]
        newest = max(firsts)
        self._start_ns = min(t for t in firsts + expected if t >= newest - _MAX_SKEW_NS)
        self._number += 1
        # Names sort in the order of the files, even when a burst makes a later instant look earlier.
        ntp_ns = self._last_ntp_ns = max(self._ntp_ns(self._start_ns), self._last_ntp_ns + 1_000_000)
        mtxi = boxes.mtxi(self._stream_id, self._number, self._start_ns, ntp_ns)
        return OpenSegment(self._number, ntp_ns, init_segment([x.spec for x in self._lanes.values()], mtxi))

    def _leave_out_late(self, start_ns: int) -> None:
        for lane in self._lanes.values():
            in_time = [sample for sample in lane.samples if lane.ns(sample.dts) >= start_ns]
            self.dropped += len(lane.samples) - len(in_time)
            lane.samples = in_time

    def _traf(self, lane: _Lane) -> Traf:
        assert self._start_ns is not None
        since_ns = lane.ns(lane.samples[0].dts) - self._start_ns
        return Traf(lane.spec.id, (since_ns * lane.spec.timescale + NS // 2) // NS, lane.samples)


class Traf(NamedTuple):
    """One track's samples in a part; `tfdt` in ticks from the start of the file."""

    track_id: int
    tfdt: int
    samples: Sequence[Sample]


def part(sequence: int, trafs: Sequence[Traf]) -> bytes:
    """One moof+mdat: payload grouped per track, in the order of `trafs`."""
    blank = _moof(sequence, trafs, [0] * len(trafs))
    payloads = [b"".join(sample.data for sample in traf.samples) for traf in trafs]
    offsets: list[int] = []
    at = len(blank) + 8
    for payload in payloads:
        offsets.append(at)
        at += len(payload)
    return _moof(sequence, trafs, offsets) + boxes.box(b"mdat", *payloads)


def _moof(sequence: int, trafs: Sequence[Traf], offsets: Sequence[int]) -> bytes:
    header = boxes.full_box(b"mfhd", 0, 0, struct.pack(">I", sequence))
    return boxes.box(b"moof", header, *[_traf_box(traf, at) for traf, at in zip(trafs, offsets, strict=True)])


def _traf_box(traf: Traf, data_offset: int) -> bytes:
    has_flags = not all(sample.sync for sample in traf.samples)
    has_cto = any(sample.pts != sample.dts for sample in traf.samples)
    flags = 0x301 | (0x400 if has_flags else 0) | (0x800 if has_cto else 0)
    rows: list[bytes] = []
    for sample in traf.samples:
        row = struct.pack(">II", sample.duration, len(sample.data))
        if has_flags:
            row += struct.pack(">I", 0 if sample.sync else _NON_SYNC)
        if has_cto:
            row += struct.pack(">i", sample.pts - sample.dts)
        rows.append(row)
    return boxes.box(
        b"traf",
        boxes.full_box(b"tfhd", 0, 0x020000, struct.pack(">I", traf.track_id)),  # default-base-is-moof
        boxes.full_box(b"tfdt", 1, 0, struct.pack(">Q", traf.tfdt)),
        boxes.full_box(b"trun", 1, flags, struct.pack(">Ii", len(rows), data_offset), *rows),
    )
