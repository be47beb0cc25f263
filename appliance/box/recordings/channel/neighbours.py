"""Start times that the files of a channel imply for each other.

Owns: which neighbours are compared. Must not know: which time is used (clocks/file_times.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.box.recordings.clocks.file_times import mtxi_of, shifted
from appliance.box.recordings.segment_state import GrowthTimes, Segment
from appliance.media.clock.claims import NEIGHBOURS, StartClaim
from appliance.media.mp4.fmp4 import Mtxi

if TYPE_CHECKING:
    from appliance.box.recordings.channel.channel_index import Channel


def unread_beside(channel: Channel, segment: Segment) -> list[Segment]:
    """Neighbours whose `claim` must be read before this segment is walked or concluded."""
    return [each for each in channel.near(segment, NEIGHBOURS) if mtxi_of(each) is False]


def know_end_before(channel: Channel, segment: Segment) -> None:
    """Set, for a run of an earlier process, where its footage before this file ended.

    Media time may have leapt between the two while no process observed it.
    """
    facts = segment.facts
    run = channel.clocks.runs.get(facts.run_id) if facts is not None else None
    if facts is None or facts.number is None or run is None or run.published_ns is not None:
        return
    for each in channel.near(segment, NEIGHBOURS):
        before = each.facts
        if before is not None and (before.run_id, before.number) == (facts.run_id, facts.number - 1):
            run.publish(before.end_ns or before.base_ns)


def with_begin(channel: Channel, segment: Segment, seen: GrowthTimes) -> GrowthTimes:
    """Growth of a run that has no clock, with the time by which the segment's first byte had arrived:

    the last write to the file before it in its run.
    """
    mtxi, before = mtxi_of(segment), channel.near(segment, 1)[:1]
    if channel.clocks.of(segment) is not None or not mtxi or mtxi.number == 0 or not before:
        return seen
    is_before = channel.name_after(segment) != before[0].name
    return replace(seen, begun_us=before[0].written_us) if is_before else seen


def claims_beside(channel: Channel, segment: Segment, by_us: int = 0) -> list[StartClaim]:
    """Start times in the nearest files of a segment's run, as far as known. `by_us`: how early they are."""
    assert segment.facts is not None
    run_id, ignored = segment.facts.run_id, channel.copies.ignored
    near = (mtxi_of(each) for each in channel.near(segment, NEIGHBOURS) if each.name not in ignored)
    mtxis = [shifted(mtxi, by_us) for mtxi in near if mtxi and mtxi.stream_id.hex() == run_id]
    return [StartClaim(mtxi.dts_ns // 1000, mtxi.ntp_ns // 1000) for mtxi in mtxis]


def following(channel: Channel, segment: Segment) -> Mtxi | None:
    """The mtxi of the segment that begins next."""
    name = channel.name_after(segment)
    return (mtxi_of(channel.segments[name]) or None) if name is not None else None


def lag_ms(channel: Channel) -> float | None:
    """How far the newest segment's mtxi is behind its observed arrival; None: not comparable."""
    for segment in channel.newest_first()[:4]:
        clock, facts = channel.clock_of(segment), segment.facts
        if clock is None or facts is None or facts.ntp_us is None or not channel.clocks.is_live(segment):
            continue
        return (clock.wall_us(facts.base_ns) - facts.ntp_us) / 1000
    return None
