"""The samples of a growing file at which decoding may begin: the index's keys.

Owns: which samples are inspected, and the state of the search. Must not know: parts on disk, clocks, other
files. The NAL units decide, not the file's flags, which are wrong in both directions: flagged samples are all
inspected; others only when no entry came for longer than usual, so a healthy file costs one read per key.
Codecs without NAL units keep their flags.
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
    AccessPoint,
    counts,
    entry_of,
    is_intra_slice,
    is_slice,
    sample_nals,
)
from appliance.media.bitstream.annexb import VideoCodec
from appliance.media.bitstream.picture_sets import H264_PPS, H264_SPS
from appliance.media.index.view import Key
from appliance.media.mp4.fmp4 import Malformed, Track
from appliance.media.mp4.moof import TrackRun

# Without an entry for this long, or this many times the longest distance so far, all samples are inspected.
_PATIENCE_S: Final = 2.0
_PATIENCE_FACTOR: Final = 1.5
_MOST_PATIENCE_S: Final = 20.0
_MAX_HEAD_BYTES: Final = 1 << 17  # messages before the first slice of a real picture are never longer
_MAX_PENDING: Final = 16


class PictureFormat(NamedTuple):
    """From the key at `pts` on, video has this format and this size in pixels as it is shown."""

    pts: int
    format_id: int
    width: int
    height: int


class _Pending(NamedTuple):
    """A recovery point that is correct after `left` more counted pictures; `highest` is their greatest
    pts."""

    key: Key
    left: int
    highest: int


class Search(NamedTuple):
    """The state of the search in a file; immutable, like the cursor it is part of.

    `newest`: dts of the newest entry, or of the first sample; `longest`: the greatest distance between two.
    `unflagged`: the file does not flag its entries, so every sample is inspected. `flags_differ`: some sample
    is not flagged, so that a flag has a meaning. `mistaken` counts flagged samples that are no entry.
    """

    format_id: int = 0
    newest: int | None = None
    longest: int = 0
    unflagged: bool = False
    flags_differ: bool = False
    mistaken: int = 0
    entries: int = 0
    pending: tuple[_Pending, ...] = ()


@dataclass(slots=True)
class EntryAdditions:
    """What one part adds to the search."""

    search: Search
    keys: list[Key] = field(default_factory=list)
    pictures: list[PictureFormat] = field(default_factory=list)


def is_quiet(search: Search, runs: Sequence[TrackRun], timescale: int) -> bool:
    """Whether no sample of a part is inspected, the usual case: none is flagged, no entry is overdue.

    False: call `find_entries`.
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
    return search.newest + _patience(search, timescale) > run.tfdt + run.ticks


def _patience(search: Search, timescale: int) -> float:
    """Ticks after an entry until unflagged samples are inspected too."""
    return min(max(_PATIENCE_S * timescale, _PATIENCE_FACTOR * search.longest), _MOST_PATIENCE_S * timescale)


def find_entries(search: Search, fd: int, runs: list[TrackRun], track: Track, part: int) -> EntryAdditions:
    """The keys of a part whose video is `runs`. OSError is passed on; unreadable samples are no key."""
    additions = EntryAdditions(search)
    codec = params.codec_of(track)
    prefix = _prefix(track) if codec is not None else 0
    before = 0  # samples in earlier runs of this part
    for run in runs:
        if run.sync is not None and not additions.search.flags_differ:
            additions.search = additions.search._replace(flags_differ=True)
        for number in _candidates(additions, run, track):
            place = _Place(run, number, part, before + number)
            if codec is None:
                _add(additions, _key(additions, track, b"", place), place.dts)
            else:
                _look(additions, fd, track, codec, prefix, place)
        before += len(run.sizes)
    return additions


class _Place:
    """Position and time of one sample. Created for candidates only."""

    def __init__(self, run: TrackRun, number: int, part: int, sample: int) -> None:
        self.part, self.sample = part, sample
        self.flagged = run.sync is None or bool(run.sync[number])
        self.dts = run.tfdt + sum(run.durations[:number])
        self.pts = self.dts + (run.ctos[number] if run.ctos is not None else 0)
        self.offset = run.data_offset + sum(run.sizes[:number])
        self.size = run.sizes[number]

    def vouched_for(self, search: Search) -> bool:
        """The file flags it as an entry, and does not flag every sample."""
        return self.flagged and search.flags_differ


def _prefix(track: Track) -> int:
    try:
        return params.length_size(track)
    except Malformed:
        return 4


def _candidates(additions: EntryAdditions, run: TrackRun, track: Track) -> Iterator[int]:
    """Numbers of the samples to inspect; entries found on the way change which ones follow."""
    if run.sync is None:
        yield from range(len(run.sizes))
        return
    number = -1
    while True:
        number = min(
            _next_flagged(run.sync, number + 1), _next_unflagged(additions.search, run, track, number + 1)
        )
        if number >= len(run.sizes):
            return
        yield number


