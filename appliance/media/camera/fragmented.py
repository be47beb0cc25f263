"""A camera's fragmented MP4, indexed as a recording is, on a clock that begins with its first frame or sound.

Owns: the index of one file and its view. Must not know: clips, decoders.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass, replace

from appliance.media.camera.progressive import LinearClock
from appliance.media.index.chain import NS
from appliance.media.index.index import SegmentIndex
from appliance.media.index.view import SegmentView
from appliance.media.mp4.fmp4 import Init
from appliance.media.mp4.moof import parse_moof
from appliance.media.mp4.walk import Malformed


@dataclass(frozen=True, slots=True)
class FragmentedFile:
    """An open file; the caller closes `fd`. `end_us` is where the last picture ends, `damage` why the file
    was not read further ("" when it was)."""

    fd: int
    size: int
    whole: SegmentView
    end_us: int
    damage: str

    @classmethod
    def open(cls, fd: int, size: int) -> FragmentedFile:
        """Walks the whole file once. Raises Malformed where it holds no video, OSError."""
        index = SegmentIndex("camera")
        index.update(fd, size)
        index.is_closed = True
        if index.init is None or index.init.video is None or index.end is None or not index.keys:
            raise Malformed(index.damage or "no video at which decoding may begin")
        view = index.view("camera", LinearClock())
        view = replace(view, base_ns=-_origin_ns(fd, view))
        end_us = (view.base_ns + index.end * NS // index.timescale) // 1000
        left = "" if index.cursor.position >= size else f"the file ends inside a part, at byte {size}"
        return cls(fd, size, view, end_us, index.damage or left)

    @property
    def init(self) -> Init:
        return self.whole.init

    def key_us(self, at_us: int) -> int:
        """Where decoding begins for the picture shown at `at_us`."""
        video = self.whole.init.video
        assert video is not None
        tick = (at_us * 1000 - self.whole.base_ns) * video.timescale // NS
        keys = self.whole.keys
        place = max(bisect_right(keys, tick, key=lambda key: key.right) - 1, 0)
        return (self.whole.base_ns + keys[place].pts * NS // video.timescale) // 1000

    def view(self, start_us: int, end_us: int) -> SegmentView:
        """What `make_plan` needs for any stretch."""
        return self.whole


def _origin_ns(fd: int, view: SegmentView) -> int:
    """Media time of the first frame or sound."""
    tracks = {track.id: track for track in view.init.tracks if track.kind != "other"}
    shown = next(part for part in view.parts if part.video_tfdt >= 0)
    video = view.init.video
    assert video is not None
    first = shown.video_pts_min * NS // video.timescale
    runs = parse_moof(os.pread(fd, shown.moof_size, shown.offset), shown.offset, view.init)
    sounds = [
        run.tfdt * NS // tracks[run.track_id].timescale
        for run in runs
        if run.is_timed and run.sizes and run.track_id in tracks and tracks[run.track_id].kind == "audio"
    ]
    return min([first, *sounds])
