"""State changes of one channel's footage as facts: on, stalled, none; a gap that begins or ends.

Owns: when a state changes and which gaps are announced as events. Must not know: files, threads, who receives
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import trio

from appliance.box.recordings.following.channel_state import FollowedChannel, LonePart, OpenFile
from appliance.box.recordings.model import FootageChanged, FootageState, RecordingGap
from appliance.box.recordings.segment_state import Segment
from appliance.media.index.spans import WHY, Gap, Reason, SegmentPiece, as_published, gap_between

STALLED_S: Final = 3.0  # three parts of one second: MediaMTX's longest usual part
NONE_S: Final = 60.0
JUDGE_S: Final = 0.1
_WORTH_TELLING_US: Final = 1_000_000  # shorter gaps are on the timeline, not in the journal


async def watch_footage_state(followed: FollowedChannel) -> None:
    """A task of its own: a hung disk blocks the checks, and that is when "stalled" must be reported."""
    while True:
        judge_footage(followed)
        await trio.sleep(JUDGE_S)


def parts_came(
    followed: FollowedChannel,
    open_file: OpenFile,
    before: SegmentPiece | None,
    holes_before: int,
    parts: int = 1,
) -> None:
    """`parts` arrived: footage is on, and gaps before them are announced."""
    channel, segment = followed.channel, open_file.segment
    pieces = channel.pieces(segment)
    if not pieces or not channel.is_live(segment) or segment.facts is None:
        return
    if followed.open_gap_us is not None and not _is_new_run(segment, before):
        first = followed.lone is None
        followed.lone = followed.lone or LonePart(before, holes_before)
        if first and parts == 1:
            return  # MediaMTX writes remaining bytes when it drops a camera: footage has not returned
        if segment.index is not None and segment.index.cursor.pace.held is not None:
            return  # the next frame shows whether something was lost or the camera has lowered its frame rate
        before, holes_before = followed.lone.before, followed.lone.holes_before
    fresh = pieces[-1 - max(0, len(segment.facts.holes) - holes_before) :]
    _announce_gaps(followed, fresh if before is None else [before, *fresh])
    followed.newest_part_s = trio.current_time()
    judge_footage(followed)


def _is_new_run(segment: Segment, before: SegmentPiece | None) -> bool:
    return before is not None and segment.facts is not None and before.facts.run_id != segment.facts.run_id


def _announce_gaps(followed: FollowedChannel, chain: Sequence[SegmentPiece]) -> None:
    """Announce every gap that ends with the newest parts of a file: those between the pieces of `chain`."""
    for left, right in pairwise(chain):
        gap = gap_between(left, right)
        if gap is not None and (gap.end_us or 0) - gap.start_us >= _WORTH_TELLING_US:
            _announce_gap(followed, _with_its_reason(followed, gap, left, right))
    if followed.open_gap_us is not None:  # the parts were only late: nothing is missing
        start_us = followed.open_gap_us + followed.latency_us
        _announce_gap(
            followed, as_published(Gap(start_us, start_us, "discontinuity"), followed.channel.outages)
        )


def _with_its_reason(followed: FollowedChannel, gap: Gap, left: SegmentPiece, right: SegmentPiece) -> Gap:
    """The gap as it was announced when it began; else with its reason from other sources than the files."""
    if followed.open_gap_us is not None:
        gap = gap._replace(start_us=followed.open_gap_us + followed.latency_us)
    published = as_published(gap, followed.channel.outages)
    if published is not gap or left.facts.run_id == right.facts.run_id or gap.reason not in WHY:
        return published
    reason = _why_it_ended(followed, left) or gap.reason
    followed.report_outage(gap.start_us, reason)
    return gap._replace(reason=reason)


def _why_it_ended(followed: FollowedChannel, left: SegmentPiece) -> Reason | None:
    """The known reason why the run of `left` ended."""
    is_of_this_life = left.facts.run_id in followed.channel.arrived_us
    if not is_of_this_life and followed.shared.dies_with_us:
        return "recorder_restart"
    if is_of_this_life and (reason := followed.why_ended()) is not None:
        return reason
    old = followed.open.get(left.facts.name)
    was_killed = old is not None and old.asked_closed and not old.is_closed
    return "recorder_restart" if was_killed else None  # a running recorder finishes its file


def _announce_gap(followed: FollowedChannel, gap: Gap) -> None:
    """Announce the end of a gap; one announced at its start keeps that start."""
    late_us = followed.latency_us
    start_us = gap.start_us - late_us if followed.open_gap_us is None else followed.open_gap_us
    end_us = max(start_us, (gap.end_us or gap.start_us) - late_us)
    followed.open_gap_us, followed.lone = None, None
    followed.shared.report(RecordingGap(followed.channel.id, start_us, end_us, gap.reason))


def judge_footage(followed: FollowedChannel) -> None:
    """Announce a change of the footage state, and the gap that begins when footage stops."""
    age_s = None if followed.newest_part_s is None else trio.current_time() - followed.newest_part_s
    state: FootageState = "none"
    if age_s is not None and age_s < NONE_S:
        state = "on" if age_s < STALLED_S else "stalled"
    if state == followed.state:
        return
    was, followed.state = followed.state, state
    followed.shared.report(FootageChanged(followed.channel.id, state))
    end_us = followed.channel.newest_end_us()
    if was == "on" and end_us is not None and followed.open_gap_us is None:
        _open_gap(followed, end_us)
    followed.shared.changed.notify()


def _open_gap(followed: FollowedChannel, end_us: int) -> None:
    """Footage stopped at this wall time: announce the gap."""
    gap = as_published(Gap(end_us, None, followed.last_ended()), followed.channel.outages)
    followed.report_outage(end_us, gap.reason)
    followed.open_gap_us, followed.lone = end_us - followed.latency_us, None
    followed.shared.report(RecordingGap(followed.channel.id, followed.open_gap_us, None, gap.reason))
