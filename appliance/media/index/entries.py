"""Which samples of a growing file decoding may begin at: the index's keys.

Owns: which samples are looked into, and what is known of the entries so far. Must not know: parts on disk,
clocks, other files. The NAL units decide, not the file's flags, which are wrong in both directions: flagged
samples are all looked into; the others only where flagged entries are missing for longer than usual, so a
healthy file costs one read per key. Codecs without NAL units keep their flags.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final, NamedTuple

from appliance.media.bitstream import params
from appliance.media.bitstream.access_points import (
    Entry,
    counts,
    entry_of,
    is_intra_slice,
    is_slice,
    sample_nals,
)
from appliance.media.bitstream.annexb import VideoCodec
from appliance.media.bitstream.picture_sets import H264_PPS, H264_SPS
from appliance.media.index.view import Key
from appliance.media.mp4.fmp4 import Malformed, Track, TrackRun

# Without an entry for this long, or this many times the longest distance so far, all samples are looked into.
_PATIENCE_S: Final = 2.0
_PATIENCE_FACTOR: Final = 1.5
_MOST_PATIENCE_S: Final = 20.0
_MAX_HEAD_BYTES: Final = 1 << 17  # messages before the first slice of a picture are never longer in earnest
_MAX_PENDING: Final = 16


class Picture(NamedTuple):
    """From the key at `pts` on, video has this format and, as it is shown, this size in pixels."""

    pts: int
    format_id: int
    width: int
    height: int


class _Pending(NamedTuple):
    """A recovery point that waits for `left` more counted pictures; `highest` is their greatest pts."""

    key: Key
    left: int
    highest: int


class Search(NamedTuple):
    """What is known of a file's entries so far; immutable, as the cursor it is part of.

    `newest`: dts of the newest entry, or of the first sample; `longest`: the greatest distance between two.
    `unflagged`: the file does not flag its entries, look into everything. `flags_differ`: some sample is not
    flagged, so that being flagged means something. `mistaken` counts flagged samples that are no entry.
    """

    format_id: int = 0
    newest: int | None = None
    longest: int = 0
    unflagged: bool = False
    flags_differ: bool = False
    mistaken: int = 0
    found: int = 0
    pending: tuple[_Pending, ...] = ()


@dataclass(slots=True)
class Found:
    """What one part adds."""

    search: Search
    keys: list[Key] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def is_quiet(search: Search, runs: Sequence[TrackRun], timescale: int) -> bool:
    """Whether no sample of a part is looked into, as nearly always: none is flagged, no entry is overdue.

    False where only `find_entries` can tell.
    """
    if (
        len(runs) > 1
        or search.newest is None
        or search.unflagged
        or search.pending
        or not search.flags_differ
    ):
        return False
    run = runs[0]
    if run.sync is None or 1 in run.sync:
        return False
    return search.newest + _patience(search, timescale) > run.tfdt + sum(run.durations)


def _patience(search: Search, timescale: int) -> float:
    """How long after an entry the next one is waited for, ticks."""
    return min(max(_PATIENCE_S * timescale, _PATIENCE_FACTOR * search.longest), _MOST_PATIENCE_S * timescale)


def find_entries(search: Search, fd: int, runs: list[TrackRun], track: Track, part: int) -> Found:
    """The keys of a part whose video is `runs`. OSError passes through; unreadable samples are no key."""
    found = Found(search)
    codec = params.codec_of(track)
    prefix = _prefix(track) if codec is not None else 0
    before = 0  # samples in earlier runs of this part
    for run in runs:
        if run.sync is not None and not found.search.flags_differ:
            found.search = found.search._replace(flags_differ=True)
        for number in _candidates(found, run, track):
            place = _Place(run, number, part, before + number)
            if codec is None:
                _add(found, _key(found, track, b"", place), place.dts)
            else:
                _look(found, fd, track, codec, prefix, place)
        before += len(run.sizes)
    return found


class _Place:
    """One sample: where it is and when. Made for candidates only."""

    def __init__(self, run: TrackRun, number: int, part: int, sample: int) -> None:
        self.part, self.sample = part, sample
        self.flagged = run.sync is None or bool(run.sync[number])
        self.dts = run.tfdt + sum(run.durations[:number])
        self.pts = self.dts + (run.ctos[number] if run.ctos is not None else 0)
        self.offset = run.data_offset + sum(run.sizes[:number])
        self.size = run.sizes[number]

    def vouched_for(self, search: Search) -> bool:
        """The file says that it is an entry, and does not say so of every sample."""
        return self.flagged and search.flags_differ


def _prefix(track: Track) -> int:
    try:
        return params.length_size(track)
    except Malformed:
        return 4


def _candidates(found: Found, run: TrackRun, track: Track) -> Iterator[int]:
    """Numbers of the samples to look into; what is found on the way changes what comes after."""
    if run.sync is None:
        yield from range(len(run.sizes))
        return
    number = -1
    while True:
        number = min(
            _next_flagged(run.sync, number + 1), _next_unflagged(found.search, run, track, number + 1)
        )
        if number >= len(run.sizes):
            return
        yield number


def _next_flagged(sync: bytes, start: int) -> int:
    at = sync.find(1, start)
    return at if at >= 0 else len(sync)


def _next_unflagged(search: Search, run: TrackRun, track: Track, start: int) -> int:
    """The next sample that must be looked into although it is not flagged."""
    count = len(run.sizes)
    if params.codec_of(track) is None:
        return count
    if search.unflagged or search.pending or search.newest is None:
        return start
    due = search.newest + _patience(search, track.timescale)
    if due > run.tfdt + sum(run.durations):
        return count
    return bisect_left(list(accumulate(run.durations, initial=run.tfdt))[:count], due, start)


def _look(found: Found, fd: int, track: Track, codec: VideoCodec, prefix: int, place: _Place) -> None:
    """Look into one sample; add it when it is an entry."""
    head, nals = _head(fd, codec, prefix, place)
    entry = entry_of(codec, nals)
    if entry is None and _is_intra(codec, nals) and (_brings_sets(nals) or place.vouched_for(found.search)):
        entry = Entry("recovery", 0, exact=False)
    if found.search.pending:
        _count(found, codec, nals, place)
    if entry is None:
        search = found.search
        newest = place.dts if search.newest is None else search.newest
        found.search = search._replace(newest=newest, mistaken=search.mistaken + place.flagged)
        return
    key = _key(found, track, head, place, nals)
    if key is None:
        return
    if entry.kind == "recovery":
        key = replace(key, resets=0)
    found.search = found.search._replace(unflagged=found.search.unflagged or not place.flagged)
    if entry.recovery:
        pending = (*found.search.pending, _Pending(key, entry.recovery, key.pts))[-_MAX_PENDING:]
        found.search = found.search._replace(pending=pending)
    else:
        _add(found, key, place.dts)


def _head(fd: int, codec: VideoCodec, prefix: int, place: _Place) -> tuple[bytes, list[bytes]]:
    """The sample's first bytes, up to and into its first slice, and the NAL units in them."""
    head = os.pread(fd, min(params.KEY_HEAD_BYTES, place.size), place.offset)
    nals = list(sample_nals(head, prefix))
    if len(head) < place.size and not any(nal and is_slice(codec, nal) for nal in nals):
        head = os.pread(fd, min(_MAX_HEAD_BYTES, place.size), place.offset)
        nals = list(sample_nals(head, prefix))
    return head, nals


