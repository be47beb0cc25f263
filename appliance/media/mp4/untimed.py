"""Fragments without a start time (no tfdt): each continues where the track's samples before it end.

Owns: that sum (ISO/IEC 14496-12 section 8.8.12: the box may be left out). Must not know: files, indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.media.mp4.moof import TrackRun


def is_untimed(runs: Sequence[TrackRun]) -> bool:
    return False in [run.is_timed for run in runs]


def go_on(runs: Sequence[TrackRun], ends: Mapping[int, int]) -> tuple[tuple[TrackRun, ...], dict[int, int]]:
    """The runs of one part with their decode times, and where each track ends after it.

    `ends`: by track id, the decode time reached before the part, in ticks; absent is 0.
    """
    begins = dict(ends)
    reached = dict(ends)
    moved = []
    for run in runs:
        if not run.is_timed:
            run = run._replace(tfdt=begins.get(run.track_id, 0) + run.tfdt)
        reached[run.track_id] = run.tfdt + run.ticks
        moved.append(run)
    return tuple(moved), reached
