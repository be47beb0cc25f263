"""The audio track of a clip: packets of several spans on the clip's own timeline.

Owns: which sound track, which packets, look-back for the decoder, holes, the track's edit list. Must not
know: how video was chosen, wall time. Clip time 0 is the first frame shown; audio before it is there for the
decoder (and for players that ignore edit lists) and hidden by the edit list.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from appliance.media.cut.clip_time import ClipTime
from appliance.media.cut.samples import MAX_DELTA, PartReader
from appliance.media.cut.silence import SAMPLES_PER_FRAME, SoundId, silent_frame, sound_id
from appliance.media.index.chain import NS
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Track
from appliance.media.mp4.moof import TrackRun
from appliance.media.mp4.moov import FILLER, Chunk, TrackTable

# Enough for two AAC packets at 22 kHz and for Opus's 80 ms of pre-skip.
_LOOK_BACK_S = 0.1
# Sound may be written this many parts before or after the picture it belongs to (skew is below a second).
_MAX_PARTS_ASIDE = 16
_MAX_SILENT_FRAMES = 50_000  # 18 minutes at 48 kHz
_HOLE_PACKETS = 3  # a packet longer than this many usual ones is followed by a hole
# Players play a packet at its own pitch whatever its duration in the file, so where a source's clock is off,
# a packet is left out or played twice from time to time. Sound never differs from its picture by more than
# this, or by more than half a packet.
_OFF_PICTURE_S = 0.02
_LOOK_S = 0.2
_Piece = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class VideoStretch:
    """The video of one span, for its sound; ticks are video ticks.

    Chain ticks: `decode_from` (the key), `begin` (first frame shown), `end`. `at` is the clip time of
    `begin`. `squeezes` are (chain tick, ticks added to clip time after it); `course` maps chain time to clip
    time, both counted from `begin`, where the source's clock is off.
    """

    reader: PartReader
    first_source: int
    first_part: tuple[int, int]
    last_part: tuple[int, int]
    decode_from: int
    begin: int
    end: int
    at: int
    squeezes: Sequence[tuple[int, int]]
    course: ClipTime | None = None


_Tracks = dict[int, tuple[int, dict[int, tuple[int, Track, SoundId]]]]
"""By link: ns from the chain's begin to the link's, and by track id rank, track and `sound_id` of its sound
tracks."""


class _Packets(NamedTuple):
    """Packets of one part: `rank` counts the sound tracks of its file, times are ns of the chain.

    `sound`: packets with equal ones decode with one description (`sound_id`).
    """

    link: int
    rank: int
    track: Track
    sound: SoundId
    run: TrackRun
    start_ns: int
    end_ns: int


@dataclass(slots=True)
class _Sound:
    """The table being built. `origin` and `cursor` are clip time (audio ticks) of its two ends."""

    track: Track
    silence: bytes | None
    filler: bytearray
    origin: int | None = None
    cursor: int = 0
    deltas: array[int] = field(default_factory=lambda: array("I"))
    sizes: array[int] = field(default_factory=lambda: array("I"))
    chunks: list[Chunk] = field(default_factory=list)
    _typical: int = 0

    def typical(self, run: TrackRun) -> int:
        """Ticks of a usual packet, from the first run read."""
        if not self._typical:
            self._typical = max(Counter(run.durations).most_common(1)[0][0], 1)
        return self._typical


def read_sound(
    stretches: Sequence[VideoStretch], timescale: int, duration: int, filler: bytearray
) -> TrackTable | None:
    """The audio table, or None when the clip has no sound. Silent packets are appended to `filler`.

    `timescale` and `duration` are the video track's, which are also the movie's.
    """
    packets_by_stretch = [_packets_of(stretch, timescale) for stretch in stretches]
    track = _chosen(stretches, packets_by_stretch, timescale)
    if track is None:
        return None
    sound, wanted = _Sound(track, silent_frame(track), filler), sound_id(track)
    for stretch, packets in zip(stretches, packets_by_stretch, strict=True):
        mine = [packet for packet in packets if packet.sound == wanted]
        _add_stretch(sound, stretch, _first_each(mine), timescale)
    edits = _edits(sound, timescale, duration)
    if not edits:
        return None
    return TrackTable(track.timescale, track.stsd, sound.deltas, sound.sizes, None, None, sound.chunks, edits)


def _chosen(
    stretches: Sequence[VideoStretch], packets_by_stretch: Sequence[list[_Packets]], timescale: int
) -> Track | None:
    """The description of most of the clip's sound: one track has one, and a packet under another description
    would play at a wrong pitch. Of several tracks the first that has sound."""
    lasts: dict[tuple[int, SoundId], tuple[int, Track]] = {}
    for stretch, packets in zip(stretches, packets_by_stretch, strict=True):
        begin_ns, end_ns = (at * NS // timescale for at in (stretch.begin, stretch.end))
        if len(stretches) == 1 and len({id(packet.track) for packet in packets}) == 1:  # as nearly always
            has_any = any(min(each.end_ns, end_ns) > max(each.start_ns, begin_ns) for each in packets)
            return packets[0].track if has_any else None
        for packet in packets:
            inside_ns = min(packet.end_ns, end_ns) - max(packet.start_ns, begin_ns)
            if inside_ns > 0:
                key = packet.rank, packet.sound
                before, track = lasts.get(key, (0, packet.track))
                lasts[key] = before + inside_ns, track
    having = [(rank, -ns, track) for (rank, _), (ns, track) in lasts.items()]
    return min(having, key=lambda packet: packet[:2])[2] if having else None


def _first_each(packets: list[_Packets]) -> list[_Packets]:
    """The first sound track of each segment: two tracks of one description must not be mixed."""
    if len({packet.rank for packet in packets}) < 2:
        return packets
    first: dict[int, int] = {}
    for packet in packets:
        first[packet.link] = min(packet.rank, first.get(packet.link, packet.rank))
    return [packet for packet in packets if packet.rank == first[packet.link]]


def _add_stretch(sound: _Sound, stretch: VideoStretch, packets: list[_Packets], timescale: int) -> None:
    rate = sound.track.timescale
    begin = _rescale(stretch.begin, rate, timescale)
    # the first stretch includes the sound of its hidden video, so that players without edit lists stay in
    # sync
    low = begin if sound.origin is not None else _rescale(stretch.decode_from, rate, timescale)
    low -= int(_LOOK_BACK_S * rate) if sound.origin is None else 0
    high = _rescale(stretch.end, rate, timescale)
    shift = _rescale(stretch.at, rate, timescale) - begin
    squeezes = [(_rescale(at, rate, timescale), _rescale(by, rate, timescale)) for at, by in stretch.squeezes]
    origin, course = begin + shift, stretch.course
    follows: int | None = None  # where the next piece begins when no sound is missing before it
    offsets = {link: _offset(stretch.reader, link, rate) for link in {packet.link for packet in packets}}
    for packet in packets:
        start = packet.run.tfdt + offsets[packet.link]
        is_free = course is None and not squeezes and start + packet.run.durations[0] > low
        if is_free and _add_whole(sound, packet, start, high, shift, stretch.first_source):
            continue
        cuts = [at for at, _ in squeezes]
        if course is not None:
            end = min(start + packet.run.ticks, high)
            cuts += range(max(start, low), end, max(1, round(_LOOK_S * rate)))
        for piece in _pieces(sound, packet.run, start, low, high, cuts):
            at = piece[2] + shift + sum(by for at, by in squeezes if piece[2] >= at)
            add, source = _add_packets, stretch.first_source + packet.link
            if course is not None:
                if follows is not None and abs(at - follows) <= rate // 1000:
                    add = _keep_near
                follows = at + sum(_durations(sound, packet.run, piece))
                at = origin + course.at(at - origin)
            add(sound, packet.run, piece, at, source)


def _add_whole(sound: _Sound, packet: _Packets, start: int, high: int, shift: int, first_source: int) -> bool:
    """Append all packets of one part, if they end before `high`, directly behind the sound before them, and
    none of them stands before a hole, as nearly always. False: nothing was appended."""
    run, cursor = packet.run, sound.cursor
    durations = run.durations
    if (
        sound.origin is None
        or start + packet.run.ticks - durations[-1] >= high
        or abs(start + shift - cursor) > sound.track.timescale // 1000  # as _add_packets
        or run.longest > _HOLE_PACKETS * sound.typical(run)
    ):
        return False
    sound.chunks.append(Chunk(first_source + packet.link, run.data_offset, run.size, len(durations)))
    sound.sizes += run.sizes
    sound.deltas += durations
    sound.cursor = cursor + packet.run.ticks
    return True


def _rescale(ticks: int, rate: int, timescale: int) -> int:
    return (ticks * rate + timescale // 2) // timescale


def _offset(reader: PartReader, link: int, rate: int) -> int:
    """Audio ticks of a segment to audio ticks of its chain."""
    since_ns = reader.links[link].segment.base_ns - reader.links[0].segment.base_ns
    return _rescale(since_ns, rate, NS)


def _packets_of(stretch: VideoStretch, timescale: int) -> list[_Packets]:
    """All sound in decode order that may belong to a stretch: of the video's parts and some around them."""
    reader = stretch.reader
    low_ns = stretch.decode_from * NS // timescale - int(_LOOK_BACK_S * NS)
    high_ns = stretch.end * NS // timescale
    packets: list[_Packets] = []
    tracks: _Tracks = {}
    place = stretch.first_part
    while place <= stretch.last_part:
        packets += _packets_in(reader, place, tracks)
        place = _step(reader, place, 1)
    place = stretch.first_part
    for _ in range(_MAX_PARTS_ASIDE):
        place = _step(reader, place, -1)
        if place[0] < 0 or (packets and packets[0].start_ns <= low_ns):
            break
        packets[:0] = _packets_in(reader, place, tracks)
    place = stretch.last_part
    for _ in range(_MAX_PARTS_ASIDE):
        place = _step(reader, place, 1)
        if place[0] >= len(reader.links) or (packets and packets[-1].end_ns >= high_ns):
            break
        packets += _packets_in(reader, place, tracks)
    return packets