def _next_flagged(sync: bytes, start: int) -> int:
    at = sync.find(1, start)
    return at if at >= 0 else len(sync)


def _next_unflagged(search: Search, run: TrackRun, track: Track, start: int) -> int:
    """The next sample that must be inspected although it is not flagged."""
    count = len(run.sizes)
    if params.codec_of(track) is None:
        return count
    if search.unflagged or search.pending or search.newest is None:
        return start
    due = search.newest + _patience(search, track.timescale)
    if due > run.tfdt + run.ticks:
        return count
    return bisect_left(list(accumulate(run.durations, initial=run.tfdt))[:count], due, start)


def _look(
    additions: EntryAdditions, fd: int, track: Track, codec: VideoCodec, prefix: int, place: _Place
) -> None:
    """Inspect one sample; add it when it is an entry."""
    head, nals = _head(fd, codec, prefix, place)
    entry = entry_of(codec, nals)
    if (
        entry is None
        and _is_intra(codec, nals)
        and (_brings_sets(nals) or place.vouched_for(additions.search))
    ):
        entry = AccessPoint("recovery", 0, exact=False)
    if additions.search.pending:
        _count(additions, codec, nals, place)
    if entry is None:
        search = additions.search
        newest = place.dts if search.newest is None else search.newest
        additions.search = search._replace(newest=newest, mistaken=search.mistaken + place.flagged)
        return
    key = _key(additions, track, head, place, nals)
    if key is None:
        return
    if entry.kind == "recovery":
        key = replace(key, resets=0)
    additions.search = additions.search._replace(unflagged=additions.search.unflagged or not place.flagged)
    if entry.recovery:
        pending = (*additions.search.pending, _Pending(key, entry.recovery, key.pts))[-_MAX_PENDING:]
        additions.search = additions.search._replace(pending=pending)
    else:
        _add(additions, key, place.dts)


def _head(fd: int, codec: VideoCodec, prefix: int, place: _Place) -> tuple[bytes, list[bytes]]:
    """The sample's first bytes, up to and into its first slice, and the NAL units in them."""
    head = os.pread(fd, min(params.KEY_HEAD_BYTES, place.size), place.offset)
    nals = list(sample_nals(head, prefix))
    if len(head) < place.size and not any(nal and is_slice(codec, nal) for nal in nals):
        head = os.pread(fd, min(_MAX_HEAD_BYTES, place.size), place.offset)
        nals = list(sample_nals(head, prefix))
    return head, nals


def _brings_sets(nals: list[bytes]) -> bool:
    """An H.264 encoder repeats its SPS and PPS at a picture where decoding is meant to begin."""
    return {H264_SPS, H264_PPS} <= {nal[0] & 0x1F for nal in nals if nal}


def _is_intra(codec: VideoCodec, nals: list[bytes]) -> bool:
    slices = [nal for nal in nals if nal and is_slice(codec, nal)]
    return codec == "h264" and bool(slices) and all(map(is_intra_slice, slices))


def _key(
    additions: EntryAdditions, track: Track, head: bytes, place: _Place, nals: Sequence[bytes] | None = None
) -> Key | None:
    """The key at a place, its parameter sets looked up; None where no decoder can begin."""
    try:
        facts = params.key_facts(track, head, nals)
    except Malformed:
        return None
    if facts.format_id != additions.search.format_id:
        size = track.turn.size(facts.width, facts.height)
        additions.pictures.append(PictureFormat(place.pts, facts.format_id, *size))
        additions.search = additions.search._replace(format_id=facts.format_id)
    return Key(place.pts, place.part, place.sample, facts.params_id, facts.format_id)


def _add(additions: EntryAdditions, key: Key | None, dts: int) -> None:
    """Add a picture at which decoding can begin at once. Recovery points still pending would be correct only
    later."""
    if key is None:
        return
    search = additions.search
    distance = dts - search.newest if search.newest is not None and search.entries else 0
    additions.keys.append(key)
    additions.search = search._replace(
        newest=dts, longest=max(search.longest, distance), entries=search.entries + 1, pending=()
    )


def _count(additions: EntryAdditions, codec: VideoCodec, nals: list[bytes], place: _Place) -> None:
    """Count one more picture for the pending recovery points; they become keys when they are correct."""
    waiting: list[_Pending] = []
    for pending in additions.search.pending:
        if not counts(codec, nals) or (codec == "hevc" and place.pts <= pending.key.pts):
            waiting.append(pending)
            continue
        highest = max(pending.highest, place.pts)
        if pending.left > 1:
            waiting.append(_Pending(pending.key, pending.left - 1, highest))
            continue
        waiting.clear()  # older points would be correct later than this one, so they are not needed
        additions.keys.append(replace(pending.key, recovery=highest - pending.key.pts))
        additions.search = additions.search._replace(entries=additions.search.entries + 1, newest=place.dts)
    additions.search = additions.search._replace(pending=tuple(waiting))
