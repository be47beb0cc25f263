"""Published capture times against the truth, in simulated time: a camera, its recorder, its disk, the index.

- `Feed` gives the times at which each frame was shown, decoded and received by the recorder (us of box time).
- `mediamtx` and `embedded` write received frames into files like those recorders, each with its own `mtxi`.
- `Sight` lets the real index (`ChannelIndex`, its log) read the files, with stops of the daemon, and stores
  the first published time of every frame; a time that changes later is an error. Nothing waits.
"""

from __future__ import annotations

import os
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.channel.neighbours import following, unread_beside
from appliance.box.recordings.following.cache import lines_of
from appliance.box.recordings.segment_state import GrowthTimes, Segment
from appliance.media.index.index import Growth, SegmentIndex, scan
from appliance.media.index.segment import facts_of
from appliance.media.index.table import facts_line, observed_line, published_line, read_log
from appliance.media.mp4.fragment import own_stream_id
from tests.kit.segments import Sample, init, part

START_US: Final = 1_790_000_000_000_000
HZ: Final = 90_000
S_US: Final = 1_000_000
_LOOK_US: Final = 50_000
_DEFERRED_US: Final = 5_000_000
_FRESH_US: Final = 2_000_000


class Frame(NamedTuple):
    """dts, pts: ticks of the source's clock. `arrival_us`: us, at the recorder. `shown_us`: the truth."""

    dts: int
    pts: int
    is_key: bool
    arrival_us: int
    shown_us: float


@dataclass(frozen=True)
class Feed:
    """A camera. Frame times are `skew_ppm` fast. `late_us(s, rng)`: delay of what was sent `s` seconds after
    the start of a connection; frames never overtake each other. `connects_s`: when it connects (the encoder
    keeps running, so most connections begin inside a GOP); at `starts_s` a GOP begins.

    `leaps`: (at second, by seconds): from then on timestamps are ahead by that much. `losses`: (from, to) s
    without frames.
    """

    fps: Fraction = Fraction(30)
    b_frames: int = 0
    skew_ppm: float = 0.0
    gop_s: float = 2.0
    seed: int = 1
    late_us: Callable[[float, random.Random], float] = lambda _, rng: rng.uniform(0, 8_000)
    connects_s: tuple[float, ...] = (0.0,)
    leaps: tuple[tuple[float, float], ...] = ()
    losses: tuple[tuple[float, float], ...] = ()

    @property
    def frame_us(self) -> float:
        return 1e6 / float(self.fps)

    def connections(self, seconds: float) -> Iterator[list[Frame]]:
        """The frames of each connection, in sending order."""
        rng = random.Random(self.seed)
        ends = [*self.connects_s[1:], seconds]
        for begin_s, end_s in zip(self.connects_s, ends, strict=True):
            yield list(self._frames(begin_s, end_s, rng))

    def _frames(self, begin_s: float, end_s: float, rng: random.Random) -> Iterator[Frame]:
        fps, rate = float(self.fps), 1 + self.skew_ppm * 1e-6
        sent = [n for n in range(round(begin_s * fps), round(end_s * fps)) if not self._is_lost(n / fps)]
        shown = [(n + self._cto(n)) / fps for n in sent]
        pts = [round((at_s * rate + self._ahead(at_s)) * HZ) for at_s in shown]
        # as encoders and MediaMTX do: decode times are the sorted presentation times, one picture earlier
        order = sorted(pts)
        step = HZ / fps * rate
        dts = [round(order[0] - step), *order[:-1]] if self.b_frames else order
        arrived_us = 0.0
        for n, shown_s, shown_pts, decoded in zip(sent, shown, pts, dts, strict=True):
            sent_us = START_US + n / fps * 1e6
            arrived_us = max(arrived_us + 10, sent_us + self.late_us(n / fps - begin_s, rng))
            is_key = n % self._gop == 0
            yield Frame(decoded, shown_pts, is_key, round(arrived_us), START_US + shown_s * 1e6)

    @cached_property
    def _gop(self) -> int:
        groups = max(1, round(self.gop_s * float(self.fps) / (self.b_frames + 1)))
        return groups * (self.b_frames + 1) + 1 if self.b_frames else groups

    def _cto(self, number: int) -> int:
        """Frames between its decoding and presentation: a closed GOP, each P before its B-frames."""
        place = number % self._gop
        if not self.b_frames or place == 0:
            return 1 if self.b_frames else 0
        return self.b_frames + 1 if (place - 1) % (self.b_frames + 1) == 0 else 0

    def _ahead(self, shown_s: float) -> float:
        return sum(by_s for after_s, by_s in self.leaps if shown_s >= after_s)

    def _is_lost(self, at_s: float) -> bool:
        return any(since_s <= at_s < until_s for since_s, until_s in self.losses)


