"""The state of one channel as figures for health and the API.

Owns: the summary. Used on the trio thread only, reads no file. Must not know: callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio

from appliance.box.recordings.channel.neighbours import lag_ms
from appliance.box.recordings.following.channel_state import FollowedChannel
from appliance.box.recordings.model import ChannelFootage
from appliance.box.recordings.segment_state import Segment
from appliance.media.index.chain import MAX_PREROLL_S

_ENTRY_SEGMENTS: Final = 4  # segments searched for an entry: more than MAX_PREROLL_S of usual ones


def footage_of(followed: FollowedChannel) -> ChannelFootage:
    channel = followed.channel
    run, newest = channel.newest_run(), channel.newest_first()
    broken = [s for s in newest if s.facts is not None and s.facts.reason is not None]
    part_s = followed.newest_part_s
    return ChannelFootage(
        channel_id=channel.id,
        footage=followed.state,
        latency_us=followed.latency_us,
        video_from_us=next(
            (at for s in reversed(newest) if (at := channel.shown_from_us(s)) is not None), None
        ),
        video_until_us=channel.video_until_us,
        durable_until_us=followed.durable_until_us,
        newest_part_age_s=None if part_s is None else trio.current_time() - part_s,
        run_id=run.run_id if run is not None else None,
        segments=len(newest),
        waiting=channel.unwalked(),
        unreadable=tuple((s.name, s.facts.reason or "") for s in reversed(broken) if s.facts is not None),
        bytes=sum(segment.bytes for segment in newest),
        skew_ppm=run.skew_ppm if run is not None else 0.0,
        is_settling=run is not None and run.is_settling,
        ntp_lag_ms=lag_ms(channel),
        claimed_off_us=channel.clocks.newest_off_us,
        copies=tuple(sorted(channel.copies.ignored.items())),
        undecodable_s=_undecodable_s(newest),
        error=str(followed.disk_errors) or None,
    )


def _undecodable_s(newest_first: Sequence[Segment]) -> float:
    """Seconds of a run's newest footage without an entry in it or within MAX_PREROLL_S before it."""
    end_ns = begin_ns = None
    run_id = ""
    for segment in newest_first[:_ENTRY_SEGMENTS]:
        index = segment.index
        if index is None or index.first is None or index.end is None:
            break
        if run_id not in ("", index.run_id):
            break
        run_id = index.run_id
        end_ns = index.run_ns(index.end) if end_ns is None else end_ns
        begin_ns = index.run_ns(index.first)
        if index.keys:
            return max(0.0, (end_ns - index.run_ns(index.keys[-1].pts)) / 1e9 - MAX_PREROLL_S)
    return 0.0 if end_ns is None or begin_ns is None else (end_ns - begin_ns) / 1e9
