"""What one channel's footage does, as facts: on, stalled, none; a gap that begins, a gap that is over.

Owns: when a state changes and which gaps are worth an event. Must not know: files, threads, who is told.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import trio

from appliance.media.spans import Gap, Piece, gap_between
from appliance.recordings.followed import Followed, Open
from appliance.recordings.model import FootageChanged, FootageState, RecordingGap

STALLED_S: Final = 3.0  # three parts of one second: MediaMTX's longest usual part
NONE_S: Final = 60.0
JUDGE_S: Final = 0.1
_WORTH_TELLING_US: Final = 1_000_000  # shorter gaps are on the timeline, not in the journal


async def judge_for_ever(followed: Followed) -> None:
    """A task of its own: a disk that hangs stops the looking, and that is just when this must speak."""
    while True:
        judge_footage(followed)
        await trio.sleep(JUDGE_S)


def parts_came(followed: Followed, one: Open, before: Piece | None, holes_before: int) -> None:
    """Parts arrived: footage is on, and what was missing before them is told."""
    channel, segment = followed.channel, one.segment
    pieces = channel.pieces(segment)
    if not pieces or not channel.clocks.is_live(segment) or segment.facts is None:
        return
    followed.newest_part_s = trio.current_time()
    chain = pieces[-1 - max(0, len(segment.facts.holes) - holes_before) :]
    if before is not None:
        chain = [before, *chain]
    for left, right in pairwise(chain):
        gap = gap_between(left, right)
        if gap is not None and (gap.end_us or 0) - gap.start_us >= _WORTH_TELLING_US:
            _tell_gap(followed, gap)
    if followed.open_gap_us is not None:  # the parts were only late: nothing is missing after all
        start_us = followed.open_gap_us + followed.latency_us
        _tell_gap(followed, Gap(start_us, start_us, "discontinuity"))
    judge_footage(followed)


def _tell_gap(followed: Followed, gap: Gap) -> None:
    """The end of a gap; one that was told when it began keeps the start it was told with."""
    late_us = followed.latency_us
    start_us = gap.start_us - late_us if followed.open_gap_us is None else followed.open_gap_us
    end_us = max(start_us, (gap.end_us or gap.start_us) - late_us)
    followed.open_gap_us = None
    followed.shared.tell(RecordingGap(followed.channel.id, start_us, end_us, gap.reason))


def judge_footage(followed: Followed) -> None:
    """Tell a change of the footage state, and the gap that begins when footage stops."""
    age_s = None if followed.newest_part_s is None else trio.current_time() - followed.newest_part_s
    state: FootageState = "none"
    if age_s is not None and age_s < NONE_S:
        state = "on" if age_s < STALLED_S else "stalled"
    if state == followed.state:
        return
    was, followed.state = followed.state, state
    followed.shared.tell(FootageChanged(followed.channel.id, state))
    end_us = followed.channel.newest_end_us()
    if was == "on" and end_us is not None and followed.open_gap_us is None:
        followed.open_gap_us = end_us - followed.latency_us
        followed.shared.tell(RecordingGap(followed.channel.id, followed.open_gap_us, None, "source_lost"))
    followed.shared.changed.ring()