def _packets_in(reader: PartReader, place: tuple[int, int], tracks_by_link: _Tracks) -> list[_Packets]:
    """The sound of one part. Each segment of a run may number its tracks differently, or have no sound."""
    if place[0] not in tracks_by_link:
        segment = reader.links[place[0]].segment
        tracks_by_link[place[0]] = (
            segment.base_ns - reader.links[0].segment.base_ns,
            {track.id: (rank, track, sound_id(track)) for rank, track in enumerate(segment.init.sounds)},
        )
    since_ns, tracks = tracks_by_link[place[0]]
    packets: list[_Packets] = []
    for run in reader.runs(*place):
        if run.sizes and run.track_id in tracks:
            rank, track, sound = tracks[run.track_id]
            start = run.tfdt * NS // track.timescale + since_ns
            end = start + run.ticks * NS // track.timescale
            packets.append(_Packets(place[0], rank, track, sound, run, start, end))
    if len(packets) > 1:
        packets.sort(key=lambda each: each.start_ns)
    return packets


def _step(reader: PartReader, place: tuple[int, int], by: int) -> tuple[int, int]:
    """The part before or after a place; link -1 or len(links) outside the chain."""
    link, part = place[0], place[1] + by
    if part >= len(reader.links[link].segment.parts):
        return link + 1, 0
    if part < 0:
        return link - 1, len(reader.links[link - 1].segment.parts) - 1 if link else 0
    return link, part