def _brings_sets(nals: list[bytes]) -> bool:
    """An H.264 encoder repeats its SPS and PPS where it means a decoder to begin."""
    return {H264_SPS, H264_PPS} <= {nal[0] & 0x1F for nal in nals if nal}


def _is_intra(codec: VideoCodec, nals: list[bytes]) -> bool:
    slices = [nal for nal in nals if nal and is_slice(codec, nal)]
    return codec == "h264" and bool(slices) and all(map(is_intra_slice, slices))


def _key(
    found: Found, track: Track, head: bytes, place: _Place, nals: Sequence[bytes] | None = None
) -> Key | None:
    """The key at a place, its parameter sets looked up; None where no decoder can begin."""
    try:
        facts = params.key_facts(track, head, nals)
    except Malformed:
        return None
    if facts.format_id != found.search.format_id:
        size = track.turn.size(facts.width, facts.height)
        found.pictures.append(Picture(place.pts, facts.format_id, *size))
        found.search = found.search._replace(format_id=facts.format_id)
    return Key(place.pts, place.part, place.sample, facts.params_id, facts.format_id)


def _add(found: Found, key: Key | None, dts: int) -> None:
    """A picture at which decoding begins at once. Recovery points still waiting would be right only later."""
    if key is None:
        return
    search = found.search
    distance = dts - search.newest if search.newest is not None and search.found else 0
    found.keys.append(key)
    found.search = search._replace(
        newest=dts, longest=max(search.longest, distance), found=search.found + 1, pending=()
    )


def _count(found: Found, codec: VideoCodec, nals: list[bytes], place: _Place) -> None:
    """Take one more picture into account for the recovery points that wait; they become keys when right."""
    waiting: list[_Pending] = []
    for one in found.search.pending:
        if not counts(codec, nals) or (codec == "hevc" and place.pts <= one.key.pts):
            waiting.append(one)
            continue
        highest = max(one.highest, place.pts)
        if one.left > 1:
            waiting.append(_Pending(one.key, one.left - 1, highest))
            continue
        waiting.clear()  # older points are right later than this one: nobody needs them
        found.keys.append(replace(one.key, recovery=highest - one.key.pts))
        found.search = found.search._replace(found=found.search.found + 1, newest=place.dts)
    found.search = found.search._replace(pending=tuple(waiting))
