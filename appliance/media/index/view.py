"""The immutable values that an index passes to code that plans a clip.

Owns: Part, Key, SegmentView and the interface of a run's clock. Must not know: how they are made or kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from appliance.media.mp4.fmp4 import Init
from appliance.media.mp4.moof import TrackRun


class MediaClock(Protocol):
    """Media time of one run (ns) against wall time of arrival (us UTC); rising, never changed.

    `media_ns` is the exact inverse: wall_us(m) >= w exactly when m >= media_ns(w). A plan chooses frames by
    it, a timeline publishes them by wall_us, and both must agree to the microsecond.
    """

    def wall_us(self, media_ns: int) -> int: ...

    def media_ns(self, wall_us: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One complete moof+mdat. Times are video track ticks of the segment, -1 when the part has no video.

    `video_tfdt` is the first video sample's dts, `video_end` the greatest pts + duration.
    """

    offset: int
    moof_size: int
    end: int
    video_tfdt: int
    video_pts_min: int
    video_pts_max: int
    video_end: int


@dataclass(frozen=True, slots=True)
class Key:
    """A video sample at which decoding may begin: `sample` counts over all video runs of part `part`, from 0.

    `params_id` and `format_id` as in params.KeyFacts. Pictures are correct from `recovery` ticks after it (0
    except with intra refresh). `resets`: 1 where a decoder can start even after other pictures, 0 at a
    recovery point, whose picture order count continues from them.
    """

    pts: int
    part: int
    sample: int
    params_id: int
    format_id: int = 0
    recovery: int = 0
    resets: int = 1

    @property
    def right(self) -> int:
        """The smallest pts from which on every picture is correct when decoding begins here."""
        return self.pts + self.recovery


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A snapshot of one segment: enough to plan a cut or to name a frame.

    `name` is relative to recordings_dir; `base_ns` is the run's media time at tick 0 (mtxi.DTS, else 0);
    `run_id` is the hex StreamID, or "name:<file>:<checksum>" without mtxi. `recent` has the sample tables of
    some newest parts by number, as they were indexed; those of the others are read from the file.
    `lowest_cto` is the smallest pts - dts of its video, at most 0: a later part shows nothing before its dts
    by more than that. `holes` as pace.Hole, rising; `frame_ticks` the length of a frame at its start and at
    its end, (0, 0) where unknown.
    `windows` are the stretches of wall time in which the run is shown where others overlap it (overlap.py);
    None: always.
    """

    name: str
    init: Init
    base_ns: int
    run_id: str
    clock: MediaClock
    parts: Sequence[Part]
    keys: Sequence[Key]
    lowest_cto: int = 0
    holes: tuple[tuple[int, int], ...] = ()
    frame_ticks: tuple[int, int] = (0, 0)
    recent: Mapping[int, tuple[TrackRun, ...]] = field(default_factory=dict, compare=False, repr=False)
    windows: tuple[tuple[int, int], ...] | None = None