class Write(NamedTuple):
    """At `at_us` these bytes are added to file `name`."""

    at_us: int
    name: str
    data: bytes


@dataclass
class Recording:
    """What a recorder has written, and where each frame is: `truth` by (run id, pts in ns of the run)."""

    writes: list[Write] = field(default_factory=list)
    truth: dict[tuple[str, int], float] = field(default_factory=dict)


@lru_cache(maxsize=8)  # one recording is seen with several stops of the daemon
def record(
    feed: Feed,
    seconds: float,
    *,
    recorder: str,
    part_s: float = 0.2,
    segment_s: float = 60,
    held_s: float = 0.0,
) -> Recording:
    """All of a camera's connections as MediaMTX (`mediamtx`) or the embedded recorder writes them, or a
    stranger whose start times follow decode times (`decode`). `held_s`: nothing is written for so long after
    the first key picture, as the recorder waits for sound."""
    recording = Recording()
    for number, frames in enumerate(feed.connections(seconds)):
        stream_id = random.Random(f"{feed.seed} {number}").randbytes(16)
        if recorder == "embedded":
            stream_id = own_stream_id(stream_id)
        _Recorder(recording, recorder, stream_id, part_s, segment_s, held_s).take(frames)
    return recording


class _Recorder:
    """One connection. A sample is held until the next one arrives; the part it completes is written then."""

    def __init__(
        self,
        recording: Recording,
        kind: str,
        stream_id: bytes,
        part_s: float,
        segment_s: float,
        held_s: float,
    ) -> None:
        self._held_s, self._held_until_us = held_s, 0
        self._out, self._kind, self._stream_id = recording, kind, stream_id
        self._part, self._segment = round(part_s * HZ) - 90, round(segment_s * HZ)

    def take(self, frames: Sequence[Frame]) -> None:
        origin, number, name = frames[0].dts, 0, ""
        pending: list[tuple[Frame, int]] = []  # with the recorder's own time of it, us
        start, lag_us, reference = 0, 1 << 62, None
        for frame in frames:
            media_us = (frame.dts - origin) * 100 // 9
            lag_us = min(lag_us, frame.arrival_us - media_us)
            # MediaMTX's estimate follows pts, from the fastest arrival so far
            published_us = frame.arrival_us
            if reference is not None:
                published_us = reference[0] + (frame.pts - reference[1]) * 100 // 9
            if reference is None or not frame.arrival_us - 5 * S_US <= published_us <= frame.arrival_us:
                reference, published_us = (frame.arrival_us, frame.pts), frame.arrival_us
            if not pending and not name and not frame.is_key:
                continue
            rotates = bool(name) and frame.is_key and frame.dts - start >= self._segment
            if pending and (rotates or frame.dts - pending[0][0].dts >= self._part):
                if not name:
                    start, name = pending[0][0].dts, f"{frame.arrival_us:018d}.mp4"
                    ntp_us = pending[0][1]
                    if self._kind in ("embedded", "decode"):
                        ntp_us = (start - origin) * 100 // 9 + lag_us
                    mtxi = (self._stream_id, number, (start - origin) * 100_000 // 9, ntp_us * 1000)
                    self._write(frame.arrival_us, name, init(mtxi))
                self._write(frame.arrival_us, name, self._bytes(pending, frame.dts, start, origin))
                pending = []
                if rotates:
                    number, name = number + 1, ""
            if not self._held_until_us:
                self._held_until_us = frame.arrival_us + round(self._held_s * 1e6)
            pending.append((frame, published_us))

    def _write(self, at_us: int, name: str, data: bytes) -> None:
        self._out.writes.append(Write(max(at_us, self._held_until_us), name, data))

    def _bytes(self, held: list[tuple[Frame, int]], until: int, start: int, origin: int) -> bytes:
        frames = [frame for frame, _ in held]
        ends = [*(frame.dts for frame in frames[1:]), until]
        base_ns = (start - origin) * 100_000 // 9
        for frame in frames:
            at_ns = base_ns + (frame.pts - start) * 1_000_000_000 // HZ
            self._out.truth[self._stream_id.hex(), at_ns] = frame.shown_us
        samples = [
            Sample(end - frame.dts, frame.is_key, frame.pts - frame.dts)
            for frame, end in zip(frames, ends, strict=True)
        ]
        return part(samples, frames[0].dts - start)


class Error(NamedTuple):
    """A published frame: its picture was at `shown_us` and published `error_us` later than that."""

    shown_us: float
    error_us: float
    run_id: str


class Moved(AssertionError):
    """The published time of a frame has changed."""


class Sight:
    """The index reads a recording as time passes; `stops` are (from, to) in s while the daemon is down."""

    def __init__(
        self, recording: Recording, folder: os.PathLike[str], stops: Sequence[tuple[float, float]] = ()
    ):
        self._truth, self._folder = recording.truth, os.fspath(folder)
        self._writes = sorted(recording.writes)
        self._stops = [(START_US + round(a * 1e6), START_US + round(b * 1e6)) for a, b in stops]
        self.log = b""
        self.channel = ChannelIndex("cam1", UTC)
        self._open: dict[str, tuple[Segment, int, int | None]] = {}
        self.published: dict[tuple[str, int], int] = {}
        self._fds: dict[str, int] = {}
        self._mtimes: dict[str, int] = {}
        self._published: dict[str, int] = {}
        self._sorted: dict[str, list[int]] = {}
        for run_id, at_ns in sorted(self._truth):
            self._sorted.setdefault(run_id, []).append(at_ns)

    def run(self) -> list[Error]:
        """Read until the last write; the first published time of every frame, in the order of the truth."""
        now_us, at = self._writes[0].at_us - 1, 0
        was_up = True
        while at < len(self._writes):
            now_us = max(now_us + _LOOK_US, self._writes[at].at_us + 7_000)
            new: list[str] = []
            while at < len(self._writes) and self._writes[at].at_us <= now_us:
                write = self._writes[at]
                if write.name not in self._fds:
                    path = os.path.join(self._folder, write.name)
                    self._fds[write.name] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
                    new.append(write.name)
                os.write(self._fds[write.name], write.data)
                self._mtimes[write.name] = write.at_us
                at += 1
            is_up = not any(since <= now_us < until for since, until in self._stops)
            if is_up and not was_up:
                self._restart(now_us)
            elif is_up:
                for name in new:
                    self._follow(name)
            was_up = is_up
            if is_up:
                self._look(now_us)
        self._walk()
        self._check()
        for fd in self._fds.values():
            os.close(fd)
        return self.errors()

    def errors(self) -> list[Error]:
        return sorted(
            Error(self._truth[key], at - self._truth[key], key[0]) for key, at in self.published.items()
        )

    # -- the same as box/recordings/following/follow_channel.py ----------------------------------------------

    def _follow(self, name: str) -> None:
        segment = self.channel.segments.get(name) or self.channel.discover(name, 0, self._mtimes[name], None)
        self.channel.opened(segment)
        for older in list(self._open):
            if len(self._open) >= 2:
                self._close(older)
        self._open[name] = (segment, 0, None)

    def _close(self, name: str) -> None:
        segment, _, _ = self._open.pop(name)
        self.channel.close(segment)
        if segment.facts is not None:
            self.log += facts_line(segment.facts)

    def _restart(self, now_us: int) -> None:
        known = read_log(self.log)
        assert not known.bad_lines
        self.channel, self._open, self._published = ChannelIndex("cam1", UTC), {}, {}
        self.channel.restore(known)
        for name in self._fds:
            size = os.fstat(self._fds[name]).st_size
            self.channel.discover(name, size, self._mtimes[name], known.facts.get(name))
        self._follow(max(self._fds))
        self._look(now_us)
        self._walk()

    def _look(self, now_us: int) -> None:
        for name, (segment, size, looked_us) in list(self._open.items()):
            if segment.deferred is not None and now_us - (looked_us or 0) > _DEFERRED_US:
                self._decide(segment)
            status_size, mtime_us = os.fstat(self._fds[name]).st_size, self._mtimes[name]
            if status_size == size:
                continue
            if looked_us is None:
                written_us = mtime_us if now_us - mtime_us <= _FRESH_US else None
            else:
                written_us = max(looked_us, min(mtime_us, now_us))
            segment.written_us, segment.bytes = mtime_us, status_size
            while True:
                assert segment.index is not None
                growth = scan(segment.index.cursor, self._fds[name], status_size)
                self._grow(segment, growth, None if growth.more else written_us)
                if not growth.more:
                    break
            self._open[name] = (segment, status_size, now_us)

    def _decide(self, segment: Segment) -> None:
        assert segment.index is not None
        self.log += lines_of(segment.index.run_id, self.channel.decide(segment))
        self._publish()

    def _grow(self, segment: Segment, growth: Growth, written_us: int | None) -> None:
        made = self.channel.grow(segment, growth, GrowthTimes(written_us))
        assert segment.index is not None
        self.log += lines_of(segment.index.run_id, made)
        self.log += b"".join(map(observed_line, self.channel.clocks.take_newly_observed()))
        if growth.parts and not segment.is_published:
            segment.is_published = True
            self.log += published_line(segment.name)
        self._publish()

    def _walk(self) -> None:
        for segment in self.channel.waiting():
            if segment.facts is None:
                self._walk_one(segment)

    def _walk_one(self, segment: Segment) -> None:
        index = self._indexed(segment.name)
        older = self.channel.to_be_known_before(segment, index)
        for each in (each for each in older if each.facts is None):
            self._walk_one(each)
        for beside in unread_beside(self.channel, segment):
            init = self._indexed(beside.name).init
            beside.claim = init.mtxi if init is not None else None
        made = self.channel.walked(segment, index, following(self.channel, segment))
        self.log += lines_of(index.run_id, made) + facts_line(facts_of(index))
        self._publish()

    def _indexed(self, name: str) -> SegmentIndex:
        (index := SegmentIndex(name)).update(self._fds[name], os.fstat(self._fds[name]).st_size)
        return index

    # -- what was published ------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Every part indexed since the last call."""
        for segment in self.channel.segments.values():
            index, clock = segment.index, self.channel.clock_of(segment)
            if index is None or clock is None:
                continue
            for item in index.parts[self._published.get(segment.name, 0) :]:
                if item.video_tfdt >= 0:
                    for key in self._frames_of(index, item.video_pts_min, item.video_pts_max):
                        self.published.setdefault(key, clock.wall_us(key[1]))
            self._published[segment.name] = len(index.parts)

    def _frames_of(self, index: SegmentIndex, first: int, last: int) -> Iterator[tuple[str, int]]:
        rows = self._sorted[index.run_id]
        low, high = index.run_ns(first) - 1000, index.run_ns(last) + 1000
        at = bisect_left(rows, low)
        while at < len(rows) and rows[at] <= high:
            yield index.run_id, rows[at]
            at += 1

    def _check(self) -> None:
        last_us: dict[str, int] = {}
        for (run_id, at_ns), at_us in sorted(self.published.items()):
            now = self.channel.clocks.runs[run_id].clock().wall_us(at_ns)
            if now != at_us:
                raise Moved(f"{run_id} {at_ns}: {at_us} became {now}")
            if at_us <= last_us.get(run_id, 0):
                raise Moved(f"{run_id} {at_ns}: time goes back")
            last_us[run_id] = at_us
