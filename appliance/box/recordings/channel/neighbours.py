"""Start times that the files of a channel imply for each other.

Owns: which neighbours are compared. Must not know: which time is used (clocks/file_times.py).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from appliance.box.recordings.clocks.file_times import mtxi_of, shifted
from appliance.box.recordings.segment_state import GrowthTimes, Segment
from appliance.media.clock.claims import NEIGHBOURS, StartClaim
from appliance.media.mp4.fmp4 import Mtxi

if TYPE_CHECKING:
    from appliance.box.recordings.channel.channel_index import ChannelIndex


def unread_beside(channel: ChannelIndex, segment: Segment) -> list[Segment]:
    """Neighbours whose `claim` must be read before this segment is walked or concluded."""
    return [each for each in channel.near(segment, NEIGHBOURS) if mtxi_of(each) is False]


def end_before_ns(channel: ChannelIndex, segment: Segment) -> int | None:
    """Media time at which the file before this one in its run ends, if that is known."""
    mine = segment.facts
    for each in channel.near(segment, NEIGHBOURS) if mine is not None and mine.number else ():
        before = each.facts
        if mine and before and (before.run_id, before.number) == (mine.run_id, (mine.number or 0) - 1):
            return before.end_ns
    return None


def know_end_before(channel: ChannelIndex, segment: Segment) -> None:
    """Set, for a run of an earlier process, where its footage before this file ended.

    Media time may have leapt between the two while no process observed it.
    """
    facts = segment.facts
    run = channel.clocks.runs.get(facts.run_id) if facts is not None else None
    if facts is None or facts.number is None or run is None or run.published_ns is not None:
        return
    if (end_ns := end_before_ns(channel, segment)) is not None:
        run.publish(end_ns)


def with_begin(channel: ChannelIndex, segment: Segment, seen: GrowthTimes) -> GrowthTimes:
    """Growth of a run that has no clock, with the time by which the segment's first byte had arrived:

    the last write to the file before it in its run.
    """
    mtxi, before = mtxi_of(segment), channel.near(segment, 1)[:1]
    if channel.clocks.of(segment) is not None or not mtxi or mtxi.number == 0 or not before:
        return seen
    is_before = channel.name_after(segment) != before[0].name
    return replace(seen, begun_us=before[0].written_us) if is_before else seen


def claims_beside(channel: ChannelIndex, segment: Segment, by_us: int = 0) -> list[StartClaim]:
    """Start times in the nearest files of a segment's run, as far as known, by media time. `by_us`: how early
    they are."""
    assert segment.facts is not None
    run_id, ignored = segment.facts.run_id, channel.copies.ignored
    near = (mtxi_of(each) for each in channel.near(segment, NEIGHBOURS) if each.name not in ignored)
    mtxis = [shifted(mtxi, by_us) for mtxi in near if mtxi and mtxi.stream_id.hex() == run_id]
    return sorted(StartClaim(mtxi.dts_ns // 1000, mtxi.ntp_ns // 1000) for mtxi in mtxis)


def most_leapt_us(channel: ChannelIndex, segment: Segment) -> int | None:
    """The most by which media time leaps in this file and the nearest of its run, and between them; None: not
    all of them are walked."""
    mine, ignored = segment.facts, channel.copies.ignored
    assert mine is not None
    near = [each for each in channel.near(segment, NEIGHBOURS) if each.name not in ignored]
    files = [each.facts for each in near if (mtxi := mtxi_of(each)) and mtxi.stream_id.hex() == mine.run_id]
    known = sorted((each for each in (mine, *files) if each is not None), key=lambda facts: facts.base_ns)
    holes = [hole for each in known for hole in each.holes]
    holes += [(each.end_ns or 0, after.first_ns or 0) for each, after in pairwise(known)]
    is_known = len(known) == 1 + len(files) and all(each.first_ns is not None for each in known)
    return sum(max(0, after_ns - before_ns) for before_ns, after_ns in holes) // 1000 if is_known else None


def following(channel: ChannelIndex, segment: Segment) -> Mtxi | None:
    """The mtxi of the next file of the segment's run, else of the segment that begins next: a file whose time
    is wrong may stand elsewhere."""
    name, mine = channel.name_after(segment), mtxi_of(segment)
    for each in channel.near(segment, NEIGHBOURS) if mine else ():
        mtxi = mtxi_of(each)
        if mine and mtxi and (mtxi.stream_id, mtxi.number) == (mine.stream_id, mine.number + 1):
            return mtxi
    return (mtxi_of(channel.segments[name]) or None) if name is not None else None


def lag_ms(channel: ChannelIndex) -> float | None:
    """How far the newest segment's mtxi is behind its observed arrival; None: not comparable."""
    for segment in channel.newest_first()[:4]:
        clock, facts = channel.clock_of(segment), segment.facts
        if clock is None or facts is None or facts.ntp_us is None or not channel.clocks.is_live(segment):
            continue
        return (clock.wall_us(facts.base_ns) - facts.ntp_us) / 1000
    return None