def _pieces(sound: _Sound, run: TrackRun, start: int, low: int, high: int, cuts: list[int]) -> list[_Piece]:
    """(first packet, packet after the last, start tick) of what lies in low..high, split at `cuts`.

    A packet far longer than usual is followed by a hole: what comes after it is a separate piece.
    """
    times = list(accumulate(run.durations, initial=start))
    lo = bisect_right(times, low, 1) - 1  # the packet that contains `low`, or the first
    hi = bisect_left(times, high, 0, len(run.durations))
    if lo >= hi:
        return []
    marks = {lo, hi, *(bisect_left(times, cut, lo, hi) for cut in cuts)}
    longest = _HOLE_PACKETS * sound.typical(run)
    if run.longest > longest:
        marks |= {place + 1 for place in range(lo, hi) if run.durations[place] > longest}
    if len(marks) == 2:
        return [(lo, hi, times[lo])]
    return [(a, b, times[a]) for a, b in pairwise(sorted(marks))]


def _keep_near(sound: _Sound, run: TrackRun, piece: _Piece, at: int, source: int) -> None:
    """Append packets of a piece directly behind those before, as long as that is close to `at`, their clip
    time; else some are left out, or the first is played twice."""
    lo, hi, start = piece
    packet = sound.typical(run)
    most = max(round(_OFF_PICTURE_S * sound.track.timescale), packet // 2)
    late = 0 if sound.origin is None else at - sound.cursor
    if late > most + 2 * packet or (late > most and packet < most // 4):
        _add_packets(sound, run, piece, at, source)  # no drift: sound is missing
        return
    if late > most:
        _add_packets(sound, run, (lo, lo + 1, start), sound.cursor, source)
    elif late < -most:
        lo = min(hi, lo + round(-late / packet))
    if lo < hi:
        _add_packets(sound, run, (lo, hi, start), at if sound.origin is None else sound.cursor, source)


def _durations(sound: _Sound, run: TrackRun, piece: _Piece) -> array[int]:
    """Durations of a piece's packets, without the hole that may follow the last one."""
    durations = run.durations[piece[0] : piece[1]]
    if durations[-1] > _HOLE_PACKETS * sound.typical(run):
        durations[-1] = sound.typical(run)
    return durations


def _add_packets(sound: _Sound, run: TrackRun, piece: _Piece, at: int, source: int) -> None:
    """Append packets of a piece, the first at clip time `at`; those that overlap earlier sound are left
    out."""
    lo, hi, _ = piece
    if sound.origin is None:
        sound.origin = sound.cursor = at
    tolerance = sound.track.timescale // 1000  # rounding of joins, far below a packet
    while lo < hi and at < sound.cursor - tolerance:
        at, lo = at + run.durations[lo], lo + 1
    if lo == hi:
        return
    if at > sound.cursor + tolerance:
        _fill(sound, at - sound.cursor)
    durations = _durations(sound, run, (lo, hi, at))
    first = run.data_offset + sum(run.sizes[:lo])
    sound.chunks.append(Chunk(source, first, sum(run.sizes[lo:hi]), hi - lo))
    sound.sizes += run.sizes[lo:hi]
    sound.deltas += durations
    sound.cursor += sum(durations)


def _fill(sound: _Sound, gap: int) -> None:
    """Extend the track by `gap` ticks without sound: silent packets, and the rest by a longer delta."""
    count = min(gap // SAMPLES_PER_FRAME, _MAX_SILENT_FRAMES)
    if sound.silence is not None and count:
        sound.chunks.append(Chunk(FILLER, len(sound.filler), count * len(sound.silence), count))
        sound.filler += sound.silence * count
        sound.sizes += array("I", [len(sound.silence)]) * count
        sound.deltas += array("I", [SAMPLES_PER_FRAME]) * count
        sound.cursor += count * SAMPLES_PER_FRAME
        gap -= count * SAMPLES_PER_FRAME
    stretched = min(sound.deltas[-1] + gap, MAX_DELTA)
    sound.cursor += stretched - sound.deltas[-1]
    sound.deltas[-1] = stretched


def _edits(sound: _Sound, timescale: int, duration: int) -> list[boxes.Edit]:
    """Hide what is before clip time 0, or begin late; empty when there is no sound to hear."""
    if sound.origin is None:
        return []
    rate = sound.track.timescale
    late = max(sound.origin, 0)
    end = min(_rescale(sound.cursor, timescale, rate), duration)
    begin = _rescale(late, timescale, rate)
    if end <= begin:
        return []
    shown = boxes.Edit(end - begin, late - sound.origin)
    return [boxes.Edit(begin, boxes.EMPTY_EDIT), shown] if begin else [shown]
