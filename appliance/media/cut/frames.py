"""Capture times of single frames, and the key picture nearest to an instant.

Owns: what timeline?frames=1 publishes and what a thumbnail worker is given. Must not know: clips, workers.
Frame times come from the same conversion that chooses the frames of a plan (chain.Link.wall_us).
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance.media.bitstream.params import KEY_HEAD_BYTES, describe
from appliance.media.cut.plan import NoFootage
from appliance.media.cut.samples import PartReader, read_video
from appliance.media.index.chain import Link, find_spans
from appliance.media.index.overlap import EVER, within
from appliance.media.index.view import Key, SegmentView
from appliance.media.mp4.fmp4 import Malformed, Track
from appliance.media.mp4.moov import Range
from appliance.media.mp4.turn import AS_CODED, Turn

STALE_US = 12_000_000  # a group of pictures is shorter; an older key shows another moment


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """One key sample to decode: `extradata` is the avcC/hvcC payload, `entry` the whole sample entry.

    `width` and `height` are as coded; `turn` puts the picture upright.
    """

    picture: Range
    entry: bytes
    extradata: bytes
    codec: str
    width: int
    height: int
    capture_us: int
    turn: Turn = AS_CODED


def plan_frames(
    segments: Sequence[SegmentView],
    open_fd: Callable[[str], int],
    start_us: int,
    end_us: int,
    latency_us: int,
) -> list[int]:
    """Capture times (us, rising) of every decodable video frame with start_us <= t < end_us.

    Arguments and errors as make_plan; no footage is an empty list. Frames of every description are listed:
    a clip over a format change shows fewer.
    """
    times_us: list[int] = []
    for span in find_spans(segments, start_us + latency_us, end_us + latency_us):
        video = read_video(PartReader(span.links, open_fd), span, after_gap=False)
        for place in video.shown if video is not None else ():
            assert video is not None
            link = span.links[video.link_of(place)]
            times_us.append(link.wall_us(video.pts[place] - link.offset) - latency_us)
    return sorted(times_us)


def plan_frame(
    segments: Sequence[SegmentView], open_fd: Callable[[str], int], at_us: int, latency_us: int
) -> KeyPicture:
    """The newest key picture captured at or before `at_us`. Raises NoFootage, Malformed, OSError."""
    best: tuple[int, SegmentView, Track, Key] | None = None
    for segment in segments:
        track = segment.init.video
        key = _newest_key(segment, track, at_us + latency_us) if track is not None else None
        if track is None or key is None:
            continue
        wall_us = Link(segment, track, 0, 0, 0).wall_us(key.pts)
        if best is None or wall_us > best[0]:
            best = wall_us, segment, track, key
    if best is None:
        raise NoFootage(f"no key picture at or before {at_us}")
    wall_us, segment, track, key = best
    picture, head = _sample(segment, track, key, open_fd)
    description = describe(track, head)
    codec = description.entry[4:8].decode("latin-1")
    return KeyPicture(
        picture=picture,
        entry=description.entry,
        extradata=description.config,
        codec=codec,
        width=description.width,
        height=description.height,
        capture_us=wall_us - latency_us,
        turn=track.turn,
    )


def _newest_key(segment: SegmentView, track: Track, wall_us: int) -> Key | None:
    """The newest key at or before `wall_us` that is shown."""
    shown = within(segment.windows, -EVER, wall_us + 1)
    keys = (_last_key(segment, track, start_us, end_us) for start_us, end_us in reversed(shown))
    return next((key for key in keys if key is not None), None)


def _last_key(segment: SegmentView, track: Track, start_us: int, end_us: int) -> Key | None:
    """The newest key with start_us <= wall time < end_us that is a complete picture.

    A stream with intra refresh may have none for long; one from more than STALE_US before shows another
    moment.
    """
    link = Link(segment, track, 0, 0, 0)
    place = bisect_left(segment.keys, end_us, key=lambda key: link.wall_us(key.pts))
    newest = place
    while place and segment.keys[place - 1].recovery:
        place -= 1
    oldest_us = start_us if place == newest else max(start_us, end_us - STALE_US)
    if place == 0 or link.wall_us(segment.keys[place - 1].pts) < oldest_us:
        return None
    return segment.keys[place - 1]


def _sample(
    segment: SegmentView, track: Track, key: Key, open_fd: Callable[[str], int]
) -> tuple[Range, bytes]:
    """Where a key sample lies, and its first bytes."""
    reader = PartReader((Link(segment, track, 0, 0, 0),), open_fd)
    place = key.sample
    for run in reader.runs(0, key.part):
        if run.track_id != track.id:
            continue
        if place < len(run.sizes):
            offset = run.data_offset + sum(run.sizes[:place])
            head = os.pread(reader.fd(0), min(run.sizes[place], KEY_HEAD_BYTES), offset)
            return Range(segment.name, offset, run.sizes[place]), head
        place -= len(run.sizes)
    raise Malformed(f"{segment.name}: no sample {key.sample} in the part at {key.part}")
